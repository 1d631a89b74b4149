"""The addresses inside a testbed's network namespace. None of them is reachable from outside, so all are constants."""

API_PORT = 6443
NODES = "172.18.0.0/16"
API_STABLE = "172.18.0.10"
ETCD = "172.18.0.5"
OUTSIDE_RESOLVER = "172.18.0.53"
BRIDGE = "br0"
BRIDGE_ADDRESS = "10.244.0.1"
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
CLUSTER_DNS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
OUTSIDE_ZONE = "outside.test"
NODE_CACHE_HOST = 53
PROBER_HOST = 54
"""The last number of the addresses that the DNS cache and the workload prober of a node have in its range."""


def api_server(index: int) -> str:
    """Return the address of API server ``index`` (from 0)."""
    return f"172.18.0.{11 + index}"


def node(index: int) -> str:
    """Return the address of kubelet node ``index`` (from 1)."""
    return f"172.18.0.{20 + index}"


def node_name(index: int) -> str:
    """Return the name of kubelet node ``index`` (from 1)."""
    return f"worker-{index}"


def node_pod_cidr(index: int) -> str:
    """Return the range of pod addresses on kubelet node ``index``."""
    return f"10.244.{index}.0/24"


def node_cache(index: int) -> str:
    """Return the address of the DNS cache on kubelet node ``index``."""
    return f"10.244.{index}.{NODE_CACHE_HOST}"


def prober(index: int) -> str:
    """Return the address of the workload prober on kubelet node ``index``."""
    return f"10.244.{index}.{PROBER_HOST}"
