"""The second record: whatever we make carries its run and its end, so a lost undo log is rebuilt from the cluster."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.call import Cluster
from chaoslib_cp.cluster.connect import open_cluster
from chaoslib_cp.cluster.objects import COLLECTIONS
from chaoslib_cp.cluster.run import ENDS_AT, RUN_LABEL, undo_folder, undo_log_facts
from chaoslib_cp.engine.undo.entry import DeleteObject, Entry
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused, UndoFailed

# After its end an object may still be in use: the agents stop within a second, the run's own recovery takes longer.
_STILL_IN_USE_S = 600.0
_READ_S = 10.0


@dataclass(frozen=True)
class Orphan:
    """An object of ours as the cluster shows it.

    Attributes:
        entry: What would undo it.
        uid: Its UID.
        ends_at_s: When its load ends by itself, seconds since 1970.
    """

    entry: DeleteObject
    uid: str
    ends_at_s: float


def rebuild_lost_logs(
    secrets: Mapping[str, Any] | None, known: Collection[Entry], clock: Clock
) -> tuple[list[Path], list[str]]:
    """Write an undo log for whatever the named cluster shows of ours and no log here tells of.

    Args:
        secrets: chaosk8s' own keys.
        known: What the logs here know to be open.
        clock: Source of time.

    Returns:
        The new logs, and for each run that was left alone one line that says why.

    Raises:
        TargetRefused: No identity may list the kinds we make, or the kubeconfig cannot be used.
        CallFailed: The API does not answer.
    """
    paths, problems = [], []
    with _open_as_whoever_may_look(secrets) as cluster:
        namespace = cluster.get("/api/v1/namespaces/kube-system", timeout_s=_READ_S) or {}
        uid = str((namespace.get("metadata") or {}).get("uid") or "")
        for run, orphans in _find_orphans(cluster, known).items():
            try:
                paths.append(_rebuild(cluster, uid, run, orphans, clock))
            except UndoFailed as error:
                problems.append(str(error))
    return paths, problems


def _open_as_whoever_may_look(secrets: Mapping[str, Any] | None) -> Cluster:
    """Break-glass may list everything; a kubeconfig without it has the administrator."""
    try:
        return open_cluster(None, secrets, "break-glass")
    except TargetRefused:
        return open_cluster(None, secrets, "admin")


def _find_orphans(cluster: Cluster, known: Collection[Entry]) -> dict[str, list[Orphan]]:
    """By run, in the order in which a run makes them."""
    found: dict[str, list[Orphan]] = {}
    for kind, template in COLLECTIONS.items():
        path = template.replace("/namespaces/{namespace}", "")
        listed = cluster.get(path, timeout_s=_READ_S, labelSelector=RUN_LABEL) or {}
        for orphan in _orphans(kind, listed):
            if orphan.entry not in known:
                found.setdefault(orphan.entry.run, []).append(orphan)
    return found


def _rebuild(cluster: Cluster, cluster_uid: str, run: str, orphans: list[Orphan], clock: Clock) -> Path:
    free_at_s = max(orphan.ends_at_s for orphan in orphans) + _STILL_IN_USE_S
    if clock.epoch_s() < free_at_s:
        raise UndoFailed(
            f"run {run} has {len(orphans)} objects in {cluster.server}, first {orphans[0].entry}, and no undo log "
            "here: it may be played from another machine; nothing was undone; recover it there, or here in "
            f"{free_at_s - clock.epoch_s():.0f} s"
        )
    name = f"{run}.found-{clock.epoch_s():.0f}"
    log = UndoLog.create(undo_folder(), name, undo_log_facts(cluster, cluster_uid, {}), clock)
    for orphan in orphans:
        log.note(log.intend(orphan.entry), uid=orphan.uid)
    return log.path


def _orphans(kind: str, listed: Mapping[str, Any]) -> Iterator[Orphan]:
    for item in listed.get("items") or []:
        metadata = item["metadata"]
        try:
            entry = DeleteObject(kind, metadata.get("namespace", ""), metadata["name"], metadata["labels"][RUN_LABEL])
            ends_at_s = float((metadata.get("annotations") or {})[ENDS_AT])
        except (UndoFailed, ValueError, KeyError):
            continue  # no end, or a label that we never write: somebody else's
        if math.isfinite(ends_at_s):  # we write no other; somebody edited it, and it would end at no time or never
            yield Orphan(entry, str(metadata["uid"]), ends_at_s)
