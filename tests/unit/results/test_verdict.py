"""Verdicts: held and broke only when the fault was delivered, held only with full evidence, else inconclusive."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.results.evidence import gather_evidence
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.results.verdict import Conduct, Verdict, judge
from tests.unit.made_timeline import EPOCH_S, Line, account, ended, incident, injected, recorded, rollout, series

PROBES = {
    "workload DNS answers": ("chaoslib_cp.dns.probes", "workload_dns"),
    "an admin can write": ("chaoslib_cp.access.probes", "admin_write"),
    "the API is healthy": ("chaoslib_cp.apiserver.probes", "api_health"),
}
EXPERIMENT = {
    "steady-state-hypothesis": {
        "title": "all is well",
        "probes": [
            {"type": "probe", "name": name, "provider": {"type": "python", "module": module, "func": func}}
            for name, (module, func) in PROBES.items()
        ],
    }
}
ALL_GOOD = dict.fromkeys(PROBES, "met")


def a_round(at_s: float, **words: str) -> dict[str, Any]:
    """One round of the hypothesis as Chaos Toolkit keeps it: it stops at the first probe that is not met."""
    probes = []
    for name, word in (words or ALL_GOOD).items():
        start = datetime.fromtimestamp(EPOCH_S + at_s, UTC).isoformat()
        status = "failed" if word == "unmeasured" else "succeeded"
        probes.append(
            {"activity": {"name": name}, "start": start, "status": status, "tolerance_met": word == "met"}
        )  # fmt: skip
        if word != "met":
            break
    return {"steady_state_met": all(word == "met" for word in words.values()), "probes": probes}


def journal(*during: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """A journal with these rounds, and good ones before and after."""
    before = before or a_round(-3)
    return {"steady_states": {"before": before, "during": list(during), "after": a_round(125)}}


def judged(lines: list[Line], run_journal: dict[str, Any], conduct: Conduct | None = None) -> Verdict:
    """The verdict on a timeline and a journal."""
    recording = recorded(*lines)
    parts = read_hypothesis(EXPERIMENT, run_journal, {})
    faults = find_faults(recording)
    return judge(recording, faults, gather_evidence(recording, faults), parts, conduct or Conduct())


def calm_but_for_reads() -> list[Line]:
    """A storm that small reads feel and nothing in the hypothesis does: /livez is what api_health reads here."""
    good = ("api_livez", "api_version", "admin_write", "dns_cached", "dns_uncached")
    reads = series("api_read", 60, {(3, 30): "http_429"})
    return [*rollout(deadline_s=30), *reads, *(line for name in good for line in series(name, 60))]


WORDS = list(PROBES)


def good_rounds_but(*others: dict[str, Any]) -> list[dict[str, Any]]:
    """A round each second from 0 to 60 s, all met, and the given ones between them."""
    return [*(a_round(at_s) for at_s in range(61)), *others]


def test_the_incident_broke_and_each_part_has_its_time() -> None:
    """A break is dated by the timeline, which is finer than the rounds; hidden probes are dated, too."""
    rounds = [a_round(at_s) for at_s in range(0, 38, 2)]
    rounds += [a_round(at_s, **{WORDS[0]: "not met"}) for at_s in range(42, 100, 2)]
    verdict = judged(incident(), journal(*rounds))
    assert verdict.word == "broke"
    broke = {part.part: part.at_s for part in verdict.parts if part.word == "broke"}
    assert broke[WORDS[0]] == EPOCH_S + 39


def test_probes_behind_a_failed_one_are_judged_from_the_timeline() -> None:
    """Chaos Toolkit stops a round at the first failure; what it did not look at is not called held."""
    rounds = [a_round(at_s, **{WORDS[0]: "not met"}) for at_s in range(0, 100, 2)]
    verdict = judged(incident(), journal(*rounds))
    broke = {part.part: part.at_s for part in verdict.parts if part.word == "broke"}
    assert broke[WORDS[1]] == EPOCH_S + 5
    assert broke[WORDS[2]] == EPOCH_S + 3


def test_a_break_that_healed_itself_still_counts() -> None:
    """One round in the middle that was not met is enough: the end being good repairs nothing."""
    verdict = judged(calm_but_for_reads(), journal(*good_rounds_but(a_round(10.5, **{WORDS[0]: "not met"}))))
    assert verdict.word == "broke"
    assert verdict.why == ("the claim was false: workload DNS answers",)


def test_held_needs_every_claim_checked_and_watched() -> None:
    """With all rounds met, the fault delivered and enough samples, the run held."""
    verdict = judged(calm_but_for_reads(), journal(*good_rounds_but()))
    assert verdict.word == "held", verdict.why


def test_missing_samples_are_never_held() -> None:
    """A vantage point that was not watched while the fault was on leaves the run inconclusive."""
    lines = [line for line in calm_but_for_reads() if line.get("vantage") != "dns_cached"]
    verdict = judged(lines, journal(*good_rounds_but()))
    assert verdict.word == "inconclusive"
    assert any("only 0 usable samples of dns_cached" in reason for reason in verdict.why)


def test_a_starved_observer_is_never_held() -> None:
    """When our own machine was too slow to ask in time, its silence is not the cluster's health."""
    late = series("dns_cached", 60, lag_s=0.5)
    lines = [line for line in calm_but_for_reads() if line.get("vantage") != "dns_cached"]
    lines += [*series("dns_cached", 60, period_s=3.0), *late]
    verdict = judged(lines, journal(*good_rounds_but()))
    assert verdict.word == "inconclusive"
    assert any("the observer was starved" in reason for reason in verdict.why)


