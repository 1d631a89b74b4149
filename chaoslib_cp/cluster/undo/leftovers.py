"""What of a run is still there, asked of the cluster itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import FAULT_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.live_pods import is_dying
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.cluster.undo.heal import addresses_of
from chaoslib_cp.cluster.undo.kinds import kind_of_item
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.pods import last_end_s, namespaces_of, stranded
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError, UndoFailed, said_safely
from chaoslib_cp.settings import Settings

ON_NODE = " on node "
_READ_S = 10.0
_LOOK_EVERY_S = 1.0


def leftovers(settings: Settings, clock: Clock | None = None) -> list[str]:
    """Changes and pods of this run that are still in the cluster, asked of the cluster itself.

    Pods that only their dead node keeps in the list are told by :func:`stranded_pods`.

    Raises:
        TargetRefused, TargetUnreachable: The cluster could not be asked, or another one answers, so nobody knows.
    """
    clock = clock or SystemClock()
    with _asking(settings, clock) as (log, cluster):
        return [*_changes(log, cluster), *pods_of(log, cluster, clock).there] if log and cluster else []


def stranded_pods(settings: Settings, clock: Clock | None = None) -> list[str]:
    """Pods of this run that do nothing and are still listed, and which node keeps each of them there.

    Raises:
        TargetRefused, TargetUnreachable: As above.
    """
    clock = clock or SystemClock()
    with _asking(settings, clock) as (log, cluster):
        return list(pods_of(log, cluster, clock).stranded) if log and cluster else []


@contextmanager
def _asking(settings: Settings, clock: Clock) -> Iterator[tuple[UndoLog | None, Cluster | None]]:
    """The run's log and its cluster; neither where it has changed nothing."""
    log = undo_log_of_run(settings, clock)
    if log is None:
        yield None, None
        return
    with open_cluster(settings, known_addresses=addresses_of(log)) as cluster:
        SameCluster(str(log.header.get("cluster_uid") or "")).require(cluster, _READ_S)
        yield log, cluster


def _changes(log: UndoLog, cluster: Cluster) -> Iterator[str]:
    """What is on record and still there; of a kind that nobody here knows, whatever is open."""
    for item in log.items():
        try:
            there = kind_of_item(item).still_there(item, cluster, _READ_S)
        except UndoFailed:
            there = "" if item.done else str(item.entry)
        except ControlPlaneError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake in one kind must not hide what there is of the others
            there = f"{item.entry}, as far as anybody can tell: {said_safely(error)}"
        if there:
            yield there


@dataclass(frozen=True)
class PodsLeft:
    """Pods of a run that are still listed.

    Attributes:
        there: Those that go on their own, or may be at work.
        stranded: Why each of the others is still listed, in a sentence.
    """

    there: tuple[str, ...]
    stranded: tuple[str, ...]


def pods_of(log: UndoLog, cluster: Cluster, clock: Clock) -> PodsLeft:
    """Find the pods of a log's run that are still listed."""
    there: list[str] = []
    stuck: dict[str, str] = {}
    for namespace in sorted(namespaces_of(log)):
        path = f"/api/v1/namespaces/{namespace}/pods"
        listed = cluster.get(path, timeout_s=_READ_S, labelSelector=f"{RUN_LABEL}={log.run},{FAULT_LABEL}") or {}
        pods = listed.get("items") or []
        stuck.update(stranded(cluster, pods, clock.epoch_s(), _READ_S))
        there += [_named(pod, namespace) for pod in pods if pod["metadata"]["name"] not in stuck]
    return PodsLeft(tuple(there), tuple(stuck.values()))


def wait_for_pods(log: UndoLog, cluster: Cluster, clock: Clock, timeout_s: float) -> list[dict[str, Any]]:
    """Wait until no pod of a log's run is listed but those that only a dead node keeps there.

    Args:
        log: Of a run whose changes were all taken back.
        cluster: As whom.
        clock: Source of time.
        timeout_s: Seconds to wait.

    Returns:
        What became of them, as items of a report of ``recover``: closed for what has ended, or does nothing.

    Raises:
        TargetRefused, CallFailed: The cluster could not be asked, or another one answers.
    """
    SameCluster(str(log.header.get("cluster_uid") or "")).require(cluster, _READ_S)
    end_s = min(clock.monotonic_s() + timeout_s, clock.monotonic_s() + max(0.0, last_end_s(log) - clock.epoch_s()))
    first = left = pods_of(log, cluster, clock)
    while left.there and clock.monotonic_s() < end_s:
        clock.sleep(_LOOK_EVERY_S)
        left = pods_of(log, cluster, clock)
    items = [pod_item(words) for words in left.stranded]
    if left.there:
        last_s = max(0.0, last_end_s(log) - clock.epoch_s())
        words = (
            f"still listed; they end by themselves within {last_s:.0f} s" if last_s else "still listed, at their end"
        )
        items.append(_item(f"{len(left.there)} pods, first {left.there[0]}", words, not last_s))
    elif first.there:
        items.append(_item(f"{len(first.there)} pods, first {first.there[0]}", "ended", True))
    return items


def pod_item(words: str) -> dict[str, Any]:
    """The item of a stranded pod, from the sentence that says why it is still listed."""
    return _item(words.partition(" is still listed")[0], words, True)


def _item(what: str, outcome: str, closed: bool) -> dict[str, Any]:
    return {"object": what, "fault": "", "outcome": outcome, "closed": closed}


def _named(pod: Mapping[str, Any], namespace: str) -> str:
    """A pod as a person writes it; of one that is being ended, the node whose kubelet must do it."""
    node = (pod.get("spec") or {}).get("nodeName")
    return f"Pod {namespace}/{pod['metadata']['name']}{f'{ON_NODE}{node}' if node and is_dying(pod) else ''}"
