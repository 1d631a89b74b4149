"""Pure engines: strangers to each other, to Chaos Toolkit and to Kubernetes clients."""
