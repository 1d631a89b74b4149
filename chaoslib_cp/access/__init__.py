"""Whether people still get in: the ordinary administrator, and break-glass."""
