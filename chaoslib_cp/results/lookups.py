"""A load of lookups, as its agents told it: what a lookup cost in questions, and for how long lookups were unwell."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from chaoslib_cp.fault import DNS_LOAD
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent, seconds
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import AGENT_LOAD

WINDOW_S: Final = 4.0
"""Agents tell their account every 2 s, each at its own moment: two of each fall into a window."""
UNWELL_SHARE: Final = 0.1
"""From this share of unwell lookups on (no answer, SERVFAIL, over 0.1 s) a window counts as unwell."""
_FAILED: Final = ("failed_timeout", "failed_connect", "failed_broken")
_NO_LOAD: Final = "no load of lookups told anything"


def queries_per_lookup_count(recording: Recording, faults: Faults) -> Figure:
    """Questions sent for each lookup, all loads and all their time together."""
    told = _together(recording, faults)
    sent = sum(one.get("sent", 0.0) for _, one in told)
    return Figure(round(sum(one.get("queries", 0.0) for _, one in told) / sent, 2)) if sent else absent(_NO_LOAD)


def queries_per_lookup_worst_count(recording: Recording, faults: Faults) -> Figure:
    """The same in the window of 4 s in which it was highest: a lookup that fails is asked again and again."""
    each = [one["queries"] / one["sent"] for one in _windows(recording, faults).values() if one.get("sent")]
    return Figure(round(max(each), 2)) if each else absent(_NO_LOAD)


def lookups_unwell_s(recording: Recording, faults: Faults) -> Figure:
    """Time in which a tenth of lookups and more brought no answer or SERVFAIL, or took over 0.1 s; in steps of 4 s."""
    windows = _windows(recording, faults).values()
    if not windows:
        return absent(_NO_LOAD)
    return seconds(WINDOW_S * sum(_is_unwell(one) for one in windows))


def _is_unwell(window: dict[str, float]) -> bool:
    ended = window.get("answered", 0.0) + sum(window.get(name, 0.0) for name in _FAILED)
    return ended > 0 and window.get("unwell", 0.0) / ended >= UNWELL_SHARE


def _windows(recording: Recording, faults: Faults) -> dict[int, dict[str, float]]:
    """What all agents did in each window that has an account, by the window's number."""
    windows: dict[int, dict[str, float]] = {}
    for at_s, added in _together(recording, faults):
        window = windows.setdefault(int((at_s - faults.began_s) // WINDOW_S), {})
        for name, count in added.items():
            window[name] = window.get(name, 0.0) + count
    return windows


def _together(recording: Recording, faults: Faults) -> list[tuple[float, dict[str, float]]]:
    """What each agent of a load did from one account to the next, with the moment of the later one."""
    loads = {fault.id for fault in faults.each if fault.kind == DNS_LOAD}
    sources: dict[tuple[str, str], list[Sample]] = {}
    for sample in recording.of(AGENT_LOAD.name):
        if sample.fault in loads:
            sources.setdefault((sample.fault, sample.target), []).append(sample)
    return [added for told in sources.values() for added in _added(told)]


def _added(told: list[Sample]) -> Iterator[tuple[float, dict[str, float]]]:
    for earlier, later in pairwise([None, *told]):
        if later is not None:
            before = {} if earlier is None or _is_new(earlier, later) else earlier.counts
            yield later.at_s, {name: count - before.get(name, 0.0) for name, count in later.counts.items()}


def _is_new(earlier: Sample, later: Sample) -> bool:
    """Whether the agent's pod was replaced in between: it counts from 0 again."""
    return later.counts.get("due", 0.0) < earlier.counts.get("due", 0.0)
