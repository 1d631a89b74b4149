"""summary.json: the figures of one run, its verdict, and what a reader needs to believe them."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaoslib_cp.results.api_work import api_work
from chaoslib_cp.results.evidence import Evidence, gather_evidence
from chaoslib_cp.results.faults import Faults, find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.hypothesis import Part
from chaoslib_cp.results.ramps import ramps
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.recovery import not_recovered, recovered
from chaoslib_cp.results.story import tell
from chaoslib_cp.results.verdict import Conduct, judge

SCHEMA = 1


def summarise(
    recording: Recording, parts: Sequence[Part], conduct: Conduct, facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Put the results of a run together.

    Args:
        recording: The timeline.
        parts: The claims of the hypothesis with their checks.
        conduct: How the run went.
        facts: What the timeline does not hold: ``run``, ``parameters``, ``versions`` and ``scale``.

    Returns:
        The content of summary.json: ``schema``, ``verdict``, ``why``, ``parts``, ``figures`` (None where not
        measured), ``reasons`` (why not, or what to know), ``story``, ``faults`` (each with its begin, deadline and
        end, what ended it and what it delivered), ``expectations`` (what the victims were expected to suffer),
        ``healed``, ``left_behind`` (what of ours is still there), ``stranded`` (what of ours a dead node keeps in the
        list, though it does nothing), ``not_recovered`` (what broke and was still broken at the end), ``recovered``
        (what broke and worked again), ``ramps`` (what each ramp found, with its ladder), ``api_work`` (whose work the
        API servers did) and the given facts. Plain JSON types only; times in seconds since the first injection.
    """
    faults = find_faults(recording)
    evidence = gather_evidence(recording, faults)
    verdict = judge(recording, faults, evidence, parts, conduct)
    values, reasons = compute(recording, faults)
    unwell = not_recovered(recording, faults)
    began_s = faults.began_s if faults else None
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "why": list(verdict.why),
        "parts": verdict.as_list(began_s),
        "figures": values,
        "reasons": reasons,
        "story": [moment.as_dict() for moment in tell(recording, faults)] if faults else [],
        "faults": _told(faults, evidence),
        "expectations": [one.as_dict() for one in evidence.expectations],
        "healed": not conduct.left_behind and not unwell,
        "left_behind": list(conduct.left_behind),
        "stranded": list(conduct.stranded),
        "not_recovered": unwell,
        "recovered": recovered(recording, faults),
        "ramps": ramps(recording),
        "api_work": api_work(recording, faults),
        "began_epoch_s": began_s,
        "unusable_lines": recording.unusable_lines,
        **{name: dict(content) for name, content in facts.items()},
    }


def _told(faults: Faults | None, evidence: Evidence) -> list[dict[str, Any]]:
    """Each fault as a plain mapping."""
    if faults is None:
        return []

    def since(at_s: float | None) -> float | None:
        return None if at_s is None else round(at_s - faults.began_s, 3)

    return [
        {
            "fault": fault.id,
            "kind": fault.kind,
            "label": fault.label,
            "is_lie": fault.is_lie,
            "activity": fault.activity,
            "began_s": since(fault.began_s),
            "deadline_s": since(fault.deadline_s),
            "ended_s": since(fault.ended_s),
            "ended_by": fault.ended_by,
            "delivered": delivered.as_dict(),
        }
        for fault, delivered in zip(faults.each, evidence.deliveries, strict=True)
    ]
