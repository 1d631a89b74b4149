"""Which nodes are alive: a Node object is a claim, and its condition Ready says whether a kubelet stands behind it."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, CallFailed, Cluster
from chaoslib_cp.errors import TargetRefused

NODES: Final = "/api/v1/nodes"
_ONE_BY_ONE: Final = 5  # of more nodes one list is the smaller load
OS_LABEL: Final = "kubernetes.io/os"
LINUX: Final = "linux"
"""What the label says of nodes that can run our image (source: Kubernetes documentation, well-known labels)."""


def why_not_alive(node: Mapping[str, Any]) -> str:
    """Why a Node has no kubelet that answers, in the API server's words; empty when it has one.

    A node that has no condition Ready yet has only just been made: it counts as alive.

    Source: Kubernetes documentation, Node conditions; the node controller writes Unknown after 40 s of silence.
    """
    for one in (node.get("status") or {}).get("conditions") or []:
        if one.get("type") == "Ready" and one.get("status") != "True":
            said = one.get("message") or one.get("reason") or "no reason given"
            return f"Ready is {one.get('status')}: {' '.join(str(said).split())[:120].rstrip('.')}"
    return ""


def runs_linux(node: Mapping[str, Any]) -> bool:
    """Whether our image can run there; a node that does not say what it runs may."""
    labels = (node.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(OS_LABEL, LINUX) == LINUX)


def takes_workloads(node: Mapping[str, Any]) -> bool:
    """Whether a pod of a DaemonSet runs there that tolerates nothing of its own accord.

    Source: Kubernetes documentation, DaemonSet, taints and tolerations: those of ``node.kubernetes.io/`` are tolerated.
    """
    taints = (node.get("spec") or {}).get("taints") or []
    return not any(
        one.get("effect") in ("NoSchedule", "NoExecute") and not str(one.get("key")).startswith("node.kubernetes.io/")
        for one in taints
    )


def count_nodes(cluster: Cluster, timeout_s: float = DEFAULT_TIMEOUT_S, for_workloads_only: bool = False) -> int | None:
    """How many nodes can run an agent: alive, and Linux; None when the cluster lists none at all.

    Args:
        cluster: As whom.
        timeout_s: Limit of the one call.
        for_workloads_only: Leave out those that only run pods which tolerate their taints.

    Raises:
        TargetRefused: This identity may not list nodes.
        CallFailed: The API does not answer.
    """
    nodes = (cluster.get(NODES, timeout_s) or {}).get("items") or []
    fit = [node for node in nodes if runs_linux(node) and not why_not_alive(node)]
    return sum(takes_workloads(node) or not for_workloads_only for node in fit) if nodes else None


def dead_nodes(cluster: Cluster, names: Collection[str], timeout_s: float) -> dict[str, str]:
    """Which of some nodes have no kubelet that answers, and why.

    A Node whose Ready nobody has ever said counts as dead here: what waits on it waits for ever. One that is gone, or
    of which nobody can tell, does not.

    Args:
        cluster: As whom.
        names: Of the nodes.
        timeout_s: Limit of all calls together.
    """
    # a list of one: the runner may list nodes, and needs no other right for it
    chosen = [{"fieldSelector": f"metadata.name={name}"} for name in sorted(names)]
    if len(chosen) > _ONE_BY_ONE:
        chosen = [{}]
    each_s = timeout_s / max(1, len(chosen))
    try:
        nodes = [one for query in chosen for one in (cluster.get(NODES, each_s, **query) or {}).get("items") or []]
    except (CallFailed, TargetRefused):
        return {}
    why = {str(node["metadata"]["name"]): why_not_alive(node) or _never_reported(node) for node in nodes}
    return {name: words for name, words in why.items() if words and name in names}


def _never_reported(node: Mapping[str, Any]) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    return "" if any(one.get("type") == "Ready" for one in conditions) else "no kubelet has ever said that it is Ready"
