"""Healing whatever any crash left, from the undo logs alone: no arguments, any number of times, with a sick API too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.lock import process_using
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.cluster.undo.agent_pods import agents_end_s
from chaoslib_cp.cluster.undo.by_hand import contexts_of, kubectl_lines, kubectl_lines_without_log
from chaoslib_cp.cluster.undo.heal import executors
from chaoslib_cp.cluster.undo.objects import object_path
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.cluster.undo.second_record import rebuild_lost_logs
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.engine.undo.replay import replay
from chaoslib_cp.errors import TargetRefused, TargetUnreachable, UndoFailed, said_safely
from chaoslib_cp.settings import IDENTITIES, Settings, context_key, read_settings

RECOVER_S = 120.0
_READ_S = 10.0


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
    one never stops the others. Agents that a starved controller has not ended yet are waited for as long.

    Args:
        settings: Which cluster to look into, and how to reach a cluster whose log does not say it; what the
            environment says by default.
        timeout_s: Seconds for each log.
        clock: Source of time.
        only_kubeconfig: Leave the logs of clusters that were reached by another kubeconfig alone.

    Returns:
        ``healed`` (nothing is open any more), and ``logs``: for each that was open or unreadable its ``run``,
        ``path``, ``items`` (``object``, ``outcome``, ``closed``), ``problems``, and ``kubectl``: the commands that do
        what is still open by hand.

    Raises:
        UndoFailed: The folder of the undo logs is not this user's alone, or cannot be looked into; nothing was undone.
    """
    settings, clock = settings or read_settings(), clock or SystemClock()
    paths = [path for path in find_logs(undo_folder()) if _is_meant(path, only_kubeconfig, clock)]
    reports = [_recover_one(path, settings, timeout_s, clock) for path in paths]
    reports += _recover_without_log(settings, timeout_s, clock)
    logs = [report for report in reports if report is not None]
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


def leftovers(settings: Settings) -> list[str]:
    """Objects and pods of this run that are still in the cluster, asked of the cluster itself.

    Raises:
        TargetRefused, TargetUnreachable: The cluster could not be asked, or another one answers, so nobody knows.
    """
    log = undo_log_of_run(settings, SystemClock())
    if log is None:
        return []
    found = []
    with open_cluster(settings, known_addresses=_addresses(log)) as cluster:
        SameCluster(_cluster_uid(log)).require(cluster, _READ_S)
        namespaces = set()
        for item in log.items():
            if isinstance(item.entry, DeleteObject):
                namespaces.add(item.entry.namespace)
                there = cluster.get(object_path(item.entry), timeout_s=_READ_S)
                if there and (there["metadata"].get("labels") or {}).get(RUN_LABEL) == item.entry.run:
                    found.append(str(item.entry))
        selector = f"{RUN_LABEL}={log.run},{ROLE_LABEL}"
        for namespace in sorted(namespaces - {""}):
            pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods", timeout_s=_READ_S, labelSelector=selector) or {}
            found.extend(f"Pod {namespace}/{pod['metadata']['name']}" for pod in pods.get("items") or [])
    return found


def open_healers(log: UndoLog, settings: Settings) -> tuple[list[Cluster], list[str]]:
    """The identities that may undo a log, ordinary first; one of another cluster never.

    Args:
        log: The undo log; its header says how the cluster was reached.
        settings: What counts where the log says nothing.

    Returns:
        Opened clusters, and why others could not be opened.
    """
    recorded = _as_recorded(log, settings)
    clusters, reasons = [], []
    for identity in ("runner", "break-glass"):
        try:
            cluster = open_cluster(recorded, identity, known_addresses=_addresses(log))
        except (TargetRefused, TargetUnreachable) as error:
            reasons.append(str(error))
            continue
        # clusters may share an authority: which one answers is asked before anything counts as gone (same_cluster.py)
        if cluster.ca_sha256 == log.header.get("ca_sha256"):
            clusters.append(cluster)
        else:
            cluster.close()
            reasons.append(
                f"{cluster.server} as {identity} has another certificate authority than run {log.run} saw: "
                "another cluster, or one rebuilt under the same name"
            )
    return clusters, reasons


