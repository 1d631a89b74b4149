"""What was changed, on disk before it was changed, and how it is taken back.

The record is data, never code; who takes an entry back is passed in.
"""
