"""Timelines made by hand for tests: stretches of good and bad samples, and events, at times counted from zero."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.results.recording import Recording, record

EPOCH_S = 1_733_929_920.0
"""Zero of these timelines: 2024-12-11 15:12 UTC."""

Line = dict[str, Any]


def sample(vantage: str, at_s: float, outcome: str = "ok", **extra: Any) -> Line:
    """One sample; any outcome but ``ok`` is a bad one."""
    return {
        "kind": "sample",
        "at_s": EPOCH_S + at_s,
        "vantage": vantage,
        "target": f"{vantage}-target",
        "ok": outcome == "ok",
        "outcome": outcome,
        "latency_s": 0.01 if outcome != "timeout" else 5.0,
        "lag_s": 0.001,
        **extra,
    }


def event(what: str, at_s: float, **details: Any) -> Line:
    """One event; ``details`` may hold a ``name``."""
    return {"kind": "event", "at_s": EPOCH_S + at_s, "event": what, **details}


def series(
    vantage: str, until_s: float, bad: Mapping[tuple[float, float], str] | None = None, **how: Any
) -> list[Line]:
    """Samples from -5 s to ``until_s`` (exclusive), one each ``period_s`` (1 s), bad in the given stretches."""
    period_s = how.pop("period_s", 1.0)
    lines = []
    number = 0
    while (at_s := -5.0 + number * period_s) < until_s:
        number += 1
        outcome = next((word for (a, b), word in (bad or {}).items() if a <= at_s < b), "ok")
        lines.append(sample(vantage, at_s, outcome, **how))
    return lines


def rollout(output: Mapping[str, Any] | None = None, effects: bool = True) -> list[Line]:
    """The start of a rollout at 0 s that declares that small reads will fail."""
    effect = {"vantage": "api_read", "outcome": "failing", "share": 0.5, "window_s": 10.0, "within_s": 30.0}
    name = "roll the agent out"
    lines = [
        event("activity_started", 0.0, name=name, type="action", func="start_agent_rollout", phase="method"),
        event(
            "activity_ended", 1.0, name=name, type="action", func="start_agent_rollout", phase="method",
            status="succeeded", output=dict(output or {}),
        ),
    ]  # fmt: skip
    return [*lines, event("effect_declared", 1.0, name=name, **effect)] if effects else lines


def incident() -> list[Line]:
    """The whole chain: reads bad 3..92 s, DNS servers 20..100, workload DNS 39..100, admin 5..94, deadline 90."""
    return [
        *rollout({"deadline_epoch_s": EPOCH_S + 90.0, "nodes": 200, "parameters": {"duration_s": 90.0}}),
        event("activity_started", 18.0, name="restart the DNS pods", type="action", func="restart_dns_pods"),
        event(
            "activity_ended", 20.0, name="restart the DNS pods", type="action", func="restart_dns_pods",
            status="succeeded", output={},
        ),
        event("mask_predicted", 20.0, predicted_mask_s=19.5, ttl_s=20, target="10.96.0.10"),
        *series("api_livez", 130, {(4, 90): "timeout"}),
        *series("api_version", 130),
        *series("api_read", 130, {(3, 92): "timeout"}),
        *series("admin_write", 130, {(5, 94): "timeout"}),
        *series("break_glass_write", 130, {(5, 9): "timeout"}, latency_s=2.0),
        *series("dns_uncached", 130, {(20, 23): "timeout", (23, 100): "servfail"}),
        *series("dns_cached", 130, {(39, 100): "servfail"}),
        *series("dns_pod", 130, {(20, 98): "servfail"}),
        event("activity_started", 45.0, name="remove the agent", type="action", func="remove_agent"),
        event(
            "activity_ended", 96.0, name="remove the agent", type="action", func="remove_agent",
            status="succeeded", output={"landed": True, "landed_epoch_s": EPOCH_S + 95.5},
        ),
        event("run_ended", 130.0),
    ]  # fmt: skip


def recorded(*lines: Line) -> Recording:
    """The recording of these lines."""
    return record(lines)
