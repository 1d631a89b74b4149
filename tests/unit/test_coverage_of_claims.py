"""held needs to have looked: in the timeline, or by checks without a long gap between them, all through the fault."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp.results.effects import judge_effects
from chaoslib_cp.results.fault import find_fault
from chaoslib_cp.results.hypothesis import CHECKED_BY_THEMSELVES, read_hypothesis
from chaoslib_cp.results.verdict import Conduct, Verdict, judge
from tests.unit.made_timeline import EPOCH_S, Line, event, recorded, rollout, series

FOREIGN = {"name": "the shop sells", "provider": {"type": "python", "module": "chaosk8s.pod.probes", "func": "f"}}
DNS = {"name": "names", "provider": {"type": "python", "module": "chaoslib_cp.dns.probes", "func": "workload_dns"}}
FAULT_S = 40
STORM = [
    *rollout({"deadline_epoch_s": EPOCH_S + FAULT_S}),
    *series("api_read", 60, {(3, FAULT_S): "http_429"}),
    event("activity_started", 58.0, name="wait", phase="method"),
    event("activity_ended", 60.0, name="wait", phase="method"),
]
QUIET = [
    *rollout(effects=False),
    event("activity_started", 2.0, name="pods go", phase="method"),
    event("activity_ended", 30.0, name="pods go", phase="method"),
    event("activity_started", 30.5, name="undo", phase="rollback"),
    event("activity_ended", 90.0, name="undo", phase="rollback"),
]


def judged(
    lines: list[Line],
    checked_s: Sequence[float],
    probe: dict[str, Any] = FOREIGN,
    conduct: Conduct = Conduct(),  # noqa: B008 - frozen
) -> Verdict:
    """The verdict on a claim that was met whenever it was checked."""
    rounds = [
        {
            "steady_state_met": True,
            "probes": [
                {
                    "activity": {"name": probe["name"]},
                    "start": datetime.fromtimestamp(EPOCH_S + at_s, UTC).isoformat(),
                    "status": "succeeded",
                    "tolerance_met": True,
                }
            ],
        }
        for at_s in checked_s
    ]
    experiment = {"steady-state-hypothesis": {"probes": [probe]}}
    parts = read_hypothesis(experiment, {"steady_states": {"before": rounds[0], "during": rounds}})
    recording = recorded(*lines)
    return judge(recording, find_fault(recording), judge_effects(recording), parts, conduct)


@pytest.mark.parametrize("lines", [STORM, QUIET], ids=["with a fault", "without a declared effect"])
def test_a_probe_of_others_that_was_checked_all_the_time_holds(lines: list[Line]) -> None:
    """A round each second, or each nine seconds."""
    assert judged(lines, range(61)).word == "held"
    assert judged(lines, range(0, 61, 9)).word == "held"


@pytest.mark.parametrize(
    ("checked_s", "why"),
    [
        ([-1, 50, 51, 52], "checked only 0 times while the fault was on"),
        ([-1, 1, 50], "checked only 1 times while the fault was on"),
        ([*range(10), *range(21, 60)], "not checked for 12 s while the fault was on"),
        ([*range(11, 60)], "not checked for 11 s while the fault was on"),
        ([*range(29), 50], "not checked for 12 s while the fault was on"),
    ],
)
def test_a_probe_of_others_that_hangs_while_the_fault_is_on_never_holds(checked_s: list[float], why: str) -> None:
    """What was true before and after says nothing about the time between."""
    verdict = judged(STORM, checked_s)
    assert (verdict.word, verdict.why) == ("inconclusive", (f"the shop sells: {why}",))


def test_a_claim_need_not_be_checked_beside_rollbacks() -> None:
    """Chaos Toolkit plays no round there: a fault that a rollback ends is looked at until the method ends."""
    lines = [
        *rollout(),
        *series("api_read", 60, {(3, 55): "http_429"}),
        event("activity_started", 20.0, name="wait", phase="method"),
        event("activity_ended", 30.0, name="wait", phase="method"),
        event(
            "activity_ended", 55.0, name="stop", func="stop_it", phase="rollback", status="succeeded",
            output={"undone": 1},
        ),
    ]  # fmt: skip
    assert judged(lines, range(30)).word == "held"


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (series("dns_cached", 60, lag_s=0.5), "only 0 usable samples of dns_cached while the method ran"),
        ([], "only 0 usable samples of dns_cached while the method ran"),
        (
            [*series("dns_cached", 60, period_s=3.0), *series("dns_cached", 60, lag_s=0.5)],
            "the observer was starved, 75% of the samples of dns_cached started too late",
        ),
    ],
)
def test_a_starved_observer_never_holds_without_a_declared_effect(samples: list[Line], why: str) -> None:
    """Actions of others declare none: then the method is the time that counts."""
    verdict = judged([*QUIET, *samples], range(31), DNS)
    assert (verdict.word, verdict.why) == ("inconclusive", (f"names: {why}",))
    assert judged([*QUIET, *series("dns_cached", 60)], range(31), DNS).word == "held"


@pytest.mark.parametrize("probe", [FOREIGN, DNS], ids=["of others", "of ours"])
def test_an_experiment_that_only_looks_holds_by_its_checks(probe: dict[str, Any]) -> None:
    """A preflight check plays nothing, so there is no time that had to be watched."""
    assert judged([], [0.5, 1.0], probe, Conduct(has_method=False)).word == "held"
    assert judged([], [0.5, 1.0], probe).word == "inconclusive"


def test_what_was_hidden_breaks_without_a_declared_effect() -> None:
    """Three bad answers between two checks are a break, whoever caused it."""
    assert judged([*QUIET, *series("dns_cached", 60, {(5, 9): "timeout"})], [-1, 4.5, 9.5, 20], DNS).word == "broke"


def test_every_probe_of_ours_has_a_vantage_point_or_a_reason() -> None:
    """A new probe must not be held for want of samples."""
    probes = [one for one in chaoslib_cp.discover()["activities"] if one["type"] == "probe"]
    assert len(probes) > 5
    for one in probes:
        provider = {"type": "python", "module": one["mod"], "func": one["name"]}
        experiment = {"steady-state-hypothesis": {"probes": [{"name": "it", "provider": provider}]}}
        [part] = read_hypothesis(experiment, {})
        assert bool(part.measures) != bool(CHECKED_BY_THEMSELVES.get(one["name"])), one["name"]
