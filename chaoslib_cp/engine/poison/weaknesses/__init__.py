"""What in a Corefile makes the day of an outage worse: read ``table.py`` first."""
