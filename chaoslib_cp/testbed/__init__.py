"""A real Kubernetes control plane on one Linux machine, without containers (docs/architecture.md)."""
