"""What was changed, on disk before it was changed, and how it is taken back.

The record is data in a closed set of kinds, never code; the ones who carry an entry out are passed in.
"""
