"""Whether the API comes back after a load: when that ended, and what was answered since the time that it may take."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.observe.recent import recent_samples, timeline_now_s
from chaoslib_cp.observe.timeline import TIMELINE_FILE, read_timeline
from chaoslib_cp.results.faults import RUN_ENDED, Fault, find_faults
from chaoslib_cp.results.recording import record
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import API_READ, API_SERVER_LIVEZ

NO_LOAD: Final = "no load"
ON: Final = "on"
MAY_BE_AWAY: Final = "may be away"
DUE: Final = "due"
NOT_MEASURED: Final = "not measured"
_ASKED: Final = (API_SERVER_LIVEZ, API_READ)
#: An attempt that began when it was due has ended by then, and one has begun.
_NEWS_S: Final = max(point.period_s + point.deadline_s for point in _ASKED)
_SHOWN: Final = 10


@dataclass(frozen=True)
class Patience:
    """For how long the API may be away.

    Attributes:
        within_s: Seconds from the end of the load.
        load: Id of the fault that it is; the load that ended last where it is empty.
        window_s: Seconds of samples judged at a time.
        min_ok_ratio: Share of good answers that each needs, 0 to 1.
    """

    within_s: float
    load: str
    window_s: float
    min_ok_ratio: float


def api_comes_back(settings: Settings, patience: Patience, clock: Clock) -> dict[str, Any]:
    """Judge; keys are told by the probe of the same name."""
    run_dir = settings.run_dir
    if run_dir is None or not (run_dir / TIMELINE_FILE).exists():
        return {"ok": False, "state": NOT_MEASURED, "ended_ago_s": None, "not_back": [], "ok_ratio": None}
    now_s = timeline_now_s(run_dir, clock)
    loads = _loads(run_dir, patience.load)
    over = [one for one in loads if one.ended_by != RUN_ENDED and one.ended_s <= now_s]
    if loads and not over:
        return {"ok": True, "state": ON, "ended_ago_s": None, "not_back": [], "ok_ratio": None}
    ended_s = max((one.ended_s for one in over), default=None)
    due_s = 0.0 if ended_s is None else ended_s + patience.within_s
    ratios = _ratios(run_dir, patience.window_s, due_s, clock)
    is_due = now_s >= due_s + (_NEWS_S if over else 0.0)
    not_back = [name for name, ratio in ratios.items() if ratio is None or ratio < patience.min_ok_ratio]
    known = [ratio for ratio in ratios.values() if ratio is not None]
    return {
        "ok": not (is_due and not_back),
        "state": (DUE if over else NO_LOAD) if is_due else MAY_BE_AWAY,
        "ended_ago_s": None if ended_s is None else round(now_s - ended_s, 1),
        "not_back": not_back[:_SHOWN],
        "ok_ratio": min(known, default=None),
    }


def _loads(run_dir: Path, only: str) -> list[Fault]:
    faults = find_faults(record(read_timeline(run_dir / TIMELINE_FILE)))
    return [one for one in faults.each if one.loads_api and only in ("", one.id)] if faults else []


def _ratios(run_dir: Path, window_s: float, since_s: float, clock: Clock) -> dict[str, float | None]:
    """The share of good answers of each question to each server; None of a question that nobody answered at all."""
    found: dict[str, float | None] = {}
    for point in _ASKED:
        samples = [one for one in recent_samples(run_dir, point.name, window_s, clock) if one["at_s"] >= since_s]
        by_target: dict[str, list[bool]] = {}
        for one in samples:
            by_target.setdefault(f"{point.name} {one['target']}", []).append(bool(one["ok"]))
        found.update((name, _share(good)) for name, good in by_target.items())
        if not by_target:
            found[point.name] = None
    return found


def _share(good: Iterable[bool]) -> float:
    answers = list(good)
    return round(sum(answers) / len(answers), 3)
