"""Measurements behind docs/benchmarks.md. They are no tests: they take long, and their figures are read by people."""
