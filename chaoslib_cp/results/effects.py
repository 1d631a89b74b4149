"""Whether each declared effect came: an injection that did not bite must not pass for a system that survived."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chaoslib_cp.results.recording import Event, Recording, Sample

FAILING = "failing"
"""The outcome that stands for every outcome but ``ok``."""

MIN_SAMPLES = 3
"""Fewer samples in a window prove nothing."""


@dataclass(frozen=True)
class Effect:
    """What a ``start_*`` expected to be seen, and what was seen.

    Attributes:
        activity: Which activity declared it.
        measure: Vantage point it should show at.
        outcome: ``failing`` (anything but ok) or one class of failure.
        share: Share (0..1) of the samples of one window that must have that outcome.
        window_s: Length of a window, seconds.
        within_s: How long after the declaration a window may begin, seconds.
        came: Whether any window had that share.
        seen_share: Largest share seen in a window with enough samples; None when there was no such window.
        at_s: Begin of the first window that had the share, epoch seconds; None when there was none.
    """

    activity: str
    measure: str
    outcome: str
    share: float
    window_s: float
    within_s: float
    came: bool
    seen_share: float | None
    at_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for a person."""
        seen = "no usable samples" if self.seen_share is None else f"at most {self.seen_share:.0%} in any such window"
        wanted = f"{self.share:.0%} of {self.measure} {self.outcome} for {self.window_s:g} s within {self.within_s:g} s"
        return f"{self.activity} declared {wanted}; {'it came' if self.came else f'it never came ({seen})'}"


def judge_effects(recording: Recording) -> list[Effect]:
    """Judge every effect that was declared in the timeline."""
    return [_judge(recording, event) for event in recording.named("effect_declared")]


def _judge(recording: Recording, declared: Event) -> Effect:
    details = _numbers(declared.details)
    activity, measure = str(declared.details.get("name")), str(declared.details.get("measure"))
    outcome = str(declared.details.get("outcome", FAILING))
    earliest_s = _began_s(recording, activity, declared.at_s)
    latest_s = declared.at_s + details["within_s"]
    samples = [sample for sample in recording.of(measure) if sample.at_s >= earliest_s]
    best: float | None = None
    at_s: float | None = None
    for first in samples:
        if first.at_s > latest_s:
            break
        window = [sample for sample in samples if 0 <= sample.at_s - first.at_s < details["window_s"]]
        if len(window) < MIN_SAMPLES:
            continue
        share = sum(_has(sample, outcome) for sample in window) / len(window)
        best = share if best is None else max(best, share)
        if share >= details["share"]:
            at_s = first.at_s
            break
    seen = None if best is None else round(best, 4)
    return Effect(activity, measure, outcome, **details, came=at_s is not None, seen_share=seen, at_s=at_s)


def _began_s(recording: Recording, activity: str, declared_s: float) -> float:
    starts = [event.at_s for event in recording.named("activity_started") if event.details.get("name") == activity]
    return max((at_s for at_s in starts if at_s <= declared_s), default=declared_s)


def _numbers(details: Mapping[str, Any]) -> dict[str, float]:
    return {
        "share": float(details.get("share", 0.5)),
        "window_s": float(details.get("window_s", 10.0)),
        "within_s": float(details.get("within_s", 30.0)),
    }


def _has(sample: Sample, outcome: str) -> bool:
    return not sample.ok if outcome == FAILING else sample.outcome == outcome
