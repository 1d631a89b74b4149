"""Whether any agent of a fault runs and, where none does, why: in the words of the kubelet or of the API server."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import FAULT_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.live_pods import complaints, said
from chaoslib_cp.cluster.undo.kinds import delete_object
from chaoslib_cp.cluster.undo.kinds.delete_object import OurObject, our_object
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.fault import Standing
from chaoslib_cp.settings import Settings

_READ_S: Final = 5.0
_A_FEW: Final = "5"  # of two hundred agents that do not start, five say why
_LONGEST_WORDS: Final = 300
_READY: Final = {"DaemonSet": ("numberReady",), "Job": ("ready", "succeeded")}
"""By the kind of object that has agents: what of its status says that one runs, or has."""


def agents_of(log: UndoLog | None) -> Iterator[Item]:
    """The undo entries of what has agents as its pods, the latest first.

    Raises:
        UndoFailed: The log cannot be read.
    """
    for item in reversed([] if log is None else log.items()):
        if item.entry.kind == delete_object.NAME and our_object(item.entry).object_kind in _READY:
            yield item


def agents_standing(settings: Settings, fault: str) -> Standing:
    """Ask the API about a fault of this run that agents play: two or three small reads, one where an agent runs.

    Args:
        settings: What the run was told.
        fault: Its id.

    Returns:
        Whether an agent runs, or nothing is left that could; and why none does, empty while nobody says so.

    Raises:
        TargetRefused: This run has no such fault, or the runner may not look.
        TargetUnreachable: The API does not answer.
        UndoFailed: The undo log cannot be read.
    """
    items = (item for item in agents_of(undo_log_of_run(settings, SystemClock())) if item.fault == fault)
    item = next(items, None)
    if item is None:
        raise TargetRefused(f"this run has no agents of {fault!r}; nothing was changed; start them first")
    ours = our_object(item.entry)
    with open_cluster(settings) as cluster:
        found = cluster.get(ours.path, timeout_s=_READ_S)
        status = (found or {}).get("status") or {}
        if found is None or any(status.get(ready) for ready in _READY[ours.object_kind]):
            return Standing(has_begun=True)
        if (
            ours.object_kind == "DaemonSet"
            and status.get("observedGeneration")
            and not status.get("desiredNumberScheduled")
        ):
            return Standing(
                trouble="its DaemonSet finds no node: none is alive and has the label kubernetes.io/os=linux"
            )
        pods = _pods(cluster, ours, fault)
        return Standing(trouble=_one_line(next(_reasons(cluster, ours, pods), "")), has_parts=bool(pods))


def _pods(cluster: Cluster, ours: OurObject, fault: str) -> list[dict[str, Any]]:
    path, labels = f"/api/v1/namespaces/{ours.namespace}/pods", f"{RUN_LABEL}={ours.run},{FAULT_LABEL}={fault}"
    listed = cluster.get(path, timeout_s=_READ_S, labelSelector=labels, limit=_A_FEW) or {}
    return listed.get("items") or []


def _reasons(cluster: Cluster, ours: OurObject, pods: list[dict[str, Any]]) -> Iterator[str]:
    """Why no agent runs, the most telling reason first."""
    for pod in pods:
        yield from complaints(pod)
    yield from _warnings(cluster, ours.namespace, ours.object_kind, ours.name)
    for pod in pods[:1]:
        yield from _warnings(cluster, ours.namespace, "Pod", str(pod["metadata"]["name"]))


def _warnings(cluster: Cluster, namespace: str, kind: str, name: str) -> Iterator[str]:
    """What events of an object warn of, the latest first: quotas, Pod Security, webhooks, mounts, networks."""
    chosen = f"involvedObject.kind={kind},involvedObject.name={name}"
    listed = cluster.get(f"/api/v1/namespaces/{namespace}/events", timeout_s=_READ_S, fieldSelector=chosen) or {}
    warnings = [one for one in listed.get("items") or [] if one.get("type") == "Warning"]
    yield from map(said, sorted(warnings, key=_seen_at, reverse=True))


def _seen_at(event: Mapping[str, Any]) -> str:
    """When it was seen last, as a text that sorts by time."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _one_line(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[: _LONGEST_WORDS - 3]}..."
