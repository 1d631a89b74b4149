"""Which undo log is this run's: by its name under a control; without one, by the cluster that it is about."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.cluster.undo.by_hand import contexts_of
from chaoslib_cp.cluster.undo.run import is_part_of, undo_folder, undo_log_facts
from chaoslib_cp.engine.undo.aside import FOLDER, bring_back, where_is
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.settings import WITHOUT_CONTROL, Settings, context_key


def undo_log_of_run(settings: Settings, clock: Clock) -> UndoLog | None:
    """This run's undo log, if anything was ever intended in it; asks nothing of the cluster.

    Without a control it is that of the kubeconfig and context that are named, open ones first; when none is named, the
    only cluster that there are any of.

    Raises:
        TargetRefused: Without a control, logs of several clusters would fit, or the kubeconfig has no such context;
            nothing was changed.
        UndoFailed: It cannot be read.
    """
    if not settings.is_without_control:
        path = undo_folder() / f"{settings.run}.jsonl"
        return UndoLog.read(path, clock) if where_is(path).exists() else None
    logs = _logs_without_control(undo_folder(), clock)
    if settings.names_a_cluster or len(_clusters(logs)) > 1:
        logs = [log for log in logs if _is_named(log, settings)]
    is_open = [log for log in logs if log.open_items()]
    if len(_clusters(is_open)) > 1:
        raise TargetRefused(
            f"undo logs of several clusters were reached by that kubeconfig and context: "
            f"{', '.join(log.run for log in is_open)}; nothing was changed; run `chaos cp recover`"
        )
    known = is_open or logs
    return known[-1] if known else _last_put_aside(settings, clock)


def undo_log_for_change(settings: Settings, cluster: Cluster, cluster_uid: str, clock: Clock) -> UndoLog:
    """This run's undo log, made if this is its first change.

    Args:
        settings: What the run was told.
        cluster: The cluster about to be changed; how to reach it again is put on record, credentials are not.
        cluster_uid: UID of its kube-system namespace.
        clock: Source of time.

    Raises:
        TargetRefused: There is a log of that name about another cluster; nothing was changed.
        UndoFailed: It cannot be read or made; nothing was changed.
    """
    run = settings.run_on(cluster_uid)
    facts = undo_log_facts(cluster, cluster_uid, settings)
    if settings.is_without_control:
        return _log_without_control(run, facts, clock)
    path = undo_folder() / f"{run}.jsonl"
    bring_back(path)
    if path.exists():
        return _checked(UndoLog.read(path, clock), facts)
    return UndoLog.create(undo_folder(), run, facts, clock)


def _log_without_control(run: str, facts: Mapping[str, Any], clock: Clock) -> UndoLog:
    """The open one, else a new one; one that is finished keeps its name, so no process can move that of another."""
    for log in _logs_without_control(undo_folder(), clock):
        if is_part_of(log.run, run) and log.open_items():
            return _checked(log, facts)
    names = (f"{run}-{number}" for number in itertools.count(1))
    name = next(name for name in names if not where_is(undo_folder() / f"{name}.jsonl").exists())
    return UndoLog.create(undo_folder(), name, facts, clock)


def _checked(log: UndoLog, facts: Mapping[str, Any]) -> UndoLog:
    """Refuse a log of another cluster: what is noted there would be looked for in that one, and lost."""
    for key in ("cluster_uid", "ca_sha256"):
        if log.header.get(key) != facts[key]:
            raise TargetRefused(
                f"undo log {log.path} is about cluster {log.header.get('cluster_uid')} at {log.header.get('server')}, "
                f"this is {facts['cluster_uid']} at {facts['server']}; nothing was changed; start a new run, each "
                "cluster in one of its own"
            )
    return log


def _logs_without_control(folder: Path, clock: Clock) -> list[UndoLog]:
    """Oldest first; one that cannot be read stops everything that would need it."""
    return [UndoLog.read(path, clock) for path in find_logs(folder) if _is_without_control(path)]


def _last_put_aside(settings: Settings, clock: Clock) -> UndoLog | None:
    """The latest finished use of the cluster that is named, of any if none is."""
    for path in reversed(find_logs(undo_folder() / FOLDER)):
        if _is_without_control(path):
            log = UndoLog.read(path, clock)
            if not settings.names_a_cluster or _is_named(log, settings):
                return log
    return None


def _is_without_control(path: Path) -> bool:
    return path.stem == WITHOUT_CONTROL or path.stem.startswith(f"{WITHOUT_CONTROL}-")


def _clusters(logs: list[UndoLog]) -> set[object]:
    return {log.header.get("cluster_uid") for log in logs}


def _is_named(log: UndoLog, settings: Settings) -> bool:
    choice = choose(settings, "runner")
    context = contexts_of(log.header).get(context_key("runner"), "runner")
    return (choice.kubeconfig, choice.context or "runner") == (log.header.get("kubeconfig"), context)
