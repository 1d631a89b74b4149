"""DNS as workloads see it, and the DNS servers."""
