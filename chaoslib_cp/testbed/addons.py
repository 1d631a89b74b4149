"""What an installer puts into a fresh cluster: cluster DNS and a DNS cache on each node, as ordinary manifests."""

import string
from importlib import resources
from typing import Any

import yaml

from chaoslib_cp.testbed import addresses

COREDNS_IMAGE = "coredns/coredns:1.14.7"
FILES = ("coredns.yaml", "node-cache.yaml")


def render(
    dns_replicas: int,
    cluster_dns_ttl_s: int,
    node_cache_ttl_s: int,
    cluster_domain: str = addresses.CLUSTER_DOMAIN,
    kubelet_nodes: int = 2,
) -> list[dict[str, Any]]:
    """Build the manifests, in the order in which they are created.

    Args:
        dns_replicas: CoreDNS pods; kubeadm starts 2.
        cluster_dns_ttl_s: TTL of CoreDNS' answers for cluster names, in seconds; kubeadm sets 30.
        node_cache_ttl_s: how long the node caches keep a good answer for a cluster name, in seconds.
        cluster_domain: DNS domain of the cluster.
        kubelet_nodes: nodes that run something; CoreDNS pods are spread evenly over all of them.

    Returns:
        One mapping for each object.
    """
    values = {
        "cluster_dns": addresses.CLUSTER_DNS,
        "cluster_dns_ttl_s": str(cluster_dns_ttl_s),
        "cluster_domain": cluster_domain,
        "coredns_image": COREDNS_IMAGE,
        "dns_replicas": str(dns_replicas),
        "kubelet_nodes": str(kubelet_nodes),
        "node_cache_ttl_s": str(node_cache_ttl_s),
    }
    folder = resources.files("chaoslib_cp.testbed") / "manifests"
    texts = [string.Template((folder / name).read_text()).substitute(values) for name in FILES]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text)]