def heal_log(
    log: UndoLog, clusters: Sequence[Cluster], clock: Clock, timeout_s: float, waits_for_agents: bool
) -> list[dict[str, Any]]:
    """Undo what is open in one log with the given identities.

    Args:
        log: The undo log.
        clusters: Opened by :func:`open_healers`; they are closed.
        clock: Source of time.
        timeout_s: Seconds for all of it.
        waits_for_agents: Call nothing healed before the run's pods are gone, or have come to their own end.

    Returns:
        For each entry that was open: ``object``, ``outcome``, ``closed``.
    """
    entries = {item.number: str(item.entry) for item in log.open_items()}
    try:
        end_s = agents_end_s(log) if waits_for_agents else 0.0
        carried_out_by = executors(clusters, _cluster_uid(log), clock, agents_end_s=end_s, known_uids=log.uids())
        results = replay(log, carried_out_by, clock, timeout_s)
    finally:
        for cluster in clusters:
            cluster.close()
    return [
        {"object": entries[number], "outcome": result.words, "closed": result.closed}
        for number, result in results.items()
        if number in entries
    ]


def _as_recorded(log: UndoLog, settings: Settings) -> Settings:
    """The settings that lead to the cluster of a log in the way its run reached it."""
    named = contexts_of(log.header)
    contexts = {identity: named[key] for identity in IDENTITIES if named.get(key := context_key(identity))}
    kubeconfig = str(log.header.get("kubeconfig") or "")
    return settings.reached_by(kubeconfig if kubeconfig and Path(kubeconfig).exists() else "", contexts)


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
            return None
        holder = process_using(str(log.header.get("cluster_uid")))
        if holder:
            report["problems"] = [
                f"process {holder} is playing a run on this cluster; nothing was undone; stop it first"
            ]
            return report
        clusters, reasons = open_healers(log, settings)
        if clusters:
            report["items"] = heal_log(log, clusters, clock, timeout_s, waits_for_agents=True)
        else:
            report["problems"] = reasons
        report["kubectl"] = kubectl_lines(log)
    except UndoFailed as error:
        report["problems"] = [str(error)]
        report["kubectl"] = kubectl_lines_without_log(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not keep the other clusters from healing
        report["problems"] = [f"{said_safely(error)}; what is open stays on record; undo it by hand, or try again"]
        report["kubectl"] = kubectl_lines_without_log(path)  # the log itself may be what was not understood
    return report


def _recover_without_log(settings: Settings, timeout_s: float, clock: Clock) -> list[dict[str, Any] | None]:
    """Undo what the named cluster shows of ours and no open log tells of; nothing when no cluster is named.

    A cluster that was named and could not be looked into is a problem: nobody knows what is in it.
    """
    if not settings.names_a_cluster:
        return []
    try:
        paths, problems = rebuild_lost_logs(settings, clock)
    except Exception as error:  # noqa: BLE001 - what was healed by the logs is to be reported all the same
        words = f"could not look for objects without an undo log: {said_safely(error)}; nothing was undone by it"
        paths, problems = [], [f"{words}; set KUBECONFIG to one with a context break-glass or admin, or to none"]
    reports: list[dict[str, Any] | None] = [_recover_one(path, settings, timeout_s, clock) for path in paths]
    return [*reports, _report("(no undo log)", problems)] if problems else reports


def _report(run: str, problems: list[str], path: str = "") -> dict[str, Any]:
    return {"run": run, "path": path, "items": [], "problems": problems, "kubectl": []}


def _cluster_uid(log: UndoLog) -> str:
    return str(log.header.get("cluster_uid") or "")


def _addresses(log: UndoLog) -> list[str]:
    noted = log.header.get("addresses")
    return [str(address) for address in noted] if isinstance(noted, list) else []
