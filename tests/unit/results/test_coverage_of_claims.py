"""held needs to have looked: in the timeline, or by checks without a long gap between them, all through the fault."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp.results.evidence import gather_evidence
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.hypothesis import CHECKED_BY_THEMSELVES, read_hypothesis
from chaoslib_cp.results.lockout import lockouts
from chaoslib_cp.results.observer import longest_unseen_s
from chaoslib_cp.results.verdict import Conduct, Verdict, judge
from tests.unit.made_timeline import EPOCH_S, Line, event, recorded, rollout, sample, series

FOREIGN = {"name": "the shop sells", "provider": {"type": "python", "module": "chaosk8s.pod.probes", "func": "f"}}
DNS: dict[str, Any] = {
    "name": "names",
    "provider": {"type": "python", "module": "chaoslib_cp.dns.probes", "func": "workload_dns"},
}
FAULT_S = 40
STORM = [
    *rollout(deadline_s=FAULT_S),
    *series("api_read", 60, {(3, FAULT_S): "http_429"}),
    event("activity_started", 58.0, name="wait", phase="method"),
    event("activity_ended", 60.0, name="wait", phase="method"),
]
QUIET = [
    event("activity_started", 0.0, name="look", type="action", phase="method"),
    event("activity_ended", 1.0, name="look", type="action", phase="method", status="succeeded", output={}),
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
    configuration: Mapping[str, Any] | None = None,
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
    parts = read_hypothesis(experiment, {"steady_states": {"before": rounds[0], "during": rounds}}, configuration or {})
    recording = recorded(*lines)
    faults = find_faults(recording)
    return judge(recording, faults, gather_evidence(recording, faults), parts, conduct)


@pytest.mark.parametrize("lines", [STORM, QUIET], ids=["with a fault", "without a fault"])
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
            "the observer was starved, 76% of the samples of dns_cached started too late",
        ),
    ],
)
def test_a_starved_observer_never_holds_without_a_fault(samples: list[Line], why: str) -> None:
    """Actions of others declare none: then the method is the time that counts."""
    verdict = judged([*QUIET, *samples], range(31), DNS)
    assert (verdict.word, verdict.why) == ("inconclusive", (f"names: {why}",))
    assert judged([*QUIET, *series("dns_cached", 60)], range(31), DNS).word == "held"


@pytest.mark.parametrize("probe", [FOREIGN, DNS], ids=["of others", "of ours"])
def test_an_experiment_that_only_looks_holds_by_its_checks(probe: dict[str, Any]) -> None:
    """A preflight check plays nothing, so there is no time that had to be watched."""
    assert judged([], [0.5, 1.0], probe, Conduct(has_method=False)).word == "held"
    assert judged([], [0.5, 1.0], probe).word == "inconclusive"


def dns_without(unseen: Callable[[float], bool], until_s: float = 60) -> list[Line]:
    """Good answers each second, but none at the times that ``unseen`` says."""
    return [line for line in series("dns_cached", until_s) if not unseen(line["at_s"] - EPOCH_S)]


def storm_of(fault_s: float, until_s: float) -> list[Line]:
    """A storm of that many seconds, and calm until the method ends."""
    return [
        *rollout(deadline_s=fault_s),
        *series("api_read", until_s, {(3, fault_s): "http_429"}),
        event("activity_ended", until_s, name="wait", phase="method"),
    ]


@pytest.mark.parametrize(
    ("late", "word"),
    [
        (range(0, 28), "inconclusive"),
        (range(32, 61), "inconclusive"),
        (range(61, 100), "held"),
        (range(0, 60, 5), "held"),
    ],
    ids=["its begin", "its end", "only afterwards", "a fifth"],
)
def test_calm_minutes_after_a_fault_excuse_no_observer_that_was_starved_in_it(late: range, word: str) -> None:
    """The share of late samples is that of the fault, neither of what came before nor after."""
    samples = [{**line, "lag_s": 0.5} if line["at_s"] - EPOCH_S in late else line for line in series("dns_cached", 600)]
    verdict = judged([*storm_of(60, 600), *samples], range(600), DNS)
    assert verdict.word == word, verdict.why
    if word != "held":
        assert verdict.why == (
            f"names: the observer was starved, {len(late) / 61:.0%} of the samples of dns_cached started too late",
        )


@pytest.mark.parametrize(
    ("first_s", "last_s", "word"),
    [
        (-9, 9, "held"),
        (-9, 10, "inconclusive"),
        (15, 23, "held"),
        (15, 24, "inconclusive"),
        (31, 60, "held"),
        (30, 60, "inconclusive"),
        (7, 60, "inconclusive"),
    ],
)
def test_a_vantage_point_that_nobody_looked_from_for_long_never_holds(first_s: int, last_s: int, word: str) -> None:
    """A prober that was gone for most of the fault: checks that look back far are met by old answers all along."""
    lines = [*STORM, *dns_without(lambda at_s: first_s <= at_s <= last_s)]
    if last_s < 60:
        lines.append({**sample("dns_cached", last_s + 1 - 0.02), "latency_s": 0.0})
    verdict = judged(lines, range(61), DNS)
    assert verdict.word == word, verdict.why
    if word != "held":
        assert len(verdict.why) == 1
        assert re.fullmatch(
            r"names: nobody looked at dns_cached for (10|11|34) s while the fault was on", verdict.why[0]
        )


def test_an_attempt_sees_from_its_start_to_its_end() -> None:
    """One that times out has seen that nobody answered, also one that began before the fault or ends after it."""

    def seen_s(*attempts: tuple[float, float]) -> float:
        lines = [sample("dns_cached", at_s, latency_s=latency_s) for at_s, latency_s in attempts]
        return longest_unseen_s(recorded(*lines), "dns_cached", EPOCH_S, EPOCH_S + 30)

    assert seen_s() == 30
    assert seen_s((12, 5)) == 13
    assert seen_s((10, 0), (20, 0)) == 10
    assert seen_s((-5, 8), (10, 0), (20, 0)) == 10
    assert seen_s((-5, 16), (20, 0)) == 10
    assert seen_s((5, 20), (6, 1)) == 5
    assert seen_s((8, 1), (25, 9)) == 16
    assert seen_s((12, 1), (30, 0)) == 17
    assert seen_s((12, 1), (31, 0)) == 17
    assert seen_s((-9, 1)) == 30


@pytest.mark.parametrize(
    ("gap_s", "plan", "word"),
    [
        (26, {"break_glass_write": 9.0}, "held"),
        (27, {"break_glass_write": 9.0}, "held"),
        (27.1, {"break_glass_write": 9.0}, "inconclusive"),
        (10, {"break_glass_write": 3.0}, "held"),
        (11, {"break_glass_write": 3.0}, "inconclusive"),
        (10, {"api_read": 9.0}, "held"),
        (11, {"api_read": 9.0}, "inconclusive"),
        (11, {"break_glass_write": "9"}, "inconclusive"),
        (11, None, "inconclusive"),
    ],
)
def test_what_is_asked_seldom_may_go_unseen_for_three_of_its_periods(gap_s: float, plan: object, word: str) -> None:
    """Break-glass is asked each 9 s; what the observer was told counts, not how seldom it came to it."""
    times_s = (*range(-5, 6), *(5 + gap_s + more for more in range(40)))
    samples = [sample("break_glass_write", at_s, latency_s=0.0) for at_s in times_s]
    probe = {**DNS, "provider": {**DNS["provider"], "module": "chaoslib_cp.access.probes", "func": "break_glass_write"}}
    lines = [event("observer_started", -8.0, periods_s=plan), *STORM, *samples]
    verdict = judged(lines, range(61), probe)
    assert verdict.word == word, verdict.why


@pytest.mark.parametrize("outcome", ["http_401", "http_403"])
def test_what_was_not_let_in_neither_breaks_nor_holds_a_claim(outcome: str) -> None:
    """An expired credential of our own is no lock-out: kubernetes-client/python-base#59."""
    probe = {**DNS, "provider": {**DNS["provider"], "module": "chaoslib_cp.access.probes", "func": "admin_write"}}
    refused = series("admin_write", 60, {(5, 60): outcome})
    verdict = judged([*STORM, *refused], range(61), probe)
    assert (verdict.word, verdict.why) == (
        "inconclusive",
        (f"names: cannot authenticate, 36 samples of admin_write were {outcome}",),
    )
    recording = recorded(*STORM, *refused)
    assert lockouts(recording, EPOCH_S) == []


