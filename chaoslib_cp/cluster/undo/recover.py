"""Healing whatever any crash left, from the undo logs alone: no arguments, any number of times, with a sick API too."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.call import CallFailed
from chaoslib_cp.cluster.door.connect import OPEN_LIMIT_S
from chaoslib_cp.cluster.door.lock import process_using
from chaoslib_cp.cluster.undo.by_hand import contexts_of, kubectl_lines, kubectl_lines_without_log
from chaoslib_cp.cluster.undo.finished import put_aside_if_finished, put_aside_if_forgotten
from chaoslib_cp.cluster.undo.heal import heal_log, open_healers
from chaoslib_cp.cluster.undo.leftovers import pod_item, wait_for_pods
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.cluster.undo.second_record import rebuild_lost_logs, stranded_anywhere
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused, UndoFailed, said_safely
from chaoslib_cp.settings import IDENTITIES, Settings, context_key, read_settings
from chaoslib_cp.waits import waiting_for

RECOVER_S = 120.0
LOOK_S = 60.0
"""Looking for what no undo log tells of takes a handful of calls of 10 s at most, seconds."""
KEPT = "kept as it is, as somebody asked for"


def recover(
    settings: Settings | None = None,
    timeout_s: float = RECOVER_S,
    clock: Clock | None = None,
    only_kubeconfig: str | None = None,
) -> dict[str, Any]:
    """Undo every open entry of every undo log of this user, except on a cluster where a run is still being played.

    Then look into the cluster that the settings name, if they name one, for objects of ours that no undo log here
    tells of: their log is written again from what they carry, and undone likewise.

    Each entry is tried as the runner, then as break-glass, in rounds until ``timeout_s`` per log is over; a failing
    one never stops the others. Pods that a starved controller has not ended yet are waited for as long.

    Args:
        settings: Which cluster to look into, and how to reach a cluster whose log does not say it; what the
            environment says by default.
        timeout_s: Seconds for each log.
        clock: Source of time.
        only_kubeconfig: Leave the logs of clusters that were reached by another kubeconfig alone.

    Returns:
        ``healed`` (nothing is open any more, and no pod at work), and ``logs``: for each that was open or unreadable,
        or has pods that are still listed, its ``run``, ``path``, ``items`` (``object``, ``outcome``, ``closed``),
        ``problems``, and ``kubectl``: the commands that do what is still open by hand.

    Raises:
        UndoFailed: The folder of the undo logs is not this user's alone, or cannot be looked into; nothing was undone.
    """
    settings, clock = settings or read_settings(), clock or SystemClock()
    paths = [path for path in find_logs(undo_folder()) if _is_meant(path, only_kubeconfig, clock)]
    settings = _with_contexts_on_record(settings, paths, clock)
    reports = [_recover_one(path, settings, timeout_s, clock) for path in paths]
    reports += _recover_without_log(settings, timeout_s, clock)
    logs = [report for report in reports if report is not None]
    logs += _stranded_without_log(settings, clock, {item["outcome"] for log in logs for item in log["items"]})
    return {"healed": all(not log["problems"] and all(i["closed"] for i in log["items"]) for log in logs), "logs": logs}


def open_logs(clock: Clock | None = None, only_kubeconfig: str | None = None) -> list[str]:
    """Runs whose undo log is open, or cannot be read and must be taken as open.

    Args:
        clock: Source of time.
        only_kubeconfig: Leave out clusters that were reached by another kubeconfig.

    Raises:
        UndoFailed: The folder of the undo logs is not this user's alone, or cannot be looked into.
    """
    clock = clock or SystemClock()
    found = []
    for path in find_logs(undo_folder()):
        if not _is_meant(path, only_kubeconfig, clock):
            continue
        try:
            is_open = bool(UndoLog.read(path, clock).open_items())
        except UndoFailed:
            is_open = True
        if is_open:
            found.append(path.stem)
    return found


def keep(run: str, number: int, clock: Clock | None = None) -> str:
    """Call one open entry of an undo log done, whatever there is of it: somebody wants it as it is now.

    Args:
        run: Whose log.
        number: Number of the entry.
        clock: Source of time.

    Returns:
        What the entry is about, as people write it.

    Raises:
        TargetRefused: The run is being played; nothing was closed.
        ProfileInvalid: There is no such log, or no such entry is open in it; nothing was closed.
        UndoFailed: The log cannot be read or written.
    """
    path = next((path for path in find_logs(undo_folder()) if path.stem == run), None)
    if path is None:
        raise ProfileInvalid(f"there is no open undo log of a run {run!r}; nothing was closed; see `chaos cp recover`")
    log = UndoLog.read(path, clock or SystemClock())
    holder = process_using(str(log.header.get("cluster_uid")))
    if holder:
        raise TargetRefused(f"process {holder} is playing a run on this cluster; nothing was closed; stop it first")
    items = {item.number: item for item in log.open_items()}
    if number not in items:
        known = ", ".join(f"{one} ({item.entry})" for one, item in sorted(items.items()))
        raise ProfileInvalid(f"run {run} has no open entry {number}; nothing was closed; open are {known or 'none'}")
    log.done(number, KEPT)
    return str(items[number].entry)


def close_logs_of_deleted_cluster(cluster_uid: str, clock: Clock | None = None) -> list[str]:
    """Close what is open in a cluster that no longer exists, as when a testbed is taken down.

    Returns:
        The runs that were closed.

    Raises:
        UndoFailed: The folder of the undo logs is not this user's alone, or cannot be looked into.
    """
    clock = clock or SystemClock()
    closed = []
    for path in find_logs(undo_folder()):
        try:
            log = UndoLog.read(path, clock)
            items = log.open_items() if log.header.get("cluster_uid") == cluster_uid else []
        except UndoFailed:
            continue
        for item in items:
            log.done(item.number, "the cluster was deleted")
        closed.extend([log.run] if items else [])
    return closed


def _with_contexts_on_record(settings: Settings, paths: Iterable[Path], clock: Clock) -> Settings:
    """Take the contexts that nobody named from the open logs of runs by the same kubeconfig."""
    for path in paths:
        with suppress(UndoFailed):
            header = UndoLog.read(path, clock).header
            if settings.kubeconfig and header.get("kubeconfig") == str(
                Path(settings.kubeconfig).expanduser().absolute()
            ):
                noted = contexts_of(header)
                found = {one: noted[key] for one in IDENTITIES if noted.get(key := context_key(one))}
                return settings.reached_by("", {**found, **settings.contexts})
    return settings


def _is_meant(path: Path, only_kubeconfig: str | None, clock: Clock) -> bool:
    """A log that cannot be read may be about any cluster."""
    if only_kubeconfig is None:
        return True
    try:
        return UndoLog.read(path, clock).header.get("kubeconfig") == only_kubeconfig
    except UndoFailed:
        return True


def _recover_one(path: Path, settings: Settings, timeout_s: float, clock: Clock) -> dict[str, Any] | None:
    report = _report(path.stem, [], str(path))
    try:
        log = UndoLog.read(path, clock)
        if not log.open_items():
            put_aside_if_forgotten(log, clock)
            return _recover_pods(log, settings, timeout_s, clock)
        holder = process_using(str(log.header.get("cluster_uid")))
        if holder:
            report["problems"] = [
                f"process {holder} is playing a run on this cluster; nothing was undone; stop it first"
            ]
            return report
        with waiting_for(f"an identity that may undo run {log.run}", 2 * OPEN_LIMIT_S, at_once=True):
            clusters, reasons = open_healers(log, settings)
        if clusters:
            report["items"] = heal_log(log, clusters, clock, timeout_s, waits_for_pods=True)
        else:
            report["problems"] = reasons
        report["kubectl"] = kubectl_lines(log)
        put_aside_if_finished(log, clock)
    except UndoFailed as error:
        report["problems"] = [str(error)]
        report["kubectl"] = kubectl_lines_without_log(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the other clusters from healing
        report["problems"] = [f"{said_safely(error)}; what is open stays on record; undo it by hand, or try again"]
        report["kubectl"] = kubectl_lines_without_log(path)  # the log itself may be what was not understood
    return report


def _recover_pods(log: UndoLog, settings: Settings, timeout_s: float, clock: Clock) -> dict[str, Any] | None:
    """Wait for the pods of a run whose changes were all taken back; None when none is listed, or nobody can look.

    Pods outlive what made them: a garbage collector may be starved, and a dead node never lets go of them.
    """
    if log.path.exists() and not process_using(str(log.header.get("cluster_uid"))):
        clusters, _ = open_healers(log, settings)
        try:
            items = wait_for_pods(log, clusters[0], clock, timeout_s) if clusters else []
        except (CallFailed, TargetRefused):
            items = []
        finally:
            for cluster in clusters:
                cluster.close()
        if items:
            return {**_report(log.run, [], str(log.path)), "items": items}
    return None


def _recover_without_log(settings: Settings, timeout_s: float, clock: Clock) -> list[dict[str, Any] | None]:
    """Undo what the named cluster shows of ours and no open log tells of; nothing when no cluster is named.

    A cluster that was named and could not be looked into is a problem: nobody knows what is in it.
    """
    if not settings.names_a_cluster:
        return []
    try:
        with waiting_for("the cluster that KUBECONFIG names to tell what it has of ours", LOOK_S):
            paths, problems = rebuild_lost_logs(settings, clock)
    except Exception as error:  # noqa: BLE001 - what was healed by the logs is to be reported all the same
        words = f"could not look for objects without an undo log: {said_safely(error)}; nothing was undone by it"
        paths, problems = (
            [],
            [f"{words}; name a context that may: --context break-glass=NAME or admin=NAME, or unset KUBECONFIG"],
        )
    reports: list[dict[str, Any] | None] = [_recover_one(path, settings, timeout_s, clock) for path in paths]
    return [*reports, _report("(no undo log)", problems)] if problems else reports


def _stranded_without_log(settings: Settings, clock: Clock, said: Collection[str]) -> list[dict[str, Any]]:
    """Pods that do nothing and are still listed, of runs whose logs are finished: told, for a person who sees them."""
    if not settings.names_a_cluster:
        return []
    try:
        found = stranded_anywhere(settings, clock)
    except (ControlPlaneError, KeyError):
        return []  # nothing of it needs to be undone; why nobody can look is told where that matters
    items = [pod_item(words) for words in found if words not in said]
    return [{**_report("(finished runs)", [], settings.kubeconfig or "cluster"), "items": items}] if items else []


def _report(run: str, problems: list[str], path: str = "") -> dict[str, Any]:
    return {"run": run, "path": path, "items": [], "problems": problems, "kubectl": []}
