"""Figures of a lie: how long caches kept the truth after its begin, and the lie after its end."""

from pathlib import Path

import pytest

from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.report.text import render_text
from chaoslib_cp.results.deliveries import judge_deliveries
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.story import tell
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.unit.made_timeline import EPOCH_S, Line, injected, recorded, rollout, series

FIGURES = ("truth_kept_s", "lie_heard_s", "lie_kept_s", "lie_kept_locked_out_s")
BEGINS_S, ENDS_S = 10.0, 50.0


def lie() -> Line:
    """A lie whose action begins at 0 s, and returns when it is told."""
    made = Injected(
        fault="dns_poison-1",
        kind="dns_poison",
        label="DNS poison",
        delivers=Delivers("DNS servers lied", wanted=2, share=1.0, vantage="dns_watched_backend"),
        expects=(Expects("dns_watched_cached", window_s=5.0, within_s=60.0),),
        deadline_epoch_s=EPOCH_S + ENDS_S,
    )
    return injected(made, at_s=BEGINS_S)


def heard(until_s: float, *false: tuple[float, float], target: str = "decoy. A at 10.0.0.1") -> list[Line]:
    """What a workload heard, one answer a second, from the moment at which the servers were armed."""
    lines = series("dns_watched_cached", until_s, dict.fromkeys(false, "wrong"), target=target)
    return [line for line in lines if line["at_s"] > EPOCH_S]


def figures(*lines: Line) -> tuple[list[float | None], list[str]]:
    """The figures of lies, and the reasons that they come with."""
    recording = recorded(lie(), *lines)
    values, reasons = compute(recording, find_faults(recording))
    return [values[name] for name in FIGURES], [reasons[name] for name in FIGURES if name in reasons]


def test_truth_and_lie_are_kept_for_their_time_and_longest_counts() -> None:
    """From the lie's begin to the first false answer; from its end to the first true one after the last false one."""
    other = heard(100, (20, 60), target="other. A at 10.0.0.1")
    values, reasons = figures(*heard(100, (16, 40), (42, 81)), *other)
    assert (values, reasons) == ([6.0, 63.0, 31.0, 0.0], [])


def test_a_lie_that_is_heard_only_while_it_is_told_is_not_kept() -> None:
    """Where no cache stands between a workload and the servers."""
    assert figures(*heard(100, (11, 45)))[0][2:] == [0.0, 0.0]


def test_a_lie_that_is_heard_when_watching_ends_is_kept_for_longer_than_was_seen() -> None:
    """Nobody asks any more once the servers have their own Corefile back."""
    values, reasons = figures(*heard(70, (20, 70)))
    assert values[2] == 19.0
    assert reasons == ["lower bound: it was heard still when nobody watched any more"]


def test_the_time_in_which_nobody_could_flush_is_told() -> None:
    """A lock-out while caches keep a lie that is withdrawn already."""
    locked_out = series("admin_write", 100, {(30, 70): "timeout"})
    assert figures(*heard(100, (20, 81)), *locked_out)[0][2:] == [31.0, 20.0]


@pytest.mark.parametrize("answers", [heard(100), []], ids=["true all along", "nobody asked"])
def test_a_lie_that_nobody_heard_has_no_figures(answers: list[Line]) -> None:
    """Each says why."""
    assert figures(*answers) == ([None] * 4, ["no workload heard the lie"] * 4)


def test_the_end_of_a_lie_ends_no_lock_out_and_its_begin_is_told() -> None:
    """A lie loads no API; arming takes its time, so the story tells when it is first told."""
    lines = (lie(), *rollout(deadline_s=90.0), *series("admin_write", 130, {(5, 60): "timeout"}))
    recording = recorded(*lines, *heard(130, (20, 81)))
    faults = find_faults(recording)
    assert faults is not None
    assert compute(recording, faults)[0]["lockout_ended_by"] == "itself, before any load ended"
    told = [(one.since_s, one.what) for one in tell(recording, faults)]
    assert (BEGINS_S, "DNS poison begins") in told
    assert (ENDS_S, "DNS poison ends by itself, at its own deadline") in told
    assert (20.0, "workloads get FALSE ANSWERS") in told


@pytest.mark.parametrize(
    ("latency_s", "outcome", "shortfall"),
    [
        (1.2, "ok", ""),
        (0.1, "ok", "only 0 of 2 DNS servers answered late"),
        (1.9, "timeout", ""),
    ],
)
def test_a_truth_that_is_told_late_is_delivered_by_answers_that_took_so_long(
    latency_s: float, outcome: str, shortfall: str
) -> None:
    """Nothing false is heard; a rogue DNS server counts as a lie all the same, for it is no load."""
    told = Delivers("DNS servers answered late", wanted=2, share=1.0, vantage="dns_watched_backend", slow_s=1.0)
    late = Injected("dns_rogue-1", "dns_rogue", "rogue DNS server", told, deadline_epoch_s=EPOCH_S + ENDS_S)
    bad = {(20.0, 30.0): outcome} if outcome != "ok" else {}
    lines = [
        line
        for server in ("10.0.0.1", "10.0.0.2")
        for line in series("dns_watched_backend", 60, bad, target=f"decoy. A at {server}", latency_s=latency_s)
    ]
    recording = recorded(injected(late, at_s=BEGINS_S), *lines)
    faults = find_faults(recording)
    assert faults is not None
    assert [one.id for one in faults.lies] == ["dns_rogue-1"]
    assert [one.shortfall for one in judge_deliveries(recording, faults)] == [shortfall]


def test_a_run_of_lies_alone_is_told_without_rows_of_a_storm() -> None:
    """Nothing loads the API; what stayed green while users were told lies is named, other names among it."""
    lines = [lie(), *heard(130, (20, 81)), *series("dns_cached", 130), *series("api_livez", 130)]
    told = summarise(recorded(*lines), [], Conduct(), {})
    assert told["figures"]["amplification"] is None
    assert {one["check"] for one in told["figures"]["misleading_green"]} == {"api_livez", "dns_cached"}
    assert [one["came"] for one in told["expectations"]] == [True]
    drawn = render_text(told, Path("runs/r-1"))
    assert "workloads heard the lie for                         61.0 s  after its withdrawal 31.0 s" in drawn
    assert "rollout" not in drawn
    storm = render_text(summarise(recorded(*rollout(deadline_s=90.0)), [], Conduct(), {}), Path("runs/r-1"))
    assert "rollout done" in storm
    assert "the lie" not in storm
