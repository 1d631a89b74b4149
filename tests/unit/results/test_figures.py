"""Figures from timelines made by hand: every figure is known beforehand."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoslib_cp.fault import Injected
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.recording import Recording, record
from chaoslib_cp.results.recovery import not_recovered
from chaoslib_cp.results.story import tell
from chaoslib_cp.results.streaks import bad_time_s, episodes
from tests.unit.made_timeline import (
    ROLLOUT,
    Line,
    account,
    ended,
    event,
    incident,
    injected,
    recorded,
    rollout,
    sample,
    series,
)


def measured(*lines: Line) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and reasons of a timeline."""
    recording = recorded(*lines)
    return compute(recording, find_faults(recording))


def test_the_incident_has_the_figures_it_was_made_with() -> None:
    """The chain of the outage comes out as mask, loss, lock-out and recovery, each with its exact length."""
    values, reasons = measured(*incident())
    assert values["mask_s"] == 19.0
    assert values["predicted_mask_s"] == 19.5
    assert values["dns_lost_s"] == 61.0
    assert values["lockout_s"] == 89.0
    assert values["lockout_ended_by"] == "own deadline"
    assert reasons["lockout_s"] == "lower bound: the fault's own deadline ended it"
    assert values["break_glass_s"] == 6.0
    assert values["detect_s"] == 3.0
    assert values["detected_by"] == "api_read"
    assert (values["mitigate_s"], values["mitigated_by"]) == (90.0, "own deadline")
    assert (values["recover_first_s"], values["recover_full_s"]) == (0.0, 10.0)


def test_ratios_cover_only_the_time_of_the_fault() -> None:
    """Samples before the rollout and after the fault's end do not dilute the ratios."""
    values, _ = measured(*incident())
    assert values["dns_success_ratio_cached"] == pytest.approx(39 / 91, abs=1e-4)
    assert values["api_error_ratio"] == pytest.approx(88 / 91, abs=1e-4)
    assert values["api_error_ratio_by_class"]["api_version"] == {}
    assert set(values["api_error_ratio_by_class"]["api_read"]) == {"timeout"}


def test_checks_that_stayed_green_are_named() -> None:
    """While lookups failed /version and break-glass were good, and only they are called misleading."""
    values, _ = measured(*incident())
    assert [item["check"] for item in values["misleading_green"]] == ["api_version", "break_glass_write"]


def test_a_single_lost_answer_is_no_failure() -> None:
    """One wrong answer between right ones begins neither a mask nor a signal."""
    values, reasons = measured(
        *rollout(),
        *series("dns_uncached", 60, {(10, 11): "timeout"}),
        *series("dns_cached", 60, {(15, 16): "timeout"}),
        *series("api_read", 60, {(12, 13): "timeout"}),
    )
    assert values["mask_s"] is None
    assert reasons["mask_s"] == "the DNS servers never failed: nothing to mask"
    assert values["detect_s"] is None
    assert values["dns_lost_s"] == 1.0


def test_an_outage_that_the_caches_outlasted_has_no_mask_and_says_so() -> None:
    """Servers that failed for less than the TTL leave workload DNS whole; the mask has no end to measure."""
    values, reasons = measured(
        *rollout(), *series("dns_uncached", 60, {(10, 20): "servfail"}), *series("dns_cached", 60)
    )
    assert values["mask_s"] is None
    assert reasons["mask_s"] == "workload lookups never failed: the caches outlasted the servers' failure"
    assert values["dns_success_ratio_cached"] == 1.0
    assert reasons["misleading_green"] == "workload lookups never failed: users did not suffer"


def cached_answers(until_s: int, filled_at_s: list[int], ttl_s: int, lost_from_s: int) -> list[Line]:
    """What a workload's cache answers each second: right ones with the TTL that is left, then failures."""
    lines = []
    for at_s in range(until_s):
        filled_s = max(one for one in [0, *filled_at_s] if one <= at_s)
        left = {"ttl_s": ttl_s - (at_s - filled_s)} if at_s < lost_from_s else {}
        lines.append(sample("dns_cached", at_s, "ok" if left else "servfail", **left))
    return lines


