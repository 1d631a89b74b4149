"""API-server overload from inside the cluster: pods of a Job, each of which plays its share of the virtual nodes."""
