"""held, broke or inconclusive: what a run proved about its hypothesis, and what it did not.

Missing data is never "held": that word needs a hypothesis that was checked all the time and was always true, every
fault delivered, an observer that was not starved, and a cluster that is whole again.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chaoslib_cp.results import recovery
from chaoslib_cp.results.coverage import Window, gap, window
from chaoslib_cp.results.evidence import Evidence
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.hypothesis import Part
from chaoslib_cp.results.nodes import on_nodes
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import Episode, episodes, episodes_of, good_at

Word = Literal["held", "broke", "inconclusive"]

HIDDEN_IN_A_ROW = 3
"""Bad samples in a row that break a part whose probe was not reached in its round."""


@dataclass(frozen=True)
class Conduct:
    """How the run went, apart from what was measured.

    Attributes:
        interrupted_by: What cut the run short (a signal's name, for example), empty when nothing did.
        failed_activities: What the activities that failed said, one line each.
        left_behind: What is still not healed at the end, one line each.
        stranded: What is still listed and does nothing, for a node has died; one sentence each.
        has_method: Whether the experiment plays anything. One that only looks has no time that must be watched: its
            checks are its answer.
    """

    interrupted_by: str = ""
    failed_activities: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    stranded: tuple[str, ...] = ()
    has_method: bool = True


@dataclass(frozen=True)
class PartVerdict:
    """What became of one claim of the hypothesis; ``at_s`` (epoch seconds) is when it broke."""

    part: str
    word: Word
    at_s: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a run and of each claim, with the reasons in the reader's words."""

    word: Word
    why: tuple[str, ...]
    parts: tuple[PartVerdict, ...] = field(default_factory=tuple)

    def as_list(self, began_s: float | None) -> list[dict[str, Any]]:
        """The claims as plain mappings; ``since_s`` counts from ``began_s``."""
        return [
            {
                "part": part.part,
                "verdict": part.word,
                "since_s": None if part.at_s is None or began_s is None else round(part.at_s - began_s, 3),
                "why": part.why,
            }
            for part in self.parts
        ]


def judge(
    recording: Recording, faults: Faults | None, evidence: Evidence, parts: Sequence[Part], conduct: Conduct
) -> Verdict:
    """Judge a run.

    A run that was cut short, whose actions failed or whose faults were not delivered is inconclusive whatever its
    probes said: what was seen was not caused by what was meant. Delivered is not hurt: whether the victim suffered as
    expected decides only where the file says so. Then one broken claim breaks the whole; and every
    claim must have held for the whole to hold.
    """
    during = window(recording, faults)
    judged = tuple(_judge_part(recording, during, part, conduct) for part in parts)
    doubts = _doubts(evidence, parts, conduct)
    if doubts:
        return Verdict("inconclusive", tuple(doubts), judged)
    broke = tuple(part.why for part in judged if part.word == "broke")
    if broke:
        return Verdict("broke", broke, judged)
    open_points = [part.why for part in judged if part.word == "inconclusive"]
    open_points += [
        f"not healed: {left}" for left in (*conduct.left_behind, *recovery.not_recovered(recording, faults))
    ]
    if not parts:
        open_points.append("the experiment claims nothing: it has no steady-state hypothesis")
    if open_points:
        return Verdict("inconclusive", tuple(open_points), judged)
    when = "was checked all the time and was always true" if conduct.has_method else "was true when it was checked"
    return Verdict("held", (f"every claim {when}",), judged)


def _doubts(evidence: Evidence, parts: Sequence[Part], conduct: Conduct) -> list[str]:
    doubts = [f"interrupted by {conduct.interrupted_by}"] if conduct.interrupted_by else []
    doubts += [
        f"baseline not met, nothing was injected: {part.name}"
        for part in parts
        if any(not check.met for check in part.before)
    ]
    doubts += [f"an activity failed: {line}" for line in conduct.failed_activities]
    doubts += [f"{one.label} was not delivered: {one.shortfall}" for one in evidence.deliveries if one.shortfall]
    doubts += [str(one) for one in evidence.expectations if one.expects.decides and not one.came]
    return doubts


def _judge_part(recording: Recording, during: Window, part: Part, conduct: Conduct) -> PartVerdict:
    broke_s = [check.at_s for check in part.after_start if check.measured and not check.met]
    hidden = _hidden_failure(recording, during.began_s, part)
    seen = _failures(recording, during.began_s, part)
    if broke_s or hidden:
        first_s = min([*broke_s, *(episode.began_s for episode in hidden)])
        # The timeline is finer than the rounds of checks: take the begin of the failure the check ran into.
        running = [one.began_s for one in seen if one.began_s <= first_s and (one.ended_s or first_s) >= first_s]
        at_s = min(running, default=first_s)
        where = on_nodes(recording, part.vantages, [*seen, *hidden])
        return PartVerdict(part.name, "broke", at_s, f"the claim was false: {part.name}{where}")
    unmeasured = sum(not check.measured for check in part.after_start)
    if unmeasured:
        return PartVerdict(part.name, "inconclusive", None, f"{part.name} could not be measured {unmeasured} times")
    if not part.after_start:
        return PartVerdict(part.name, "inconclusive", None, f"{part.name} was never checked after the baseline")
    unseen = gap(recording, during, part) if conduct.has_method else ""
    return PartVerdict(part.name, "inconclusive", None, unseen) if unseen else PartVerdict(part.name, "held")


def _failures(recording: Recording, from_s: float, part: Part) -> list[Episode]:
    found = [episode for vantage in part.vantages for episode in episodes_of(recording, vantage, from_s)]
    return sorted(found, key=lambda episode: episode.began_s)


def _hidden_failure(recording: Recording, from_s: float, part: Part) -> list[Episode]:
    """Clear failures in the timeline between two checks of a part, when its probe was not reached."""
    checked_s = sorted(check.at_s for check in part.after_start)
    return [
        episode
        for vantage in part.vantages
        for samples in recording.series(vantage, from_s)
        for between in _between(samples, checked_s)
        for episode in episodes(between, HIDDEN_IN_A_ROW, 1, good_at(vantage))
    ]


def _between(samples: Sequence[Sample], times_s: Sequence[float]) -> list[list[Sample]]:
    """Cut a series at the given times."""
    pieces: list[list[Sample]] = [[] for _ in range(len(times_s) + 1)]
    for sample in samples:
        pieces[bisect_left(times_s, sample.at_s)].append(sample)
    return pieces
