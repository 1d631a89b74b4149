"""Pods of agents that are still at work: a DaemonSet that is gone says nothing of its pods, which load on.

Deleting it is answered before the garbage collector has run, and the collector may starve as everything else does.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.undo.run import is_part_of, undo_folder
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import TargetRefused, UndoFailed

_LONGEST_S = 3600.0  # no agent is told to work for longer
_USUAL_NAMESPACE = "kube-system"
# A DaemonSet controller that is a little behind makes a pod of what was just deleted; a garbage collector that is well
# takes it away within a second or two.
_SETTLES_S = 10.0
_LOOK_S = 0.5
_OVER = ("Succeeded", "Failed")


def agents_end_s(log: UndoLog) -> float:
    """When the last agent of a run has ended by itself, seconds since 1970; 0 when it rolled none out."""
    ends = [0.0]
    for item in log.items():
        if isinstance(item.entry, DeleteObject) and item.entry.object_kind == "DaemonSet":
            latest_s = item.intended_at_s + _LONGEST_S
            noted_s = _seconds(item.notes.get("deadline_epoch_s"))
            ends.append(latest_s if noted_s is None else min(noted_s, latest_s))
    return max(ends)


def agents_at_work(
    cluster: Cluster, namespace: str, runs: Mapping[str, float], now_s: float, timeout_s: float
) -> list[tuple[str, str, float]]:
    """The pods of agents that have not ended.

    Args:
        cluster: As whom.
        namespace: Where.
        runs: When the agents of a run end, for pods that do not say it themselves.
        now_s: Seconds since 1970.
        timeout_s: Limit of the call.

    Returns:
        Run, name and end of each; a pod with no definite end is none that we made.

    Raises:
        TargetRefused: This identity may not list them.
        CallFailed: The API does not answer.
    """
    selector = f"{RUN_LABEL},{ROLE_LABEL}"
    path = f"/api/v1/namespaces/{namespace}/pods"
    listed = cluster.get(path, timeout_s=timeout_s, labelSelector=selector) or {}
    found = []
    for pod in listed.get("items") or []:
        run, ends_at_s = _end_of(pod, runs)
        if (pod.get("status") or {}).get("phase") not in _OVER and now_s < ends_at_s:
            found.append((run, f"Pod {namespace}/{pod['metadata']['name']}", ends_at_s))
    return found


def refuse_agents_at_work(cluster: Cluster, cluster_uid: str, run: str, clock: Clock, timeout_s: float) -> None:
    """Refuse a cluster in which agents of an earlier run are still at work: they would add to the load.

    Pods that are about to be collected are waited for, 10 s at most.

    Args:
        cluster: As the runner.
        cluster_uid: UID of its kube-system namespace.
        run: The run that wants to begin; agents that it has on record itself are no obstacle.
        clock: Source of time.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: There is one, or nobody may look; nothing was changed.
        CallFailed: The API does not answer.
    """
    began_s = clock.monotonic_s()
    while left := _others_at_work(cluster, cluster_uid, run, clock, timeout_s):
        of_run, name, ends_at_s = left[0]
        if clock.monotonic_s() - began_s >= _SETTLES_S:
            raise TargetRefused(
                f"{name} in {cluster.server} is an agent of run {of_run} and still at work; nothing was changed; "
                f"wait for it: it ends by itself in {ends_at_s - clock.epoch_s():.0f} s"
            )
        clock.sleep(_LOOK_S)


def _others_at_work(
    cluster: Cluster, cluster_uid: str, run: str, clock: Clock, timeout_s: float
) -> list[tuple[str, str, float]]:
    """Agents at work in the usual namespace and where logs of this cluster say so, without those of ``run``."""
    now_s = clock.epoch_s()
    namespaces, runs, own = {_USUAL_NAMESPACE}, {}, set()
    for path in find_logs(undo_folder()):
        with suppress(UndoFailed):  # refused, or recovered, by those who need it
            log = UndoLog.read(path, clock)
            end_s = agents_end_s(log)
            if log.header.get("cluster_uid") == cluster_uid and now_s < end_s:
                runs[log.run] = end_s
                namespaces |= _namespaces(log)
                own |= {log.run} if is_part_of(log.run, run) and log.open_items() else set()
    return [
        one
        for namespace in sorted(namespaces)
        for one in agents_at_work(cluster, namespace, runs, now_s, timeout_s)
        if one[0] not in own
    ]


def _namespaces(log: UndoLog) -> set[str]:
    entries = [item.entry for item in log.items() if isinstance(item.entry, DeleteObject)]
    return {entry.namespace for entry in entries if entry.object_kind == "DaemonSet"}


def _end_of(pod: Mapping[str, Any], runs: Mapping[str, float]) -> tuple[str, float]:
    """Run and end of a pod, which carries its end since the second version of the rollout; 0 where nobody knows."""
    metadata = pod["metadata"]
    run = str((metadata.get("labels") or {}).get(RUN_LABEL) or "")
    noted_s = _seconds((metadata.get("annotations") or {}).get(ENDS_AT))
    return run, runs.get(run, 0.0) if noted_s is None else noted_s


def _seconds(text: object) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
