"""Weaknesses of how the DNS servers run: how many, on which nodes, within how much memory."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from chaoslib_cp.engine.poison.weaknesses.weakness import Level, Weakness

_MEBIBYTE: Final = 1 << 20
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS: Final[Mapping[str, float]] = {
    **{"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    **{"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40},
}

# MB = 49.1 + 0.000858 x (pods + services), measured with 31.6 of them on each node (source: coredns/deployment,
# kubernetes/Scaling_CoreDNS.md). It says 185 MB for the 5,000 nodes on which 170 MiB were too little.
_BASE_BYTES: Final = 49.1e6
_NODE_BYTES: Final = 0.000858e6 * 31.6
_RELIST: Final = 2  # the old store and the new list at once (source: kubernetes #139117)


def placement_weaknesses(
    named: str, pods: Sequence[Mapping[str, Any]], control_plane: Collection[str], nodes: int | None
) -> Iterator[Weakness]:
    """Find them.

    Args:
        named: What the pods are called.
        pods: The DNS servers that are alive.
        control_plane: Names of the nodes of the control plane.
        nodes: How many nodes the cluster has; None where nobody knows.
    """
    if len(pods) < 2:
        yield Weakness(
            "replicas",
            "high",
            named,
            "one pod is alive" if pods else "no pod is alive",
            "when it restarts while the API is away, nothing else answers",
            "run two or more, on different nodes",
            "OpenAI, 2024-12-11",
        )
    homes = {str((pod.get("spec") or {}).get("nodeName") or "") for pod in pods} - {""}
    if len(pods) > 1 and len(homes) == 1:
        yield Weakness(
            "one node",
            "medium",
            named,
            f"all {len(pods)} pods are on node {min(homes)}",
            "what takes that node away takes DNS away",
            "spread them: topologySpreadConstraints by kubernetes.io/hostname",
            "kubernetes documentation, Pod Topology Spread Constraints",
        )
    if homes and homes <= set(control_plane):
        yield Weakness(
            "control plane",
            "medium",
            named,
            "all pods are on nodes of the control plane",
            "what an API server or etcd uses up there is missing for DNS",
            "run them on other nodes",
            "Render, moved CoreDNS to data-plane nodes",
        )
    yield from _memory(named, pods, nodes)


def no_node_cache(others: Sequence[str]) -> Weakness:
    """What it means that no pod of a node cache is alive.

    Args:
        others: Addresses that pods ask and that are not of cluster DNS.
    """
    if others:
        return Weakness(
            "unknown cache",
            "low",
            f"resolv.conf of pods: {others[0]}",
            "what answers there is no Service of cluster DNS",
            "what it keeps, and for how long, was not looked at",
            "look there yourself",
            "kubernetes documentation, NodeLocal DNSCache",
        )
    return Weakness(
        "no node cache",
        "low",
        "pods with k8s-app=node-local-dns in kube-system",
        "none is alive",
        "nothing masks a failure of the DNS servers",
        "count on it from its first second, or run NodeLocal DNSCache",
        "kubernetes documentation, NodeLocal DNSCache",
    )


def _memory(named: str, pods: Sequence[Mapping[str, Any]], nodes: int | None) -> Iterator[Weakness]:
    limits = [limit for pod in pods if (limit := _limit_bytes(pod))]
    if not limits or not nodes:
        return
    steady_bytes = _BASE_BYTES + nodes * _NODE_BYTES
    if min(limits) < _RELIST * steady_bytes:
        level: Level = "high" if min(limits) < steady_bytes else "medium"
        needed = round(_RELIST * steady_bytes / _MEBIBYTE)
        yield Weakness(
            "memory limit",
            level,
            named,
            f"memory limit {min(limits) / _MEBIBYTE:.0f} MiB on {nodes} nodes",
            "the list after an API outage takes twice the memory, and the limit kills all servers at once",
            f"set a limit of {needed} MiB or more",
            "kubernetes #139117, coredns Scaling_CoreDNS.md",
        )


def _limit_bytes(pod: Mapping[str, Any]) -> float | None:
    """The memory limit of the container that answers DNS; None where it has none."""
    containers = (pod.get("spec") or {}).get("containers") or []
    dns = [one for one in containers if any(port.get("protocol") == "UDP" for port in one.get("ports") or [])]
    for one in dns[:1]:
        return _bytes(str(((one.get("resources") or {}).get("limits") or {}).get("memory") or ""))
    return None


def _bytes(quantity: str) -> float | None:
    """A quantity of Kubernetes, such as ``170Mi``; None where it is none.

    Source: Kubernetes API reference, Quantity.
    """
    found = _QUANTITY.fullmatch(quantity)
    return float(found[1]) * _FACTORS[found[2] or ""] if found else None
