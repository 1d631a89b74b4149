"""API servers that go away and come back, seen from outside: how often, when, and when all of them stay up again.

A process that ended is told by its kernel, whatever the load is: connections that were kept are closed, calls under way
are reset, and new connections are refused. One that is started anew at once shows the first two alone.
"""

from collections.abc import Iterator
from itertools import pairwise

from chaoslib_cp.results.faults import RUN_ENDED, Fault, Faults
from chaoslib_cp.results.figure import Figure, absent, seconds
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import Episode, episodes_of, healed_s
from chaoslib_cp.vantage import ADMIN_WRITE, API_LIVEZ, API_READ, API_SERVER_LIVEZ, API_VERSION

_SIGNS = ("refused", "reset")
_NOT_SEEN = "no API server was asked by itself"
_NEVER = "no API server went away"
#: What must work before an API server counts as back: each by itself, and what people and controllers ask of it.
_OF_API = (API_SERVER_LIVEZ, API_LIVEZ, API_VERSION, API_READ, ADMIN_WRITE)


def api_restart_count(recording: Recording, faults: Faults) -> Figure:
    """How often an API server went away, all of them together. One that went away for good counts, too."""
    return Figure(len(_absences(recording, faults))) if _is_seen(recording) else absent(_NOT_SEEN)


def api_first_restart_s(recording: Recording, faults: Faults) -> Figure:
    """Seconds from the first injection until one was first found gone."""
    return _moment(recording, faults, 0)


def api_last_restart_s(recording: Recording, faults: Faults) -> Figure:
    """The same of the last time."""
    return _moment(recording, faults, -1)


def api_recover_by_load_s(recording: Recording, faults: Faults) -> Figure:
    """For each load that ended: seconds from its end until the API served again and went on to, by the load's id.

    Served: the first of the good samples in a row after which nothing of it failed any more, until the recording ended.
    One after which it did not come back is left out, and the reason says so; likewise where another load ended in
    between, for then the API did not come back by itself.
    """
    over = [one for one in faults.each if one.loads_api and one.ended_by != RUN_ENDED]
    if not over:
        return absent("no load ended before the recording did")
    values: dict[str, float] = {}
    notes = []
    for load in over:
        after_s, note = _recovered(recording, faults, load)
        values |= {} if after_s is None else {load.id: after_s}
        notes += [f"{load.id}: {note}"] if note else []
    return Figure(values or None, "; ".join(notes) or None)


def _recovered(recording: Recording, faults: Faults, load: Fault) -> tuple[float | None, str]:
    failed = [one for point in _OF_API for one in episodes_of(recording, point.name, faults.began_s)]
    healed = _healed_s(failed, load.ended_s)
    if healed is None:
        return None, "it was not back when the recording ended"
    others = [
        one.id for one in faults.each if one.loads_api and one is not load and load.ended_s < one.ended_s < healed
    ]
    note = f"not by itself: {', '.join(others)} ended in between" if others else ""
    return round(max(0.0, healed - load.ended_s), 3), note


def _healed_s(failed: list[Episode], ended_s: float) -> float | None:
    return healed_s(failed) if failed else ended_s


def _moment(recording: Recording, faults: Faults, which: int) -> Figure:
    if not _is_seen(recording):
        return absent(_NOT_SEEN)
    found = _absences(recording, faults)
    return seconds(found[which] - faults.began_s) if found else absent(_NEVER)


def _is_seen(recording: Recording) -> bool:
    return bool(recording.of(API_SERVER_LIVEZ.name))


def _absences(recording: Recording, faults: Faults) -> list[float]:
    """When servers were first found gone, each time, in the order of time."""
    every = (one for samples in recording.series(API_SERVER_LIVEZ.name, faults.began_s) for one in _went_away(samples))
    return sorted(every)


def _went_away(samples: list[Sample]) -> Iterator[float]:
    """The first of the samples in a row that show it."""
    for before, sample in pairwise([None, *samples]):
        if sample is not None and _shows_end(sample) and (before is None or not _shows_end(before)):
            yield sample.at_s


def _shows_end(sample: Sample) -> bool:
    return sample.hung_up or sample.outcome in _SIGNS
