"""Taking back what a run did: all of it, what one kind of fault did, or what one fault did. Nothing else is touched."""

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.undo.finished import put_aside_if_finished
from chaoslib_cp.cluster.undo.heal import heal_log, open_healers
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetUnreachable, UndoFailed
from chaoslib_cp.fault import ROLLBACK, Ended
from chaoslib_cp.settings import Settings


def take_back(
    settings: Settings, timeout_s: float, clock: Clock, kind: str | None = None, fault: str | None = None
) -> Ended:
    """Undo what this run did; needs only the undo log and the CA, retries until ``timeout_s`` is over.

    Args:
        settings: What the run was told.
        timeout_s: Seconds to go on trying.
        clock: Source of time.
        kind: Only faults of this kind; without it those of all kinds.
        fault: Only the fault with this id, which is of that kind.

    Returns:
        The faults of which something was undone; ``details`` has ``undone`` and ``left`` (numbers of changes) and
        ``outcomes`` by what was changed.

    Raises:
        ProfileInvalid: The run has no fault of that id; nothing was undone.
        UndoFailed: Something is still there, and its entry stays open for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could be opened for that cluster; nothing was undone.
        TargetRefused: Without a control, nobody can tell which of several logs is meant, or the kubeconfig has no such
            context; nothing was undone.
    """
    log = undo_log_of_run(settings, clock)
    faults = chosen_faults(log, kind, fault)
    items = [] if log is None else log.open_items(faults)
    if log is None or not items:
        return Ended((), ROLLBACK, details={"undone": 0, "left": 0, "outcomes": {}})
    clusters, reasons = open_healers(log, settings)
    if not clusters:
        raise TargetUnreachable(
            f"run {log.run}: {len(items)} changes are still there: {' | '.join(reasons)}; "
            "run `chaos cp recover` once that is mended"
        )
    healed = heal_log(log, clusters, clock, timeout_s, waits_for_pods=False, faults=faults)
    if settings.is_without_control:  # otherwise the run may go on, and its control does this at its end
        put_aside_if_finished(log, clock)
    left = [item for item in healed if not item["closed"]]
    if left:
        raise UndoFailed(
            f"{len(left)} of {len(healed)} changes of run {log.run} are still there, first {left[0]['object']}: "
            f"{left[0]['outcome']}; every load ends at its own deadline; run `chaos cp recover`"
        )
    return Ended(
        faults=tuple(dict.fromkeys(item["fault"] for item in reversed(healed))),
        by=ROLLBACK,
        at_epoch_s=clock.epoch_s(),
        details={
            "undone": len(healed),
            "left": 0,
            "outcomes": {item["object"]: item["outcome"] for item in healed},
        },
    )


def chosen_faults(log: UndoLog | None, kind: str | None, fault: str | None) -> list[str] | None:
    """Ids of the faults that are meant; None for all there are.

    Raises:
        ProfileInvalid: The run has no such fault; nothing was undone.
    """
    if fault is None:
        return None if kind is None or log is None else log.faults(kind)
    known = [] if log is None else log.faults(kind)
    if fault not in known:
        raise ProfileInvalid(
            f"this run has no fault {fault!r}{f' of kind {kind}' if kind else ''}; nothing was undone; it has "
            f"{', '.join(known) or 'none'}"
        )
    return [fault]
