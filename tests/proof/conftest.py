"""Clusters and a run for the tests here."""

from tests.fixtures import cluster, dns_pods, kube, registry, run

__all__ = ["cluster", "dns_pods", "kube", "registry", "run"]