@pytest.mark.parametrize(
    ("path", "vantage"),
    [("cached", "dns_cached"), ("uncached", "dns_uncached"), ("pods", "dns_pod"), ("external", "dns_external")],
)
@pytest.mark.parametrize("by_configuration", [False, True])
def test_each_way_a_question_goes_has_the_samples_that_answer_it(
    path: str, vantage: str, by_configuration: bool
) -> None:
    """A claim that asks for other samples than its probe could never be held."""
    arguments = {"path": "${way}" if by_configuration else path}
    probe = {**DNS, "provider": {**DNS["provider"], "arguments": arguments}}
    lines = [*STORM, *series(vantage, 60)]
    assert judged(lines, range(61), probe, configuration={"way": path}).word == "held"


@pytest.mark.parametrize("path", ["${way}", "rumour"])
def test_a_way_that_nobody_knows_never_holds(path: str) -> None:
    """Not by samples of another way either."""
    probe = {**DNS, "provider": {**DNS["provider"], "arguments": {"path": path}}}
    verdict = judged([*STORM, *series("dns_cached", 60)], range(61), probe)
    assert verdict.why == (f"names: only 0 usable samples of path {path} while the fault was on",)


def test_what_was_hidden_breaks_without_a_fault() -> None:
    """Three bad answers between two checks are a break, whoever caused it."""
    assert judged([*QUIET, *series("dns_cached", 60, {(5, 9): "timeout"})], [-1, 4.5, 9.5, 20], DNS).word == "broke"


def test_every_probe_of_ours_has_a_vantage_point_or_a_reason() -> None:
    """A new probe must not be held for want of samples."""
    probes = [one for one in chaoslib_cp.discover()["activities"] if one["type"] == "probe"]
    assert len(probes) > 5
    for one in probes:
        provider = {"type": "python", "module": one["mod"], "func": one["name"]}
        experiment = {"steady-state-hypothesis": {"probes": [{"name": "it", "provider": provider}]}}
        [part] = read_hypothesis(experiment, {}, {})
        assert bool(part.vantages) != bool(CHECKED_BY_THEMSELVES.get(one["name"])), one["name"]