def test_the_mask_belongs_to_the_failure_that_reached_the_workload() -> None:
    """A first failure that was masked altogether does not lengthen the mask of the second."""
    values, _ = measured(
        *rollout(),
        *series("dns_uncached", 90, {(10, 16): "servfail", (40, 90): "servfail"}),
        *cached_answers(90, [18, 38], 20, lost_from_s=58),
    )
    assert (values["mask_s"], values["predicted_mask_s"]) == (18.0, 18.0)


def test_lucky_answers_do_not_shorten_the_mask() -> None:
    """One of two servers is back for a while: as long as no cache was filled from it, the mask goes on."""
    values, _ = measured(
        *rollout(),
        *series("dns_uncached", 90, {(40, 52): "servfail", (56, 90): "servfail"}),
        *cached_answers(90, [18, 38], 20, lost_from_s=58),
    )
    assert (values["mask_s"], values["predicted_mask_s"]) == (18.0, 18.0)


def test_a_cache_filled_in_the_middle_of_a_failure_masks_from_then_on() -> None:
    """The cache got an answer that the uncached questions around it did not: the prediction after that one counts."""
    values, _ = measured(
        *rollout(),
        *series("dns_uncached", 90, {(25, 90): "servfail"}),
        *cached_answers(90, [18, 38], 20, lost_from_s=58),
    )
    assert values["predicted_mask_s"] == pytest.approx(values["mask_s"], abs=1.0)
    assert values["mask_s"] > 18


def test_a_slow_write_locks_out_like_a_failed_one() -> None:
    """A write that is accepted after more than 5 s counts as failed."""
    slow = [sample("admin_write", at_s, latency_s=6.0 if 10 <= at_s < 30 else 0.1) for at_s in range(0, 60, 2)]
    values, _ = measured(*rollout(), *slow)
    assert values["lockout_s"] == 20.0
    assert values["lockout_ended_by"] == "itself, before any load ended"


def test_a_lock_out_that_never_ended_is_a_lower_bound() -> None:
    """The recording's end is not the end of the lock-out."""
    values, reasons = measured(*rollout(), *series("admin_write", 60, {(10, 60): "http_429"}))
    assert values["lockout_s"] == 49.0
    assert reasons["lockout_s"] == "lower bound: still locked out when the recording ended"
    assert values["lockout_ended_by"] is None
    assert reasons["recover_full_s"].startswith("admin_write had not recovered")


def test_a_delete_that_landed_before_the_deadline_ended_the_lock_out() -> None:
    """The cause named is the admin's delete as long as the agents' own deadline had not passed."""
    values, _ = measured(
        *rollout(deadline_s=200),
        *series("admin_write", 60, {(10, 40): "timeout"}),
        ended("delete landed", 35.0, ROLLOUT),
    )
    assert values["lockout_ended_by"] == "delete landed"
    assert (values["mitigate_s"], values["mitigated_by"]) == (35.0, "delete landed")


def test_a_restart_of_dns_ends_no_lock_out() -> None:
    """It is over at once, in the middle of it: the administrator came in again while the storm went on."""
    restart = Injected("dns_restart-1", "dns_restart", "DNS restart", lasts=False)
    values, reasons = measured(
        *rollout(deadline_s=200),
        injected(restart, began_s=20.0, at_s=22.0),
        *series("admin_write", 60, {(10, 40): "timeout"}),
    )
    assert values["lockout_ended_by"] == "itself, before any load ended"
    assert "lockout_s" not in reasons


def test_two_failed_writes_are_no_lock_out() -> None:
    """A lock-out takes three failed writes in a row."""
    values, reasons = measured(*rollout(), *series("admin_write", 40, {(10, 12): "timeout"}))
    assert values["lockout_s"] is None
    assert "nobody was locked out" in reasons["lockout_s"]


def test_void_samples_prove_nothing() -> None:
    """Samples that our own machine made late are counted and left out of every figure."""
    late = [sample("dns_cached", at_s, "timeout", lag_s=0.4) for at_s in range(10, 20)]
    values, _ = measured(*rollout(), *series("dns_uncached", 30), *series("dns_cached", 10), *late)
    assert values["observer_void_samples"] == 10
    assert values["dns_lost_s"] == 0.0


