"""Abort rules: what breaches them on a timeline, and which ones are refused before anything is touched."""

from typing import Any

import pytest

from chaoslib_cp.control.abort_rules import AbortRule, read_rules
from chaoslib_cp.control.refusal import experiment_refusals
from chaoslib_cp.settings import read_settings
from tests.unit.made_timeline import EPOCH_S, Line, recorded, sample, series

NOW_S = 60.0
SAFE: dict[str, Any] = {"rollbacks": {"strategy": "always"}}


def rule(**written: Any) -> AbortRule:
    """A rule as an experiment writes it."""
    [made] = read_rules(experiment(written), read_settings())
    return made


def experiment(*rules: Any, **more: Any) -> dict[str, Any]:
    """An experiment with these rules."""
    return {"extensions": [{"name": "other"}, {"name": "chaoslib_cp", "abort_when": list(rules), **more}]}


def breach(one: AbortRule, *lines: Line, began_s: float = 0.0) -> str:
    """What the rule says of these lines 60 s after their zero."""
    return one.breach(recorded(*lines), EPOCH_S + NOW_S, EPOCH_S + began_s)


def test_a_healthy_timeline_breaches_nothing() -> None:
    """Good, quick and seen: the run goes on."""
    lines = [*series("dns_cached", NOW_S, period_s=0.5), *series("api_read", NOW_S)]
    for written in (
        {"vantage": "dns_cached", "max_error_ratio": 0.0},
        {"vantage": "api_read", "max_latency_p50_s": 0.5},
        {"vantage": "api_read", "max_latency_p95_s": 0.5},
        {"vantage": "api_read", "blind_s": 8},
    ):
        assert breach(rule(**written), *lines) == ""


def test_too_many_failures_name_rule_value_and_limit() -> None:
    """Beyond the limit, not at it: half of the samples may fail where a half is the limit."""
    one = rule(vantage="dns_cached", max_error_ratio=0.5, window_s=10)
    half = series("dns_cached", NOW_S, {(55.5, NOW_S): "servfail"}, period_s=0.5)
    assert breach(one, *half) == ""
    more = series("dns_cached", NOW_S, {(52, NOW_S): "servfail"}, period_s=0.5)
    assert breach(one, *more) == ("abort rule dns_cached max_error_ratio 0.5: it was 0.8, 20 samples within 10 s")


def test_one_node_that_suffers_is_enough() -> None:
    """Of many that are well it would not be seen in a share over all of them."""
    one = rule(vantage="dns_cached", max_error_ratio=0.5, window_s=10)
    well = [line for number in range(9) for line in series("dns_cached", NOW_S, node=f"well-{number}")]
    ill = series("dns_cached", NOW_S, {(52, NOW_S): "servfail"}, node="ill")
    said = "abort rule dns_cached max_error_ratio 0.5: it was 0.8 on node ill, 10 samples within 10 s"
    assert (breach(one, *well), breach(one, *well, *ill)) == ("", said)


def test_only_the_window_since_the_method_began_counts() -> None:
    """Neither a failure that is over nor one from before the first action ends a run."""
    one = rule(vantage="dns_cached", max_error_ratio=0.2, window_s=20)
    assert breach(one, *series("dns_cached", NOW_S, {(0, 40): "servfail"})) == ""
    late = series("dns_cached", NOW_S, {(40, 50): "servfail"})
    assert breach(one, *late) != ""
    assert breach(one, *late, began_s=50.0) == ""


def test_a_failure_counts_when_it_is_known() -> None:
    """A time-out of 5 s that began before the window is in it."""
    one = rule(vantage="api_read", max_error_ratio=0.5, window_s=9)
    lines = [sample("api_read", at_s, "timeout") for at_s in (47.0, 50.0, 53.0)]
    assert breach(one, *lines) != ""


def test_too_few_samples_say_nothing() -> None:
    """One lost packet is not an outage; how many are enough can be said."""
    lines = [sample("dns_cached", NOW_S - 1 - number, "servfail") for number in range(4)]
    assert breach(rule(vantage="dns_cached", max_error_ratio=0.5), *lines[:2]) == ""
    assert breach(rule(vantage="dns_cached", max_error_ratio=0.5), *lines) != ""
    assert breach(rule(vantage="dns_cached", max_error_ratio=0.5, min_samples=5), *lines) == ""


def test_void_samples_and_other_vantage_points_do_not_count() -> None:
    """A starved observer blames nobody, and sees nothing either."""
    void = series("dns_cached", NOW_S, {(0, NOW_S): "servfail"}, void=True)
    others = series("dns_uncached", NOW_S, {(0, NOW_S): "servfail"})
    assert breach(rule(vantage="dns_cached", max_error_ratio=0.5), *void, *others) == ""
    assert breach(rule(vantage="dns_cached", blind_s=15), *void, *others) == (
        "abort rule dns_cached blind_s 15: no valid sample for that long"
    )


@pytest.mark.parametrize(
    ("limits", "slow", "is_breached"),
    [
        ("max_latency_p50_s", 4, False),
        ("max_latency_p50_s", 6, True),
        ("max_latency_p95_s", 0, False),
        ("max_latency_p95_s", 1, True),
    ],
)
def test_slow_answers(limits: str, slow: int, is_breached: bool) -> None:
    """The median wants more than half of ten samples to be slow, the 95th percentile one."""
    lines = [sample("api_read", 50.5 + n, latency_s=3.0 if n < slow else 0.1) for n in range(10)]
    said = breach(rule(**{"vantage": "api_read", limits: 2.0, "window_s": 15}), *lines)
    assert said == (f"abort rule api_read {limits} 2: it was 3, 10 samples within 15 s" if is_breached else "")


