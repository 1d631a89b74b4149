"""Whether the victim of a fault suffered what was expected: reported, and decisive only where the file says so.

An expectation is a change, so it must not have been there before: a question that failed from the start, for example
one that the observer has no right to ask, did not suffer from an injection. Nor did one that an earlier fault of the
same run still makes fail: nobody can tell whether the second one did anything.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaoslib_cp.fault import Expects
from chaoslib_cp.results.faults import Fault, Faults
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Recording, Sample

FAILING = "failing"
"""The outcome that stands for every outcome but ``ok``."""

MIN_SAMPLES = 3
"""Fewer samples in a window prove nothing."""


@dataclass(frozen=True)
class Expectation:
    """What was expected of one fault, and what was seen.

    Attributes:
        fault: Id of the fault.
        label: What a report calls it.
        expects: What was expected.
        came: Whether any window had that share, and the time before the fault had not.
        before_share: Share just before the fault began, over a window as long, or over the last few samples there
            were; None when nobody had sampled it by then.
        seen_share: Largest share seen in a window with enough samples; None when there was no such window.
        at_s: Begin of the first window that had the share, epoch seconds; None when there was none.
        doubt: Why it does not count as come, in words; empty when it came.
    """

    fault: str
    label: str
    expects: Expects
    came: bool
    before_share: float | None
    seen_share: float | None
    at_s: float | None
    doubt: str

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        flat = asdict(self)
        return {"fault": flat.pop("fault"), **flat.pop("expects"), **flat}

    def __str__(self) -> str:
        """One line for a person."""
        wanted = self.expects
        words = f"{wanted.share:.0%} of {wanted.vantage} {wanted.outcome} for {wanted.window_s:g} s"
        return f"{self.label} expected {words} within {wanted.within_s:g} s; {self.doubt or 'it came'}"


def judge_expectations(recording: Recording, faults: Faults | None) -> list[Expectation]:
    """Judge everything that was expected of the faults of a run."""
    if faults is None:
        return []
    return [_judge_at_any_node(recording, fault, one, faults) for fault in faults.each for one in fault.expects]


def _judge_at_any_node(recording: Recording, fault: Fault, expects: Expects, faults: Faults) -> Expectation:
    """What came on one node has come; else the node that came closest to it is told."""
    nodes = recording.nodes(expects.vantage)
    if len(nodes) <= 1:
        return _judge(recording, fault, expects, faults)
    each = [_judge(recording.seen_from(node), fault, expects, faults) for node in nodes]
    came = [one for one in each if one.came]
    return min(came, key=lambda one: one.at_s or 0.0) if came else max(each, key=lambda one: one.seen_share or 0.0)


def _judge(recording: Recording, fault: Fault, expects: Expects, faults: Faults) -> Expectation:
    before = _share_before(recording, fault, expects)
    best, at_s = _best_window(recording, fault, expects)
    premise = false_premise(recording, expects.vantage)
    if premise:
        doubt = f"nobody can tell whether it came: {premise}"
    elif at_s is None:
        seen = "no usable samples" if best is None else f"at most {best:.0%} in any such window"
        doubt = f"it did not come ({seen})"
    elif before is None:
        doubt = f"nobody can tell whether it came: nobody sampled {expects.vantage} before"
    elif before >= expects.share:
        doubt = f"nobody can tell whether it came: {_so_already(fault, expects, before, faults)}"
    else:
        doubt = ""
    return Expectation(
        fault=fault.id,
        label=fault.label,
        expects=expects,
        came=not doubt,
        before_share=None if before is None else round(before, 4),
        seen_share=None if best is None else round(best, 4),
        at_s=at_s,
        doubt=doubt,
    )


def _share_before(recording: Recording, fault: Fault, expects: Expects) -> float | None:
    before = recording.before(expects.vantage, fault.bites_s)
    since_s = fault.bites_s - expects.window_s
    # By their ends: of attempts that time out, those that began within a short window have not ended in it.
    latest = [sample for sample in before if sample.at_s + sample.latency_s >= since_s]
    baseline = latest if len(latest) >= MIN_SAMPLES else before[-MIN_SAMPLES:]
    return _share_of(baseline, expects) if baseline else None


def _best_window(recording: Recording, fault: Fault, expects: Expects) -> tuple[float | None, float | None]:
    """The largest share in a window with enough samples, and when the first window began that had enough of it."""
    samples = [sample for sample in recording.of(expects.vantage) if sample.at_s >= fault.bites_s]
    best: float | None = None
    for first in samples:
        if first.at_s > fault.injected_s + expects.within_s:
            break
        window = [sample for sample in samples if 0 <= sample.at_s - first.at_s < expects.window_s]
        if len(window) < MIN_SAMPLES:
            continue
        share = _share_of(window, expects)
        best = share if best is None else max(best, share)
        if share >= expects.share:
            return best, first.at_s
    return best, None


def _share_of(samples: Sequence[Sample], expects: Expects) -> float:
    return sum(_has(sample, expects.outcome) for sample in samples) / len(samples)


def _so_already(fault: Fault, expects: Expects, before: float, faults: Faults) -> str:
    """Say what was there before, and name the fault that expected the same earlier: the likely cause."""
    earlier = [
        one.id
        for one in faults.each
        if one.began_s < fault.began_s and expects.vantage in [wanted.vantage for wanted in one.expects]
    ]
    blamed = f", perhaps by {earlier[-1]}" if earlier else ""
    return f"{expects.vantage} was {expects.outcome} already before ({before:.0%}){blamed}"


def _has(sample: Sample, outcome: str) -> bool:
    return not sample.ok if outcome == FAILING else sample.outcome == outcome
