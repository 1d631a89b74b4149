"""Whether a claim was looked at often enough to be called held: in the timeline, or else by its own probe."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.hypothesis import Part
from chaoslib_cp.results.observer import longest_unseen_s, planned_period_s, void_ratio
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Event, Recording

MAX_VOID_RATIO = 0.2
"""With more void samples than this at a vantage point, its silence says nothing."""

MIN_SAMPLES = 5
"""Usable samples a vantage point must have while the fault was on."""

MIN_CHECKS = 3
"""Checks that a claim without a vantage point must have while the fault was on."""

MAX_UNCHECKED_S = 10.0
"""The longest that such a claim may go unchecked, and the shortest time that a vantage point may always go unseen,
seconds: ten of Chaos Toolkit's rounds, of one second by default."""

MAX_PERIODS_UNSEEN = 3.0
"""The longest that a vantage point may go unseen, in periods of its own, where that is more (break-glass: 9 s)."""


@dataclass(frozen=True)
class Window:
    """The time in which a claim had to be watched, epoch seconds of the timeline.

    Attributes:
        began_s: Begin of the first fault; of the method when nothing was injected.
        ended_s: Its end.
        checks_ended_s: Its end as far as there are rounds of the hypothesis: none is played beside rollbacks.
        words: What it is, for a reason.
    """

    began_s: float
    ended_s: float
    checks_ended_s: float
    words: str


def window(recording: Recording, faults: Faults | None) -> Window:
    """Find the time in which claims must have been watched: the fault, else the method, else the whole recording."""
    played = [
        event
        for event in (*recording.named("activity_started"), *recording.named("activity_ended"))
        if event.details.get("phase") == "method"
    ]
    method_ended_s = max(_times(played), default=recording.ends_at_s)
    if faults is not None:
        checks_ended_s = max(faults.began_s, min(faults.ended_s, method_ended_s))
        return Window(faults.began_s, faults.ended_s, checks_ended_s, "while the fault was on")
    began_s = min(_times(played or recording.events), default=0.0)
    return Window(began_s, method_ended_s, method_ended_s, "while the method ran")


def _times(events: Iterable[Event]) -> list[float]:
    return [event.at_s for event in events]


def gap(recording: Recording, during: Window, part: Part) -> str:
    """Say why too little was seen of a part to call it held; empty when enough was.

    Args:
        recording: The timeline.
        during: When the part had to be watched.
        part: The claim. Without a vantage point in the timeline, only its own checks count.
    """
    if not part.vantages:
        return _seldom_checked(during, part)
    doubts = (false_premise(recording, vantage) for vantage in part.vantages)
    doubt = next(filter(None, doubts), "")
    if doubt:
        return f"{part.name}: {doubt}"
    thin = (_thin_from_each_node(recording, during, part, vantage) for vantage in part.vantages)
    return next(filter(None, thin), "")


def _thin_from_each_node(recording: Recording, during: Window, part: Part, vantage: str) -> str:
    """Each node that was seen when the fault began must be seen until its end: none of them stands for another."""
    for node in recording.nodes(vantage, during.began_s):
        thin = _thin_timeline(recording.seen_from(node), during, part, vantage)
        if thin:
            return f"{thin}, from node {node}"
    return _thin_timeline(recording, during, part, vantage)


def _thin_timeline(recording: Recording, during: Window, part: Part, vantage: str) -> str:
    usable = [sample for sample in recording.of(vantage) if during.began_s <= sample.at_s <= during.ended_s]
    unseen_s = longest_unseen_s(recording, vantage, during.began_s, during.ended_s)
    is_thin = len(usable) < MIN_SAMPLES or unseen_s > _may_be_unseen_s(recording, vantage)
    refused = recording.not_let_in(vantage, during.began_s, during.ended_s)
    if refused and is_thin:
        words = sorted({sample.outcome for sample in refused})
        return f"{part.name}: cannot authenticate, {len(refused)} samples of {vantage} were {' or '.join(words)}"
    if len(usable) < MIN_SAMPLES:
        return f"{part.name}: only {len(usable)} usable samples of {vantage} {during.words}"
    void = void_ratio(recording, vantage, during.began_s, during.ended_s)
    if void > MAX_VOID_RATIO:
        return f"{part.name}: the observer was starved, {void:.0%} of the samples of {vantage} started too late"
    if unseen_s > _may_be_unseen_s(recording, vantage):
        return f"{part.name}: nobody looked at {vantage} for {unseen_s:.0f} s {during.words}"
    return ""


def _may_be_unseen_s(recording: Recording, vantage: str) -> float:
    """Seconds. The prober asks every second or more often, so what the observer does not ask itself gets the least."""
    return max(MAX_UNCHECKED_S, MAX_PERIODS_UNSEEN * (planned_period_s(recording, vantage) or 0.0))


def _seldom_checked(during: Window, part: Part) -> str:
    checked_s = sorted(
        check.at_s
        for check in part.after_start
        if check.measured and during.began_s <= check.at_s <= during.checks_ended_s
    )
    if len(checked_s) < MIN_CHECKS:
        return f"{part.name}: checked only {len(checked_s)} times {during.words}"
    edges_s = [during.began_s, *checked_s, during.checks_ended_s]
    longest_s = max(later_s - earlier_s for earlier_s, later_s in pairwise(edges_s))
    if longest_s > MAX_UNCHECKED_S:
        return f"{part.name}: not checked for {longest_s:.0f} s {during.words}"
    return ""