def test_missing_vantage_points_give_null_and_a_reason_each() -> None:
    """Nothing is zero because it was not asked."""
    values, reasons = measured(*rollout())
    unmeasured = {name for name, value in values.items() if value is None}
    assert {"mask_s", "dns_lost_s", "lockout_s", "api_error_ratio", "detect_s", "break_glass_s"} <= unmeasured
    assert unmeasured <= reasons.keys()


def test_without_an_injection_nothing_is_measured() -> None:
    """A run that never injected has no times to count from."""
    values, reasons = measured(*series("dns_cached", 30, {(5, 20): "servfail"}))
    assert values["dns_lost_s"] is None
    assert reasons["dns_lost_s"] == "nothing was injected"


def test_amplification_comes_from_its_events() -> None:
    """CPU totals are read at the right moments."""
    values, _ = measured(
        *rollout(deadline_s=20),
        event("api_cpu", 1.0, server_cpu_s=10.0, client_cpu_s=1.0),
        event("api_cpu", 19.0, server_cpu_s=13.0, client_cpu_s=1.04),
        event("api_cpu", 21.0, server_cpu_s=14.0, client_cpu_s=1.05),
        event("api_cpu", 25.0, server_cpu_s=90.0, client_cpu_s=1.06),
        *series("api_read", 30, {(5, 25): "timeout"}),
    )
    assert values["amplification"] == 80.0


def test_amplification_counts_loads_of_the_runner_among_the_clients() -> None:
    """They run beside the agents, and tell what they used themselves: two of them here, one of which is told twice."""
    values, _ = measured(
        *rollout(deadline_s=20),
        event("api_cpu", 1.0, server_cpu_s=10.0, client_cpu_s=1.0),
        event("load_cpu", 15.0, fault="api_overload-1", client_cpu_s=0.2),
        event("load_cpu", 19.0, fault="api_overload-1", client_cpu_s=0.3),
        event("load_cpu", 19.5, fault="api_overload-2", client_cpu_s=0.1),
        event("api_cpu", 21.0, server_cpu_s=15.0, client_cpu_s=1.1),
        event("load_cpu", 22.0, fault="api_overload-2", client_cpu_s=9.0),
        *series("api_read", 30, {(5, 25): "timeout"}),
    )
    assert values["amplification"] == 10.0


def test_amplification_counts_pods_of_loads_among_the_clients() -> None:
    """Each tells in its account what its process used; the last one told by the reading counts."""
    used = {("pod-0", 12.0): 0.2, ("pod-0", 18.0): 0.3, ("pod-1", 18.0): 0.1, ("pod-1", 23.0): 9.0}
    values, _ = measured(
        *rollout(deadline_s=20),
        event("api_cpu", 1.0, server_cpu_s=10.0, client_cpu_s=1.0),
        *(
            sample("agent_load", at_s, target=pod, fault="api_overload_in_cluster-1", counts={"client_cpu_s": cpu_s})
            for (pod, at_s), cpu_s in used.items()
        ),
        event("api_cpu", 21.0, server_cpu_s=15.0, client_cpu_s=1.1),
        *series("api_read", 30, {(5, 25): "timeout"}),
    )
    assert values["amplification"] == 10.0


def test_a_stop_that_found_nothing_did_not_end_the_fault() -> None:
    """The rollback that comes after everything is over is not called the mitigation."""
    values, _ = measured(*rollout(), *series("api_read", 60), ended("rollback", 40.0))
    assert values["mitigated_by"] is None
    values, _ = measured(*rollout(), *series("api_read", 60), ended("rollback", 40.0, ROLLOUT))
    assert (values["mitigate_s"], values["mitigated_by"]) == (40.0, "rollback")


def test_lines_that_cannot_be_used_are_counted_not_guessed() -> None:
    """A line of a known kind with missing or wrong fields is left out and counted."""
    lines: list[dict[str, Any]] = [
        sample("api_read", 1),
        {"kind": "sample", "at_s": 2.0, "vantage": "api_read"},
        {**sample("api_read", 3), "ok": "yes"},
        {**sample("agent_load", 4), "counts": {"sent": "many"}},
        {**sample("agent_load", 5), "counts": [1]},
        {"kind": "event", "event": "run_started"},
        {"kind": "something of a later version"},
    ]
    recording = record(lines)
    assert len(recording.samples) == 1
    assert recording.unusable_lines == 5


