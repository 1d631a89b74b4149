"""Whether a price is within a budget, and why.

What was measured is judged by its value. What is predicted is judged by the upper end of its interval: a budget that is
kept by luck is not kept. What is not known is not kept either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chaoslib_cp.apiserver.price.ask import Budget

Verdict = Literal["within", "over", "not known"]


@dataclass(frozen=True)
class Judged:
    """One line of a budget.

    Attributes:
        name: What it is about.
        verdict: One word.
        words: The numbers, as a half sentence.
    """

    name: str
    verdict: Verdict
    words: str


def judge(result: Mapping[str, Any], budget: Budget) -> list[Judged]:
    """Judge the result of ``price``; one for each line of the budget."""
    judged = []
    if budget.cpu_s_per_request is not None:
        judged.append(_judge_request(result["per_request"]["cpu_s"], budget.cpu_s_per_request))
    if budget.cores is not None:
        judged.append(_judge_cores(result, budget.cores))
    return judged


def _judge_request(cpu_s: float | None, limit_s: float) -> Judged:
    name = "server CPU for one request"
    if cpu_s is None or cpu_s <= 0:
        return Judged(name, "not known", f"too little to be measured, allowed are {limit_s:g} s")
    return Judged(name, "over" if cpu_s > limit_s else "within", f"{cpu_s:.4g} s, allowed are {limit_s:g} s")


def _judge_cores(result: Mapping[str, Any], limit: float) -> Judged:
    name = "server CPU at the size that was named"
    predicted = result["prediction"]
    if predicted is None:
        return Judged(name, "not known", f"no prediction: {result['fit_unknown']}")
    interval = f"{predicted['low']:.4g} to {predicted['high']:.4g}"
    words = (
        f"{predicted['cores']:.4g} cores predicted for {predicted['nodes']} nodes, 95 % interval {interval}, allowed "
        f"are {limit:g}"
    )
    return Judged(name, "over" if predicted["high"] > limit else "within", words)
