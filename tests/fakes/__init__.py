"""Peers for tests: real sockets and processes that behave as a script says."""
