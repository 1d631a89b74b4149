"""What the victim is expected to suffer is a change: it must come, and must not have been there before the fault."""

import pytest

from chaoslib_cp.fault import Expects, Injected
from chaoslib_cp.results.expectations import Expectation, judge_expectations
from chaoslib_cp.results.faults import find_faults
from tests.unit.made_timeline import Line, incident, injected, recorded, rollout, sample, series

STORM = series("api_read", 40, {(3, 30): "http_429"})[5:]
"""Small reads from 0 s on, bad from 3 s to 30 s: what ``rollout`` expects (half of them for 10 s)."""


def declared(*lines: Line) -> Expectation:
    """What is expected of a rollout, judged."""
    recording = recorded(*rollout(), *lines)
    [expectation] = judge_expectations(recording, find_faults(recording))
    return expectation


def reads(*ended_s: float, bad: int, latency_s: float = 0.0) -> list[Line]:
    """Small reads that ended then, the last ``bad`` of them failed."""
    words = ["ok"] * (len(ended_s) - bad) + ["http_5xx"] * bad
    return [
        sample("api_read", at_s - latency_s, word, latency_s=latency_s)
        for at_s, word in zip(ended_s, words, strict=True)
    ]


def test_a_vantage_point_that_never_worked_shows_nothing() -> None:
    """An observer without its Role is refused for ever; no agent need have sent anything for that."""
    found = declared(*series("api_read", 60, {(-5, 60): "http_5xx"}))
    assert (found.came, found.before_share, found.seen_share) == (False, 1.0, 1.0)
    why = "nobody can tell whether it came: api_read was failing already before (100%)"
    assert str(found) == f"agent rollout expected 50% of api_read failing for 10 s within 30 s; {why}"


def test_what_nobody_measured_before_may_have_failed_all_along() -> None:
    """The observer saw its first sample after the rollout had begun."""
    found = declared(*STORM)
    assert (found.came, found.before_share) == (False, None)
    assert found.doubt == "nobody can tell whether it came: nobody sampled api_read before"


def test_what_did_not_come_is_told_as_that_whatever_was_before() -> None:
    """Nothing failed afterwards: no doubt about that."""
    for before in ([], reads(-2, -1, bad=2)):
        assert declared(*before, *series("api_read", 40)[5:]).doubt == (
            "it did not come (at most 0% in any such window)"
        )
    assert declared().doubt == "it did not come (no usable samples)"


@pytest.mark.parametrize(("bad", "came", "share"), [(0, True, 0.0), (4, True, 0.4), (5, False, 0.5), (6, False, 0.6)])
def test_the_expected_share_must_not_have_been_reached_before(bad: int, came: bool, share: float) -> None:
    """A few lost packets before are no storm; half of the reads failing is what was expected."""
    found = declared(*reads(*range(-10, 0), bad=bad), *STORM)
    assert (found.came, found.before_share) == (came, share)


def test_only_the_last_window_before_counts() -> None:
    """A failure that was over long before, or good times long past, say nothing; 10 s ago to the edge still counts."""
    assert declared(*reads(*range(-30, -10), bad=20), *reads(-9, -5, -1, bad=0), *STORM).before_share == 0.0
    assert declared(*reads(*range(-30, -10), bad=0), *reads(-9, -5, -1, bad=3), *STORM).before_share == 1.0
    assert declared(*reads(-10, bad=1), *reads(-5, -1, 0, bad=0), *STORM).before_share == 0.25
    assert declared(*reads(-10.01, bad=1), *reads(-5, -1, 0, bad=0), *STORM).before_share == 0.0
    slow = reads(-5, -4, -3, -2, bad=2, latency_s=8.0)
    assert declared(*reads(*range(-30, -20), bad=0), *slow, *STORM).before_share == 0.5, "by their ends"


def test_where_few_samples_were_taken_the_last_three_count() -> None:
    """A slow pace leaves one or two in the window."""
    assert declared(*reads(-50, -40, -30, -5, bad=2), *STORM).before_share == 0.6667
    assert declared(*reads(-50, -40, -6, -5, bad=1), *STORM).before_share == 0.3333
    assert declared(*reads(-40, -6, -5, -4, bad=3), *STORM).before_share == 1.0
    assert declared(*reads(-5, bad=0), *STORM).came
    assert not declared(*reads(-5, bad=1), *STORM).came


def test_an_attempt_that_was_under_way_when_the_fault_began_says_nothing_of_before() -> None:
    """Its failure may come of the fault; one that had just ended is of before."""
    assert declared(*reads(-9, -8, bad=0), *reads(0.5, 1, 2, bad=3, latency_s=5.0), *STORM).before_share == 0.0
    assert declared(*reads(-9, -8, -7, bad=0), *reads(0.0, bad=1, latency_s=5.0), *STORM).before_share == 0.25


