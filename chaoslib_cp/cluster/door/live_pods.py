"""Which pods are alive: an API server lists the dead, the dying and those of dead nodes beside them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.nodes import dead_nodes

_OVER: Final = ("Succeeded", "Failed")  # an evicted pod is Failed (source: Kubernetes documentation, Pod lifecycle)

# A container that waits for these has nothing to complain of (source: kubelet, kuberuntime and kubelet_pods.go).
_ON_ITS_WAY: Final = ("ContainerCreating", "PodInitializing")


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether it has ended for good: nothing of it runs, and nothing will."""
    return (pod.get("status") or {}).get("phase") in _OVER


def is_dying(pod: Mapping[str, Any]) -> bool:
    """Whether it was deleted and is still listed."""
    return bool((pod.get("metadata") or {}).get("deletionTimestamp"))


def has_begun(pod: Mapping[str, Any]) -> bool:
    """Whether any container of it has ever been started, as its status tells."""
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    states = [state for one in containers for state in (one.get("state") or {}, one.get("lastState") or {})]
    return any(state.keys() & {"running", "terminated"} for state in states)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its condition Ready is True."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def live_pods(cluster: Cluster, listed: Mapping[str, Any] | None, timeout_s: float) -> list[dict[str, Any]]:
    """The pods of a list that are alive, ready or not.

    The nodes of those that are not ready are looked at: a node controller calls the pods of a dead node unready when it
    calls the node so. Where nobody can tell, a node counts as alive.

    Args:
        cluster: As whom.
        listed: A list of pods as the API server gives it.
        timeout_s: Limit of the look at nodes.
    """
    here = [pod for pod in (listed or {}).get("items") or [] if not is_over(pod) and not is_dying(pod)]
    nodes = {str((pod.get("spec") or {}).get("nodeName") or "") for pod in here if not is_ready(pod)} - {""}
    dead = dead_nodes(cluster, nodes, timeout_s) if nodes else {}
    return [pod for pod in here if is_ready(pod) or (pod.get("spec") or {}).get("nodeName") not in dead]


def complaints(pod: Mapping[str, Any]) -> Iterator[str]:
    """What a pod's own status complains of: a container that waits, a pod that failed, no node that takes it."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in _ON_ITS_WAY:
            yield said(waiting)
    if status.get("phase") == "Failed":
        yield said(status)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield said(condition)


def said(what: Mapping[str, Any]) -> str:
    """Reason and message as the API has them."""
    reason, message = str(what.get("reason") or ""), str(what.get("message") or "")
    return f"{reason}: {message}" if reason and message else reason or message