@st.composite
def outcomes(draw: st.DrawFn) -> Recording:
    """One vantage point with any outcomes at any distances."""
    words = draw(st.lists(st.sampled_from(["ok", "timeout", "servfail"]), min_size=1, max_size=60))
    steps = draw(st.lists(st.floats(0.1, 5.0), min_size=len(words), max_size=len(words)))
    at_s, lines = 0.0, []
    for word, step in zip(words, steps, strict=True):
        at_s += step
        lines.append(sample("dns_cached", at_s, word))
    return record(lines)


@given(outcomes(), st.integers(1, 4), st.integers(1, 4))
def test_episodes_are_ordered_apart_and_begin_and_end_on_samples(recording: Recording, bad: int, good: int) -> None:
    """Whatever is recorded, episodes do not overlap, and begin on a bad and end on a good sample."""
    samples = recording.of("dns_cached")
    bad_starts = {one.at_s for one in samples if not one.ok}
    good_starts = {one.at_s for one in samples if one.ok}
    found = episodes(samples, bad, good)
    ends = [0.0]
    for number, episode in enumerate(found):
        assert episode.began_s in bad_starts
        assert episode.began_s >= ends[-1]
        assert episode.ended_s in good_starts or (episode.ended_s is None and number == len(found) - 1)
        ends.append(math.inf if episode.ended_s is None else episode.ended_s)


@given(outcomes())
def test_bad_time_is_between_nothing_and_the_whole_recording(recording: Recording) -> None:
    """The time lost is never negative and never longer than the recording."""
    samples = recording.of("dns_cached")
    whole_s = samples[-1].at_s + samples[-1].latency_s - samples[0].at_s
    lost_s = bad_time_s(samples)
    assert -1e-6 <= lost_s <= whole_s + 1e-6
    assert (lost_s == 0) == all(one.ok for one in samples)


TOLD_ALL_ALONG = [account(at_s, began=began) for at_s, began in ((3.0, 80), (5.0, 100), (7.0, 120), (9.0, 160))]


@pytest.mark.parametrize(
    ("told", "share", "why"),
    [
        # the farm's 140 of 200 in the middle between its two accounts, and a node of its own
        (
            [*TOLD_ALL_ALONG, account(4.0, began=2, source="node-1", agents_wanted=2)],
            0.71,
            "between 61.0 and 81.0 %, as told before and after the signal",
        ),
        ([account(2.0, began=200), account(30.0, began=200)], 1.0, None),
        ([account(2.0, began=190)], 0.95, "between 95.0 and 100.0 %, as told before and after the signal"),
        # two nodes told, and the farm of all the others only later: one sample is not the rollout
        (
            [account(4.0, began=2, source="node-1", agents_wanted=2), account(14.0, began=190)],
            None,
            "it cannot be told: between 1.0 and 96.0 %, as told before and after the signal",
        ),
        ([account(12.0, began=20)], 0.0667, "between 0.0 and 10.0 %, as told before and after the signal"),
        ([], None, "no agent told that it had begun"),
    ],
)
def test_the_share_of_the_rollout_is_told_by_the_agents_all_along(
    told: list[Line], share: float | None, why: str | None
) -> None:
    """At the signal, from what each source told before and after it; a gap in that is no figure."""
    plain = [line for line in rollout() if line.get("vantage") != "agent_load"]
    values, reasons = measured(*plain, *told, *series("api_read", 30, {(8, 30): "timeout"}))
    assert values["rollout_share_at_first_signal"] == share
    assert reasons.get("rollout_share_at_first_signal") == why


