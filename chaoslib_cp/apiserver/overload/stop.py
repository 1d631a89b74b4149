"""Ending overloads and ramps: by their processes alone, so it works whatever the API does; what one wrote goes then."""

from typing import Any

from chaoslib_cp.apiserver.overload.session import end_process, load_files
from chaoslib_cp.apiserver.overload.summary import summary_of
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.undo.finished import put_aside_if_finished
from chaoslib_cp.cluster.undo.heal import heal_log, open_healers
from chaoslib_cp.cluster.undo.kinds import written_by_load
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.take_back import chosen_faults
from chaoslib_cp.errors import UndoFailed
from chaoslib_cp.fault import ROLLBACK, Ended, FaultKind
from chaoslib_cp.settings import Settings


def stop(kind: FaultKind, settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """End the loads of one kind of this run, or one of them; what it returns is told by ``stop_api_overload``."""
    log = undo_log_of_run(settings, clock)
    faults = chosen_faults(log, kind.name, fault)
    files = {} if log is None else {one: load_files(settings, log.run, one) for one in faults or ()}
    for where in files.values():
        end_process(where)
    items = [] if log is None else log.open_items(faults)
    if log is None or not items:
        return Ended((), ROLLBACK, details={"undone": 0, "left": 0, "outcomes": {}, "loads": {}})
    ending = [item.fault for item in reversed(items)]
    # processes need no identity
    wrote = any(item.entry.kind == written_by_load.NAME for item in items)
    healers = open_healers(log, settings)[0] if wrote else []
    healed = heal_log(log, healers, clock, timeout_s, waits_for_pods=False, faults=ending)
    if settings.is_without_control:
        put_aside_if_finished(log, clock)
    left = [item for item in healed if not item["closed"]]
    if left:
        is_written = left[0]["object"] in {str(item.entry) for item in items if item.entry.kind == written_by_load.NAME}
        own_end = "the load has ended" if is_written else "it ends at its own deadline"
        raise UndoFailed(f"{left[0]['object']}: {left[0]['outcome']}; {own_end}; run `chaos cp recover`")
    told: dict[str, Any] = {}
    for one in ending:
        over = files[one].over()
        told[one] = summary_of(over) if over else "it was killed before it could tell its result"
    return Ended(
        faults=tuple(dict.fromkeys(ending)),
        by=ROLLBACK,
        at_epoch_s=clock.epoch_s(),
        details={
            "undone": len(healed),
            "left": 0,
            "outcomes": {item["object"]: item["outcome"] for item in healed},
            "loads": told,
        },
    )
