"""Overload from pods."""