def test_two_rollouts_are_one_share() -> None:
    """Of all the agents that both want; one that began after the signal does not count."""
    lines = rollout()
    second, third = (
        [
            {**line, "result": {**line["result"], "fault": fault}, "began_s": line["began_s"] + late_s}
            for line in lines
            if line.get("event") == "fault_injected"
        ]
        for fault, late_s in (("agent_rollout-2", 1.0), ("agent_rollout-3", 20.0))
    )
    told = [account(at_s, began=100, fault="agent_rollout-2") for at_s in (3.0, 20.0)]
    values, _ = measured(*lines, *second, *third, *told, *series("api_read", 30, {(8, 30): "timeout"}))
    assert values["rollout_share_at_first_signal"] == 0.75


def test_a_lucky_write_inside_a_lock_out_is_marked() -> None:
    """With the lock-out, and in the story: somebody got in, though nobody could count on it."""
    bad: dict[tuple[float, float], str] = {(10, 20): "timeout", (21, 30): "timeout", (31, 50): "timeout"}
    lines = [*rollout(), *series("admin_write", 70, bad)]
    values, reasons = measured(*lines)
    assert values["lockout_s"] == 40.0
    assert reasons["lockout_s"] == "2 lucky writes inside, at 20.0 s, 30.0 s"
    recording = recorded(*lines)
    faults = find_faults(recording)
    assert faults is not None
    told = [moment.what for moment in tell(recording, faults) if "lucky" in moment.what]
    assert told == ["ordinary admin: the first of 2 lucky writes got through, still locked out"]
    values, reasons = measured(*rollout(), *series("admin_write", 70, {(10, 50): "timeout"}))
    assert "lockout_s" not in reasons


def test_a_delete_that_starved_controllers_did_not_carry_out_ended_nothing() -> None:
    """Accepted at 20 s, but the API fails until the agents' own deadline: the deadline ended the fault."""
    landed = ended("delete landed", 20.0, ROLLOUT)
    storm: dict[tuple[float, float], str] = {(3, 18): "timeout", (24, 62): "timeout"}
    api = [*series("api_read", 90, storm), *series("api_livez", 90, storm), *series("admin_write", 90, storm)]
    values, _ = measured(*rollout(deadline_s=60), landed, *api)
    assert (values["mitigate_s"], values["mitigated_by"]) == (60.0, "own deadline")
    quiet = [*series("api_read", 90, {(3, 22): "timeout"}), *series("api_livez", 90), *series("admin_write", 90)]
    values, _ = measured(*rollout(deadline_s=60), landed, *quiet)
    assert (values["mitigate_s"], values["mitigated_by"]) == (20.0, "delete landed")


def test_a_failure_that_goes_on_is_named_at_whichever_target() -> None:
    """A later failure of another target that ended hides no older one that did not."""
    lines = [
        *rollout(),
        *series("dns_cached", 60, {(5, 99): "timeout"}),
        *series("dns_cached", 60, {(20, 30): "timeout"}, target="another"),
    ]
    recording = recorded(*lines)
    assert not_recovered(recording, find_faults(recording)) == ["workload DNS had not recovered when the run ended"]
    values, reasons = measured(*lines)
    assert values["recover_full_s"] is None
    assert "dns_cached had not recovered" in reasons["recover_full_s"]


def test_what_was_broken_before_a_run_that_played_nothing_is_not_its_doing() -> None:
    """The baseline was not met."""
    assert (
        not_recovered(recorded(event("run_started", 0.0), *series("dns_cached", 9, {(-5, 9): "timeout"})), None) == []
    )


def test_what_never_worked_was_not_broken_by_the_run() -> None:
    """A question that this cluster refuses to answer at all leaves no run unhealed."""
    recording = recorded(*rollout(), *series("api_read", 60, {(-5, 60): "http_5xx"}))
    assert not_recovered(recording, find_faults(recording)) == []


def test_an_attempt_that_the_fault_spoilt_does_not_say_that_it_never_worked() -> None:
    """The only attempt from before was under way when the fault began; one that had ended by then is of before."""
    later = series("api_read", 60, {(0, 60): "timeout"})[5:]
    for latency_s, expected in ((1.01, ["small API reads had not recovered when the run ended"]), (1.0, [])):
        recording = recorded(*rollout(), sample("api_read", -1.0, "timeout", latency_s=latency_s), *later)
        assert not_recovered(recording, find_faults(recording)) == expected
