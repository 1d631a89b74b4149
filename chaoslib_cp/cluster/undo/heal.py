"""Healing one undo log: who may, and every open entry taken back as its kind knows how."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.by_hand import contexts_of
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds import kind_of_item
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.engine.undo.replay import Undone, replay
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, TargetUnreachable, said_safely
from chaoslib_cp.settings import IDENTITIES, Settings, context_key
from chaoslib_cp.waits import waiting_for


def open_healers(log: UndoLog, settings: Settings) -> tuple[list[Cluster], list[str]]:
    """The identities that may undo a log, ordinary first; one of another cluster never.

    Args:
        log: The undo log; its header says how the cluster was reached.
        settings: What counts where the log says nothing.

    Returns:
        Opened clusters, and why others could not be opened.
    """
    gone = _gone_kubeconfig(log)
    if gone and not settings.names_a_cluster:
        return [], [
            f"kubeconfig {gone} is gone, by which run {log.run} reached its cluster; nothing was undone; name another "
            "file of that cluster: KUBECONFIG=FILE chaos cp recover"
        ]
    recorded = _as_recorded(log, settings)
    clusters, reasons = [], []
    for identity in ("runner", "break-glass"):
        try:
            cluster = open_cluster(recorded, identity, known_addresses=addresses_of(log))
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
    log: UndoLog,
    clusters: Sequence[Cluster],
    clock: Clock,
    timeout_s: float,
    waits_for_pods: bool,
    faults: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Undo what is open in one log with the given identities.

    Args:
        log: The undo log.
        clusters: Opened by :func:`open_healers`; they are closed.
        clock: Source of time.
        timeout_s: Seconds for all of it.
        waits_for_pods: Call nothing healed before the run's pods are gone, or have come to their own end.
        faults: Only entries of these faults.

    Returns:
        For each entry that was open: ``object``, ``fault``, ``outcome``, ``closed``.
    """
    items = {item.number: item for item in log.open_items(faults)}
    try:
        results = replay_with(Healer(log, clusters, clock, waits_for_pods=waits_for_pods), timeout_s, faults)
    finally:
        for cluster in clusters:
            cluster.close()
    return [
        {
            "object": str(items[number].entry),
            "fault": items[number].fault,
            "outcome": result.words,
            "closed": result.closed,
        }
        for number, result in results.items()
        if number in items
    ]


def replay_with(healer: Healer, timeout_s: float, faults: Collection[str] | None = None) -> dict[int, Undone]:
    """Undo what is open in a healer's log, or what is open of some faults; see :func:`replay`."""
    with waiting_for(f"run {healer.log.run} to be undone", timeout_s) as wait:

        def attempt(item: Item) -> Undone:
            wait.what = f"{item.entry} of run {healer.log.run} to be undone"
            return take_back_item(item, healer)

        return replay(healer.log, attempt, healer.clock, timeout_s, faults)


def take_back_item(item: Item, healer: Healer) -> Undone:
    """Make one attempt at one entry, as its kind knows how.

    Raises:
        ControlPlaneError: It could not be done now, or no module here knows the kind.
    """
    kind = kind_of_item(item)
    try:
        return kind.take_back(item, healer)
    except ControlPlaneError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake in one kind must not keep the others from being undone
        return Undone(closed=False, words=f"{item.entry}: {said_safely(error)}; it stays on record")


def addresses_of(log: UndoLog) -> list[str]:
    """The API server's addresses on record, for when its name no longer resolves."""
    noted = log.header.get("addresses")
    return [str(address) for address in noted] if isinstance(noted, list) else []


def _as_recorded(log: UndoLog, settings: Settings) -> Settings:
    """The settings that lead to the cluster of a log in the way its run reached it."""
    named = contexts_of(log.header)
    contexts = {identity: named[key] for identity in IDENTITIES if named.get(key := context_key(identity))}
    kubeconfig = str(log.header.get("kubeconfig") or "")
    if not _gone_kubeconfig(log):
        return settings.reached_by(kubeconfig, contexts)
    # another file: whoever names it may have said which contexts it has
    return settings.reached_by("", {key: name for key, name in contexts.items() if key not in settings.contexts})


def _gone_kubeconfig(log: UndoLog) -> str:
    """The kubeconfig that a log names, where there is no such file; empty otherwise."""
    kubeconfig = str(log.header.get("kubeconfig") or "")
    return kubeconfig if kubeconfig and not Path(kubeconfig).exists() else ""