DELIVERED = Injected("storm-1", "storm", "storm", Delivers("storms", 2, done=2), (Expects("api_read"),))


def stormy(made: Injected) -> list[Line]:
    """A calm cluster, and a fault that nobody feels."""
    good = ("api_livez", "api_version", "api_read", "admin_write", "dns_cached", "dns_uncached")
    return [injected(made), ended("rollback", 30.0, "storm-1"), *(line for name in good for line in series(name, 60))]


def test_a_cluster_that_takes_the_whole_fault_and_stays_well_has_held() -> None:
    """Delivered is not hurt: that nobody suffered is the best result there is."""
    verdict = judged(stormy(DELIVERED), journal(*good_rounds_but()))
    assert verdict.word == "held", verdict.why


def test_what_was_not_delivered_is_inconclusive_even_if_something_broke() -> None:
    """It names which, and how much of it came."""
    half = replace(DELIVERED, delivers=Delivers("storms", 5, done=2))
    for others in ((), (a_round(10.5, **{WORDS[0]: "not met"}),)):
        verdict = judged(stormy(half), journal(*good_rounds_but(*others)))
        assert (verdict.word, verdict.why) == ("inconclusive", ("storm was not delivered: only 2 of 5 storms",))


def test_what_was_expected_decides_only_where_the_file_says_so() -> None:
    """Then a storm that nobody felt proves nothing."""
    strict = replace(DELIVERED, expects=(Expects("api_read", decides=True),))
    verdict = judged(stormy(strict), journal(*good_rounds_but()))
    assert verdict.word == "inconclusive"
    assert verdict.why[0].endswith("within 60 s; it did not come (at most 0% in any such window)")


@pytest.mark.parametrize(
    ("accounts", "why"),
    [
        ([], "nobody told what the agents did"),
        ([account(5.0, began=3, due=9, sent=9, answered=9)], "only 3 of 200 agents began"),
        ([account(5.0, due=90, sent=90, answered=90, unauthorized=90)], "agents could not authenticate: 100 % of"),
        ([account(5.0, due=90, sent=30, answered=30)], "agents sent 33 % of what the profile asks for"),
    ],
)
def test_agents_that_did_not_do_their_part_are_named(accounts: list[Line], why: str) -> None:
    """Wrong image, no credentials, a starved injector: none of them is a cluster that survived."""
    lines = [line for line in calm_but_for_reads() if line.get("vantage") != "agent_load"]
    verdict = judged([*lines, *accounts], journal(*good_rounds_but()))
    assert verdict.word == "inconclusive"
    assert verdict.why[0].startswith(f"agent rollout was not delivered: {why}")


@pytest.mark.parametrize(
    ("conduct", "word"),
    [
        (Conduct(interrupted_by="signal SIGTERM"), "interrupted by signal SIGTERM"),
        (Conduct(failed_activities=("restart: refused",)), "an activity failed: restart: refused"),
    ],
)
def test_a_run_that_was_not_played_to_its_end_proves_nothing(conduct: Conduct, word: str) -> None:
    """Cut short or with a failed action, a run is inconclusive whatever was seen."""
    verdict = judged(incident(), journal(a_round(42, **{WORDS[0]: "not met"})), conduct)
    assert (verdict.word, verdict.why[0]) == ("inconclusive", word)


def test_what_is_left_behind_is_never_held() -> None:
    """A cluster that is not whole again is no success."""
    left = Conduct(left_behind=("DaemonSet kube-system/agent",))
    verdict = judged(calm_but_for_reads(), journal(*good_rounds_but()), left)
    assert verdict.word == "inconclusive"
    assert "not healed: DaemonSet kube-system/agent" in verdict.why


def test_a_baseline_that_was_not_met_is_inconclusive() -> None:
    """Nothing was injected, so nothing was proved."""
    verdict = judged([], {"steady_states": {"before": a_round(-3, **{WORDS[0]: "not met"}), "during": []}})
    assert verdict.word == "inconclusive"
    assert verdict.why[0] == "baseline not met, nothing was injected: workload DNS answers"


def test_a_probe_that_could_not_measure_is_not_a_break() -> None:
    """A probe that raised says nothing about the cluster."""
    verdict = judged(calm_but_for_reads(), journal(*good_rounds_but(a_round(7.5, **{WORDS[0]: "unmeasured"}))))
    assert verdict.word == "inconclusive"
    assert "workload DNS answers could not be measured 1 times" in verdict.why
