"""summary.json: the figures of one run, its verdict, and what a reader needs to believe them."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaoslib_cp.results.effects import judge_effects
from chaoslib_cp.results.fault import find_fault
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.hypothesis import Part
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.recovery import not_recovered
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
        measured), ``reasons`` (why not, or what to know), ``story``, ``effects``, ``healed``, ``left_behind`` (what of
        ours is still there), ``not_recovered`` (what broke and was still broken at the end) and the given facts. Plain
        JSON types only; times in seconds since the rollout began.
    """
    fault = find_fault(recording)
    effects = judge_effects(recording)
    verdict = judge(recording, fault, effects, parts, conduct)
    values, reasons = compute(recording, fault)
    unwell = not_recovered(recording, fault)
    began_s = fault.began_s if fault else None
    return {
        "schema": SCHEMA,
        "verdict": verdict.word,
        "why": list(verdict.why),
        "parts": verdict.as_list(began_s),
        "figures": values,
        "reasons": reasons,
        "story": [moment.as_dict() for moment in tell(recording, fault)] if fault else [],
        "effects": [effect.as_dict() for effect in effects],
        "healed": not conduct.left_behind and not unwell,
        "left_behind": list(conduct.left_behind),
        "not_recovered": unwell,
        "began_epoch_s": began_s,
        "unusable_lines": recording.unusable_lines,
        **{name: dict(content) for name, content in facts.items()},
    }
