"""Whether each declared effect came: an injection that did not bite must not pass for a system that survived.

An effect is a change, so it must not have been there before: a question that failed from the start, for example one
that the observer has no right to ask, is no effect of an injection. Nor is one that an earlier injection of the same
run still makes fail: nobody can tell whether the second did anything, so an experiment that injects twice lets the
vantage point recover in between, or declares another vantage point.
"""

from collections.abc import Sequence
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
        vantage: Vantage point it should show at.
        outcome: ``failing`` (anything but ok) or one class of failure.
        share: Share (0..1) of the samples of one window that must have that outcome.
        window_s: Length of a window, seconds.
        within_s: How long after the declaration a window may begin, seconds.
        came: Whether any window had that share, and the time before the activity had not.
        before_share: Share just before the activity began, over a window as long, or over the last few samples there
            were; None when nobody had measured it by then.
        seen_share: Largest share seen in a window with enough samples; None when there was no such window.
        at_s: Begin of the first window that had the share, epoch seconds; None when there was none.
        doubt: Why it does not count as come, in words; empty when it came.
    """

    activity: str
    vantage: str
    outcome: str
    share: float
    window_s: float
    within_s: float
    came: bool
    before_share: float | None
    seen_share: float | None
    at_s: float | None
    doubt: str

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for a person."""
        wanted = f"{self.share:.0%} of {self.vantage} {self.outcome} for {self.window_s:g} s within {self.within_s:g} s"
        return f"{self.activity} declared {wanted}; {self.doubt or 'it came'}"


@dataclass(frozen=True)
class _Declared:
    """One ``effect_declared``; ``began_s`` is when its activity started, ``at_s`` when it said so, epoch seconds."""

    activity: str
    vantage: str
    outcome: str
    share: float
    window_s: float
    within_s: float
    began_s: float
    at_s: float

    def share_of(self, samples: Sequence[Sample]) -> float:
        """The share (0..1) of the samples that have the declared outcome."""
        return sum(_has(sample, self.outcome) for sample in samples) / len(samples)


def judge_effects(recording: Recording) -> list[Effect]:
    """Judge every effect that was declared in the timeline."""
    declared = [_read(recording, event) for event in recording.named("effect_declared")]
    return [_judge(recording, one, declared) for one in declared]


def _read(recording: Recording, event: Event) -> _Declared:
    activity = str(event.details.get("name"))
    return _Declared(
        activity=activity,
        vantage=str(event.details.get("vantage")),
        outcome=str(event.details.get("outcome", FAILING)),
        share=float(event.details.get("share", 0.5)),
        window_s=float(event.details.get("window_s", 10.0)),
        within_s=float(event.details.get("within_s", 30.0)),
        began_s=_began_s(recording, activity, event.at_s),
        at_s=event.at_s,
    )


def _judge(recording: Recording, declared: _Declared, others: Sequence[_Declared]) -> Effect:
    before = _share_before(recording, declared)
    best, at_s = _best_window(recording, declared)
    if at_s is None:
        seen = "no usable samples" if best is None else f"at most {best:.0%} in any such window"
        doubt = f"it never came ({seen})"
    elif before is None:
        doubt = f"nobody can tell whether it came: nobody measured {declared.vantage} before"
    elif before >= declared.share:
        doubt = f"nobody can tell whether it came: {_so_already(declared, before, others)}"
    else:
        doubt = ""
    return Effect(
        declared.activity,
        declared.vantage,
        declared.outcome,
        declared.share,
        declared.window_s,
        declared.within_s,
        came=not doubt,
        before_share=None if before is None else round(before, 4),
        seen_share=None if best is None else round(best, 4),
        at_s=at_s,
        doubt=doubt,
    )


def _share_before(recording: Recording, declared: _Declared) -> float | None:
    before = recording.before(declared.vantage, declared.began_s)
    since_s = declared.began_s - declared.window_s
    # By their ends: of attempts that time out, those that began within a short window have not ended in it.
    latest = [sample for sample in before if sample.at_s + sample.latency_s >= since_s]
    baseline = latest if len(latest) >= MIN_SAMPLES else before[-MIN_SAMPLES:]
    return declared.share_of(baseline) if baseline else None


def _best_window(recording: Recording, declared: _Declared) -> tuple[float | None, float | None]:
    """The largest share in a window with enough samples, and when the first window began that had enough of it."""
    samples = [sample for sample in recording.of(declared.vantage) if sample.at_s >= declared.began_s]
    best: float | None = None
    for first in samples:
        if first.at_s > declared.at_s + declared.within_s:
            break
        window = [sample for sample in samples if 0 <= sample.at_s - first.at_s < declared.window_s]
        if len(window) < MIN_SAMPLES:
            continue
        share = declared.share_of(window)
        best = share if best is None else max(best, share)
        if share >= declared.share:
            return best, first.at_s
    return best, None


def _so_already(declared: _Declared, before: float, others: Sequence[_Declared]) -> str:
    """Say what was there before, and name who declared the same vantage point earlier: the likely cause."""
    earlier = [one for one in others if one.vantage == declared.vantage and one.began_s < declared.began_s]
    blamed = f", perhaps by what {earlier[-1].activity!r} declared" if earlier else ""
    return f"{declared.vantage} was {declared.outcome} already before ({before:.0%}){blamed}"


def _began_s(recording: Recording, activity: str, declared_s: float) -> float:
    starts = [event.at_s for event in recording.named("activity_started") if event.details.get("name") == activity]
    return max((at_s for at_s in starts if at_s <= declared_s), default=declared_s)


def _has(sample: Sample, outcome: str) -> bool:
    return not sample.ok if outcome == FAILING else sample.outcome == outcome
