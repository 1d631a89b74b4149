"""How far a ramp of this run is, from what its process has told so far. Asks nothing of the API."""

from typing import Any, Final

from chaoslib_cp.apiserver.fault import API_RAMP
from chaoslib_cp.apiserver.overload.session import LoadFiles, load_files
from chaoslib_cp.apiserver.overload.summary import ramp_of
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.undo.kinds.process import read_process
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.take_back import chosen_faults
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.settings import Settings
from chaoslib_cp.waits import waiting_for

_LOOK_EVERY_S: Final = 0.2
_ROWS: Final = 4


def ramp_progress(settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> dict[str, Any]:
    """Wait until a ramp is over; keys are told by the probe of the same name."""
    log = undo_log_of_run(settings, clock)
    faults = chosen_faults(log, API_RAMP.name, fault) or []
    if log is None or not faults:
        return {"ok": False, "is_over": False, "waited_s": 0.0, "fault": "", "ramp": None}
    files = load_files(settings, log.run, faults[-1])
    began_s = clock.monotonic_s()
    with waiting_for(f"{faults[-1]} to be over", timeout_s):
        while _runs(log, faults[-1], files) and clock.monotonic_s() - began_s < timeout_s:
            clock.sleep(_LOOK_EVERY_S)
    over = files.over()
    found = None if over is None else ramp_of(over["ramp"], _ROWS)
    return {
        "ok": bool(found and found["capacity_nodes"] is not None and not found["is_backed_off"]),
        "is_over": not _runs(log, faults[-1], files),
        "waited_s": round(clock.monotonic_s() - began_s, 1),
        "fault": faults[-1],
        "ramp": found or _so_far(files),
    }


def _runs(log: UndoLog, fault: str, files: LoadFiles) -> bool:
    """Whether its process is there and has not told its result."""
    return files.over() is None and any(read_process(item.entry).is_alive for item in log.open_items([fault]))


def _so_far(files: LoadFiles) -> dict[str, Any]:
    return {"ladder": [line["rung"] for line in files.lines() if line.get("phase") == "rung"][-_ROWS:]}
