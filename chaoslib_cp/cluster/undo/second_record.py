"""The second record: whatever we make carries its run and its end, so a lost undo log is rebuilt from the cluster."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import FAULT_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
from chaoslib_cp.cluster.undo.kinds import Found, undo_kinds
from chaoslib_cp.cluster.undo.pods import stranded
from chaoslib_cp.cluster.undo.run import undo_folder, undo_log_facts
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import TargetRefused, UndoFailed
from chaoslib_cp.settings import Settings

# After its end an object may still be in use: the agents stop within a second, the run's own recovery takes longer.
_STILL_IN_USE_S = 600.0
_READ_S = 10.0
_WHO_MAY_LOOK = ("break-glass", "admin")


def rebuild_lost_logs(settings: Settings, clock: Clock) -> tuple[list[Path], list[str]]:
    """Write an undo log for whatever the named cluster shows of ours and no log here tells of.

    Args:
        settings: Which cluster is named, and as whom it may be looked into.
        clock: Source of time, where the API server does not tell its own.

    Returns:
        The new logs, and for each run that was left alone one line that says why.

    Raises:
        TargetRefused: No identity may list the kinds we make, or the kubeconfig cannot be used.
        CallFailed: The API does not answer.
    """
    paths, problems = [], []
    with _open_as_whoever_may_look(settings) as cluster:
        answer = cluster.call("GET", CLUSTER_UID_PATH, timeout_s=_READ_S)
        cluster.expect_success(answer, "read namespace kube-system")
        uid = str((answer.json().get("metadata") or {}).get("uid") or "")
        # the cluster's clock is the one that whoever plays that run was compared with
        now_s = clock.epoch_s() if answer.served_epoch_s is None else answer.served_epoch_s
        facts = undo_log_facts(cluster, uid, settings)
        for run, orphans in _find_orphans(cluster, _open_entries(uid, clock)).items():
            try:
                _refuse_in_use(cluster, run, orphans, now_s)
                paths.append(_rebuild(facts, run, orphans, clock))
            except UndoFailed as error:
                problems.append(str(error))
    return paths, problems


def stranded_anywhere(settings: Settings, clock: Clock) -> list[str]:
    """Say of every pod of ours that does nothing why it is still listed; see ``pods.stranded``.

    Args:
        settings: Which cluster is named, and as whom it may be looked into.
        clock: Source of time.

    Raises:
        TargetRefused: No identity may list pods, or the kubeconfig cannot be used.
        CallFailed: The API does not answer.
    """
    with _open_as_whoever_may_look(settings) as cluster:
        # from the server's cache: nobody must be sure of the last second
        chosen = {"labelSelector": f"{RUN_LABEL},{FAULT_LABEL}", "resourceVersion": "0"}
        listed = cluster.get("/api/v1/pods", timeout_s=_READ_S, **chosen) or {}
        return list(stranded(cluster, listed.get("items") or [], clock.epoch_s(), _READ_S).values())


def refuse_runs_from_elsewhere(cluster: Cluster, cluster_uid: str, clock: Clock, timeout_s: float) -> None:
    """Refuse a cluster in which a run that no undo log here knows has something that carries load.

    Args:
        cluster: As the runner, who may not list everything.
        cluster_uid: UID of its kube-system namespace.
        clock: Source of time.
        timeout_s: Limit of the call.

    Raises:
        TargetRefused: There is one, or nobody may look; nothing was changed.
        CallFailed: The API does not answer.
    """
    known = _open_entries(cluster_uid, clock)
    for run, orphans in _find_orphans(cluster, known, timeout_s, as_runner=True).items():
        ends_at_s = max(orphan.ends_at_s for orphan in orphans)
        tense = "ends" if clock.epoch_s() < ends_at_s else "ended"
        raise TargetRefused(
            f"run {run} has {orphans[0].entry} in {cluster.server}, and no undo log here tells of it: it may be played "
            f"from another machine; its load {tense} by itself at {_time(ends_at_s)}; nothing was changed; recover it "
            f"there, or from {_time(ends_at_s + _STILL_IN_USE_S)} on here: name this cluster with KUBECONFIG and run "
            "`chaos cp recover`"
        )


def _open_entries(cluster_uid: str, clock: Clock) -> set[tuple[str, ...]]:
    """What undo logs here know to be open in a cluster; one that cannot be read is reported where it is recovered."""
    known: set[tuple[str, ...]] = set()
    for path in find_logs(undo_folder()):
        with suppress(UndoFailed):
            log = UndoLog.read(path, clock)
            if log.header.get("cluster_uid") == cluster_uid:
                known.update(_key(item.entry) for item in log.open_items())
    return known


def _key(entry: Entry) -> tuple[str, ...]:
    """What makes two entries that of one change: a log knows more of it than the cluster shows."""
    return entry.kind, entry.fault, entry.what, str(entry.facts.get("run"))


def _open_as_whoever_may_look(settings: Settings) -> Cluster:
    """Break-glass may list everything; a kubeconfig without it has the administrator. The runner may not.

    Raises:
        TargetRefused: The kubeconfig has neither context, or cannot be used.
        TargetUnreachable: The server's name does not resolve.
    """
    reasons: list[str] = []
    for identity in _WHO_MAY_LOOK:
        try:
            return open_cluster(settings, identity)
        except TargetRefused as error:
            reasons.append(str(error))
    raise TargetRefused(f"looked for contexts {' and '.join(_WHO_MAY_LOOK)}: {' | '.join(dict.fromkeys(reasons))}")


def _find_orphans(
    cluster: Cluster, known: Collection[tuple[str, ...]], timeout_s: float = _READ_S, as_runner: bool = False
) -> dict[str, list[Found]]:
    """By run, in the order in which a run makes them."""
    found: dict[str, list[Found]] = {}
    for kind in undo_kinds().values():
        for orphan in kind.find(cluster, timeout_s, as_runner):
            if _key(orphan.entry) not in known:
                found.setdefault(orphan.run, []).append(orphan)
    return found


def _refuse_in_use(cluster: Cluster, run: str, orphans: list[Found], now_s: float) -> None:
    free_at_s = max(orphan.ends_at_s for orphan in orphans) + _STILL_IN_USE_S
    if now_s < free_at_s:
        raise UndoFailed(
            f"run {run} has {len(orphans)} changes in {cluster.server}, first {orphans[0].entry}, and no undo log "
            "here: it may be played from another machine; nothing was undone; recover it there, or here in "
            f"{free_at_s - now_s:.0f} s"
        )


def _rebuild(facts: Mapping[str, Any], run: str, orphans: list[Found], clock: Clock) -> Path:
    name = f"{run}.found-{clock.epoch_s():.0f}"
    log = UndoLog.create(undo_folder(), name, facts, clock)
    for orphan in orphans:
        number = log.intend(orphan.entry)
        if orphan.notes:
            log.note(number, **orphan.notes)
    return log.path


def _time(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