def test_a_quick_refusal_is_not_a_quick_answer() -> None:
    """Connections refused in a millisecond must not make a latency look good."""
    lines = [sample("api_read", 51 + n, "refused", latency_s=0.001) for n in range(9)]
    assert "no right answer came at all" in breach(rule(vantage="api_read", max_latency_p50_s=2.0), *lines)


def test_a_blind_guard_counts_from_the_last_sample_or_the_begin() -> None:
    """Failing samples are samples: who sees a failure is not blind."""
    one = rule(vantage="dns_cached", blind_s=15)
    assert breach(one, *series("dns_cached", 50, {(0, 50): "servfail"})) == ""
    assert breach(one, *series("dns_cached", 40)) != ""
    assert breach(one, *series("dns_cached", 40), began_s=46.0) == ""
    assert breach(one) != ""


def test_a_window_holds_what_ends_as_it_begins() -> None:
    """And a blind guard is patient for as long as it says."""
    one = rule(vantage="api_read", max_error_ratio=0.5, window_s=10, min_samples=3)
    lines = [sample("api_read", at_s, "refused", latency_s=0.0) for at_s in (50.0, 53.0, 56.0)]
    assert breach(one, *lines) != ""
    assert breach(rule(vantage="api_read", blind_s=60)) == ""
    assert breach(rule(vantage="api_read", blind_s=59)) != ""


def refusals(*rules: Any, configuration: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """What the gate says."""
    settings = read_settings(configuration)
    return list(experiment_refusals(experiment(*rules, **more), SAFE, configuration or {}, settings))


@pytest.mark.parametrize(("written", "words"), [
    ({"vantage": "dns", "blind_s": 15}, "abort_when[0].vantage is 'dns', which nobody samples"),
    ({"max_error_ratio": 0.5}, "abort_when[0].vantage is None"),
    ({"vantage": ["dns_cached"], "blind_s": 15}, "which nobody samples"),
    ({"vantage": "dns_cached"}, "abort_when[0] has 0 limits"),
    ({"vantage": "dns_cached", "blind_s": 15, "max_error_ratio": 0.5}, "abort_when[0] has 2 limits"),
    ({"vantage": "dns_cached", "max_error_ratio": 0.5, "windows": 3}, "has the unknown key 'windows'"),
    ({"vantage": "dns_cached", "blind_s": 15, "window_s": 10}, "has the unknown key 'window_s'"),
    ({"vantage": "dns_cached", "max_error_ratio": 1.0}, "use a number from 0 to 0.99"),
    ({"vantage": "dns_cached", "max_error_ratio": -0.1}, "use a number from 0 to 0.99"),
    ({"vantage": "dns_cached", "max_error_ratio": "${x}"}, "max_error_ratio is '${x}'"),
    ({"vantage": "dns_cached", "max_error_ratio": True}, "max_error_ratio is True"),
    ({"vantage": "api_read", "max_latency_p50_s": float("nan")}, "max_latency_p50_s is nan"),
    ({"vantage": "api_read", "max_latency_p95_s": 0}, "use a number from 0.001 to 60"),
    ({"vantage": "api_read", "max_error_ratio": 0.5, "window_s": 3600}, "use a number from 9 to 300"),
    ({"vantage": "api_read", "max_error_ratio": 0.5, "min_samples": 0},
     "min_samples is 0; nothing was changed; use a number from 1 to 1000"),
    ("dns_cached", "abort_when[0] is 'dns_cached'"),
])  # fmt: skip
def test_a_rule_that_means_nothing_is_refused_in_one_line(written: Any, words: str) -> None:
    """With its place in the file, and what would be right."""
    [refused] = refusals(written)
    assert words in refused
    assert "nothing was changed" in refused
    assert "\n" not in refused


def test_a_guard_that_could_never_act_or_would_always_act_is_refused() -> None:
    """Too short a window never holds enough samples; too short a patience takes every time-out for blindness."""
    [window] = refusals({"vantage": "break_glass_write", "max_error_ratio": 0.5, "window_s": 20})
    assert window.startswith("abort_when[0].window_s is 20")
    [blind] = refusals({"vantage": "api_read", "blind_s": 5})
    assert blind == "abort_when[0].blind_s is 5; nothing was changed; use a number from 8 to 600"
    quick: dict[str, Any] = {"observe_periods_s": {"api_read": 1.0}, "observe_deadlines_s": {"api_read": 2.0}}
    assert refusals({"vantage": "api_read", "blind_s": 5}, configuration=quick) == []
    off: dict[str, Any] = {"observe_periods_s": {"api_read": 0}}
    assert "which nobody samples" in refusals({"vantage": "api_read", "blind_s": 15}, configuration=off)[0]


@pytest.mark.parametrize("given", ["often", {"api_read": "often"}, {"dns_cached": 1.0}])
def test_a_wrong_pace_is_refused_by_name(given: Any) -> None:
    """The rules are checked against how often each vantage point is sampled."""
    [refused] = refusals({"vantage": "api_read", "blind_s": 15}, configuration={"observe_periods_s": given})
    assert "periods_s" in refused


def test_a_misspelt_key_is_not_a_guard() -> None:
    """``abort_if`` would be read by nobody; every bad rule is told, not only the first."""
    [refused] = refusals(abort_if=[])
    assert refused.startswith("extension chaoslib_cp has the unknown key 'abort_if'")
    assert len(refusals({"vantage": "x", "blind_s": 9}, {"vantage": "y", "blind_s": 9})) == 2
    written = {"extensions": [{"name": "chaoslib_cp", "abort_when": {}}]}
    [refused] = list(experiment_refusals(written, SAFE, {}, read_settings()))
    assert refused.startswith("abort_when is {}")
