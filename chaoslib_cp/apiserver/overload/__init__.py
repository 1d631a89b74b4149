"""API-server overload: a child process that plays one load profile for many virtual nodes."""
