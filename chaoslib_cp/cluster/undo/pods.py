"""Pods of ours that are still at work: what made them is gone, they work on until they are collected or end themselves.

Deleting a DaemonSet is answered before the garbage collector has run, and the collector may starve as everything else
does. Such a pod carries its run, its fault and its own end, so it is known without what made it.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.live_pods import has_begun, is_over
from chaoslib_cp.cluster.door.nodes import dead_nodes
from chaoslib_cp.cluster.undo.objects import OBJECT_KINDS
from chaoslib_cp.cluster.undo.run import is_part_of, undo_folder
from chaoslib_cp.engine.undo.log import Item, UndoLog, find_logs
from chaoslib_cp.errors import TargetRefused, UndoFailed

LONGEST_S = 3600.0
"""No fault lasts longer, seconds; a log that says so was edited."""

_USUAL_NAMESPACE = "kube-system"
# A DaemonSet controller that is a little behind makes a pod of what was just deleted; a garbage collector that is well
# takes it away within a second or two.
_SETTLES_S = 10.0
_LOOK_S = 0.5


@dataclass(frozen=True)
class WorkingPod:
    """A pod of ours that has not ended.

    Attributes:
        run: Run that it belongs to.
        fault: Fault that it belongs to.
        name: As a person writes it.
        ends_at_s: When it ends by itself, seconds since 1970.
    """

    run: str
    fault: str
    name: str
    ends_at_s: float


def ends_at_s(item: Item) -> float:
    """When pods of an entry have ended by themselves, seconds since 1970; 0 when it has none with an end."""
    kind = OBJECT_KINDS.get(str(item.entry.facts.get("object_kind")))
    noted_s = seconds(item.entry.facts.get("ends_at_epoch_s"))
    return 0.0 if noted_s is None or kind is None or not kind.has_pods else min(noted_s, item.intended_at_s + LONGEST_S)


def last_end_s(log: UndoLog) -> float:
    """When all pods of a log's run have ended by themselves, seconds since 1970; 0 when it has none."""
    return max((ends_at_s(item) for item in log.items()), default=0.0)


def pods_at_work(cluster: Cluster, namespace: str, now_s: float, timeout_s: float) -> list[WorkingPod]:
    """The pods of ours that have not ended.

    Args:
        cluster: As whom.
        namespace: Where.
        now_s: Seconds since 1970.
        timeout_s: Limit of the call.

    Raises:
        TargetRefused: This identity may not list them.
        CallFailed: The API does not answer.
    """
    path = f"/api/v1/namespaces/{namespace}/pods"
    listed = cluster.get(path, timeout_s=timeout_s, labelSelector=f"{RUN_LABEL},{FAULT_LABEL}") or {}
    pods = [pod for pod in listed.get("items") or [] if not is_over(pod)]
    stuck = stranded(cluster, pods, now_s, timeout_s)
    found = [_working(pod, namespace) for pod in pods if pod["metadata"]["name"] not in stuck]
    return [one for one in found if now_s < one.ends_at_s]


def stranded(cluster: Cluster, pods: Iterable[Mapping[str, Any]], now_s: float, timeout_s: float) -> dict[str, str]:
    """Which pods of ours are still listed though they do nothing and never will, and why: by name, in a sentence.

    A pod is taken from the list by the kubelet of its node. Where there is none that answers, it stays for as long as
    the Node object does: nobody here can undo that. It carries no load, if none of its containers was ever started, or
    they have come to their own end.

    Args:
        cluster: As whom.
        pods: Of one namespace.
        now_s: Seconds since 1970.
        timeout_s: Limit of each look at nodes.
    """
    idle = [pod for pod in pods if not is_over(pod) and (not has_begun(pod) or now_s >= _end_s(pod))]
    by_node = {str(pod["metadata"]["name"]): str((pod.get("spec") or {}).get("nodeName") or "") for pod in idle}
    nodes = set(by_node.values()) - {""}
    dead = dead_nodes(cluster, nodes, timeout_s) if nodes else {}
    spaces = {str(pod["metadata"]["name"]): str(pod["metadata"].get("namespace") or _USUAL_NAMESPACE) for pod in idle}
    return {
        name: f"Pod {spaces[name]}/{name} is still listed, for node {node} has no kubelet that answers ({dead[node]}); "
        "it does nothing, and goes with that node, or by hand: "
        f"kubectl --namespace {spaces[name]} delete pod {name} --force"
        for name, node in by_node.items()
        if node in dead
    }


def refuse_pods_at_work(cluster: Cluster, cluster_uid: str, run: str, clock: Clock, timeout_s: float) -> None:
    """Refuse a cluster in which pods of an earlier run are still at work: they would add to the load.

    Pods that are about to be collected are waited for, 10 s at most.

    Args:
        cluster: As the runner.
        cluster_uid: UID of its kube-system namespace.
        run: The run that wants to begin; pods that it has on record itself are no obstacle.
        clock: Source of time.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: There is one, or nobody may look; nothing was changed.
        CallFailed: The API does not answer.
    """
    began_s = clock.monotonic_s()
    while left := _others_at_work(cluster, cluster_uid, run, clock, timeout_s):
        pod = left[0]
        if clock.monotonic_s() - began_s >= _SETTLES_S:
            raise TargetRefused(
                f"{pod.name} in {cluster.server} is of run {pod.run} and still at work; nothing was changed; wait for "
                f"it: it ends by itself in {pod.ends_at_s - clock.epoch_s():.0f} s"
            )
        clock.sleep(_LOOK_S)


def seconds(noted: object) -> float | None:
    """A number of seconds as somebody wrote it; None for what is no finite number."""
    try:
        number = float(str(noted))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _others_at_work(cluster: Cluster, cluster_uid: str, run: str, clock: Clock, timeout_s: float) -> list[WorkingPod]:
    """Pods at work in the usual namespace and where logs of this cluster say so, without those of ``run``."""
    now_s = clock.epoch_s()
    namespaces, own = {_USUAL_NAMESPACE}, set()
    for path in find_logs(undo_folder()):
        with suppress(UndoFailed):  # refused, or recovered, by those who need it
            log = UndoLog.read(path, clock)
            if log.header.get("cluster_uid") == cluster_uid and now_s < last_end_s(log):
                namespaces |= namespaces_of(log)
                own |= {log.run} if is_part_of(log.run, run) and log.open_items() else set()
    return [
        pod
        for namespace in sorted(namespaces)
        for pod in pods_at_work(cluster, namespace, now_s, timeout_s)
        if pod.run not in own
    ]


def namespaces_of(log: UndoLog) -> set[str]:
    """Where pods of a log's run may be."""
    named = [item.entry.facts.get("namespace") for item in log.items() if ends_at_s(item)]
    return {str(namespace) for namespace in named if namespace}


def _working(pod: Mapping[str, Any], namespace: str) -> WorkingPod:
    """What a pod says of itself; one with no definite end is none that we made, and counts as ended."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    name = f"Pod {namespace}/{metadata['name']}"
    return WorkingPod(str(labels.get(RUN_LABEL)), str(labels.get(FAULT_LABEL)), name, _end_s(pod))


def _end_s(pod: Mapping[str, Any]) -> float:
    """When a pod ends by itself, seconds since 1970; 0 when it says no definite end."""
    return seconds((pod["metadata"].get("annotations") or {}).get(ENDS_AT)) or 0.0