@pytest.mark.parametrize(
    ("at_s", "came"),
    [
        ((0, 5, 9.9), True),
        ((0, 5, 10), False),
        ((31, 35, 40), True),
        ((31.1, 35, 40), False),
        ((-0.1, 5, 9), False),
    ],
)
def test_three_samples_of_one_window_that_began_in_time_are_enough(at_s: tuple[float, ...], came: bool) -> None:
    """From the begin of the fault to 30 s after its action has said so, 10 s long, its end excluded."""
    failed = [sample("api_read", one, "http_429", latency_s=0.5) for one in at_s]
    assert declared(*reads(-9, -8, -7, bad=0), *failed).came == came


def test_the_expected_share_is_enough() -> None:
    """Half of four."""
    failed = [sample("api_read", one, "http_429") for one in (1, 2)]
    assert declared(*reads(-9, -8, -7, 3, 4, bad=0), *failed).came
    assert not declared(*reads(-9, -8, -7, 3, 4, 5, bad=0), *failed, sample("api_read", 6)).came


def test_void_samples_are_no_measurement_of_before() -> None:
    """They say how late we were."""
    assert declared(*(sample("api_read", at_s, lag_s=0.5) for at_s in range(-9, 0)), *STORM).before_share is None


def judged(*lines: Line) -> list[Expectation]:
    """Everything that was expected in these lines, judged."""
    recording = recorded(*lines)
    return judge_expectations(recording, find_faults(recording))


def test_one_class_of_failure_may_come_where_another_was() -> None:
    """Refused before, timed out since: that is a change."""
    timeouts = another("storm-1", 0.0, Expects("api_read", outcome="timeout", within_s=30.0))
    [seen] = judged(timeouts, *series("api_read", 40, {(-5, 3): "http_5xx", (3, 40): "timeout"}))
    assert (seen.came, seen.before_share) == (True, 0.0)
    [seen] = judged(timeouts, *series("api_read", 40, {(-5, 40): "timeout"}))
    assert seen.doubt == "nobody can tell whether it came: api_read was timeout already before (100%)"


def another(fault: str, at_s: float, *expects: Expects) -> Line:
    """Another fault, of which something is expected."""
    made = Injected(fault, "storm", "storm", expects=expects or (Expects("api_read", within_s=30.0),))
    return injected(made, began_s=at_s, at_s=at_s + 1)


def test_a_second_fault_in_a_storm_shows_its_own() -> None:
    """The DNS restart of the shipped experiment: the API fails already, the DNS servers did not."""
    restart = another("dns_restart-1", 18.0, Expects("dns_uncached", window_s=5.0, within_s=30.0))
    assert [one.came for one in judged(*incident(), restart)] == [True, True]


def test_the_same_expected_twice_is_told_once() -> None:
    """While the first fault holds nobody can tell what the second did; once it is over, it can be told again."""
    lines = [*rollout(), *series("api_read", 120, {(3, 40): "http_429", (65, 100): "http_429"})]
    first, second = judged(*lines, another("storm-1", 30.0))
    assert first.came
    assert second.doubt == (
        "nobody can tell whether it came: api_read was failing already before (100%), perhaps by agent_rollout-1"
    )
    assert [one.came for one in judged(*lines, another("storm-1", 60.0))] == [True, True]
    third = judged(*lines, another("storm-1", 20.0), another("storm-2", 30.0))[2]
    assert third.doubt.endswith("perhaps by storm-1")


def test_nothing_else_is_blamed() -> None:
    """Neither a fault that was expected to show elsewhere, nor a later one."""
    reads_fail = [*series("api_read", 60, {(-5, 60): "timeout"}), *series("dns_cached", 60)]
    earlier = another("dns_restart-1", -1.0, Expects("dns_cached"))
    ours = judged(earlier, *rollout(), *reads_fail, another("storm-1", 30.0))[1]
    assert ours.doubt == "nobody can tell whether it came: api_read was failing already before (100%)"


def test_two_expectations_of_one_fault_both_come() -> None:
    """Some fail, and most of those time out: the time before both is before the fault."""
    both = another("storm-1", 0.0, Expects("api_read", within_s=30.0), Expects("api_read", outcome="timeout"))
    assert [one.came for one in judged(both, *series("api_read", 40, {(3, 40): "timeout"}))] == [True, True]


def test_without_a_fault_nothing_is_expected() -> None:
    """A run that only looks."""
    assert judged(*series("api_read", 40)) == []


def test_what_came_too_late_did_not_come() -> None:
    """The time that was given counts: a failure minutes later is another story."""
    assert not declared(*series("api_read", 130, {(60, 130): "timeout"})).came
    assert declared(*series("api_read", 60, {(20, 60): "timeout"})).came


def test_two_samples_are_no_window() -> None:
    """However bad they are."""
    found = declared(*series("api_read", 2, {(0, 9): "timeout"}))
    assert (found.came, found.seen_share) == (False, None)
