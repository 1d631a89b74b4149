"""Timelines made by hand for tests: stretches of good and bad samples, and events, at times counted from zero."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.fault import DELETE_LANDED, Delivers, Ended, Expects, Injected
from chaoslib_cp.results.recording import Recording, record

EPOCH_S = 1_733_929_920.0
"""Zero of these timelines: 2024-12-11 15:12 UTC."""

ROLLOUT = "agent_rollout-1"

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


def injected(made: Injected, began_s: float = 0.0, at_s: float = 1.0) -> Line:
    """A fault as the control puts it on record."""
    return event("fault_injected", at_s, name=f"start {made.kind}", began_s=EPOCH_S + began_s, result=made.as_dict())


def ended(by: str, at_s: float, *faults: str, **more: Any) -> Line:
    """Something that ended faults, likewise; the control writes it down half a second later."""
    result = Ended(faults, by, EPOCH_S + at_s, **more).as_dict()
    return event("fault_ended", at_s + 0.5, name="stop", result=result)


def account(at_s: float, began: int = 200, source: str = "farm", fault: str = ROLLOUT, **counts: float) -> Line:
    """What agents told of themselves: running totals since they began."""
    told = {"agents_began": began, "agents_wanted": 200, **counts}
    return sample("agent_load", at_s, target=source, fault=fault, counts=told)


def rollout(deadline_s: float | None = None, within_s: float = 30.0) -> list[Line]:
    """A rollout at 0 s of which small reads are expected to fail; its agents tell that they sent all they should."""
    made = Injected(
        fault=ROLLOUT,
        kind="agent_rollout",
        label="agent rollout",
        delivers=Delivers("agents", wanted=200, vantage="agent_load"),
        expects=(Expects("api_read", within_s=within_s),),
        deadline_epoch_s=None if deadline_s is None else EPOCH_S + deadline_s,
    )
    name = f"start {made.kind}"
    return [
        event("activity_started", 0.0, name=name, type="action", func="start_agent_rollout", phase="method"),
        event("activity_ended", 1.0, name=name, type="action", phase="method", status="succeeded", output={}),
        injected(made),
        *(account(at_s, due=at_s * 100, sent=at_s * 98, answered=at_s * 60) for at_s in range(2, 20, 2)),
    ]


def incident() -> list[Line]:
    """The whole chain: reads bad 3..92 s, DNS servers 20..100, workload DNS 39..100, admin 5..94, deadline 90."""
    return [
        *rollout(deadline_s=90.0),
        event("activity_started", 18.0, name="restart the DNS pods", type="action", func="restart_dns_pods"),
        event(
            "activity_ended", 20.0, name="restart the DNS pods", type="action", func="restart_dns_pods",
            status="succeeded", output={},
        ),
        *series("api_livez", 130, {(4, 90): "timeout"}),
        *series("api_version", 130),
        *series("api_read", 130, {(3, 92): "timeout"}),
        *series("admin_write", 130, {(5, 94): "timeout"}),
        *series("break_glass_write", 130, {(5, 9): "timeout"}, latency_s=2.0),
        *series("dns_uncached", 130, {(20, 23): "timeout", (23, 100): "servfail"}),
        *series("dns_cached", 130, {(39, 100): "servfail"}, ttl_s=20.5),
        *series("dns_pod", 130, {(20, 98): "servfail"}),
        event("activity_started", 45.0, name="remove the agent", type="action", func="remove_agent"),
        event(
            "activity_ended", 96.0, name="remove the agent", type="action", func="remove_agent",
            status="succeeded", output={},
        ),
        ended(DELETE_LANDED, 95.5, ROLLOUT),
        event("run_ended", 130.0),
    ]  # fmt: skip


def recorded(*lines: Line) -> Recording:
    """The recording of these lines."""
    return record(lines)
