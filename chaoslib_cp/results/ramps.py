"""Ramps, as the process of each told them: their ladders, and the capacity that was found."""

from typing import Any, Final

from chaoslib_cp.fault import RAMP_OVER, RAMP_RUNG
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.recording import Recording

_NO_RAMP: Final = "no ramp was played"
_KILLED: Final = "it was killed before it could tell what it found"


def ramps(recording: Recording) -> list[dict[str, Any]]:
    """What each ramp of a run told, in the order of their first rungs.

    Returns:
        For each ``fault`` (its id), the keys of ``overload/summary.py``'s ``ramp_of`` as far as they were told, and
        ``ladder`` with all of its rows, each with ``since_s`` (seconds from the first row to it).
    """
    told: dict[str, dict[str, Any]] = {}
    began_s: dict[str, float] = {}
    for event in recording.named(RAMP_RUNG):
        fault = str(event.details.get("fault"))
        row = event.details.get("rung")
        if isinstance(row, dict):
            since_s = event.at_s - began_s.setdefault(fault, event.at_s)
            one = told.setdefault(fault, {"fault": fault, "ladder": []})
            one["ladder"].append({**row, "since_s": round(since_s, 1)})
    for event in recording.named(RAMP_OVER):
        fault = str(event.details.get("fault"))
        found = event.details.get("ramp")
        if isinstance(found, dict):
            told.setdefault(fault, {"fault": fault, "ladder": []}).update(found)
    return list(told.values())


def capacity_node_count(recording: Recording) -> Figure:
    """Virtual nodes of the highest rung on which no signal had crossed; of several ramps the last."""
    return _of_last(recording, "capacity_nodes")


def capacity_rate_per_s(recording: Recording) -> Figure:
    """Requests a second that were answered on that rung."""
    return _of_last(recording, "capacity_rate_per_s")


def capacity_found_by(recording: Recording) -> Figure:
    """Signal, value, line and rung that ended the climb, in words; where none did, what ended it."""
    found = _last(recording)
    if found is None:
        return absent(_NO_RAMP)
    crossed = found.get("crossed")
    if not isinstance(crossed, dict):
        return absent(str(found.get("ended_by") or _KILLED))
    return Figure(
        f"{crossed['signal']} {crossed['value']:.3g} (line {crossed['line']:g}) at {crossed['nodes']} virtual nodes"
    )


def _of_last(recording: Recording, key: str) -> Figure:
    found = _last(recording)
    if found is None:
        return absent(_NO_RAMP)
    why = str(found.get("ended_by") or _KILLED)
    value = found.get(key)
    if value is None:
        return absent(why)
    return Figure(value, f"a lower bound: {why}" if found.get("is_lower_bound") else None)


def _last(recording: Recording) -> dict[str, Any] | None:
    told = ramps(recording)
    return told[-1] if told else None
