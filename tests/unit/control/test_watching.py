"""The observer's orders follow from the configuration, and nothing is injected before it has seen something."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.control.watching import Pace, observe_plan, paces, wait_for_sight, watching_refusals
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.observe.timeline import Timeline
from chaoslib_cp.settings import Settings, read_settings
from tests.contract.cluster import FakeCluster
from tests.contract.experiments import dns_claim
from tests.scaffold.clocks import ManualClock


def test_the_observers_orders_follow_from_the_configuration(cluster: FakeCluster, tmp_path: Path) -> None:
    """Who asks, where, how often, for how long."""
    settings: dict[str, Any] = {
        "observe_s": 90,
        "prober_pages": ["10.0.0.1:1"],
        "observe_periods_s": {"api_read": 1.0},
        "observe_deadlines_s": {"api_read": 2.0},
    }
    plan = observe_plan(tmp_path, 5.0, read_settings(settings))
    assert (plan.run_dir, plan.kubeconfig) == (str(tmp_path), cluster.environment["KUBECONFIG"])
    assert (plan.duration_s, plan.epoch_offset_s) == (90.0, 5.0)
    assert plan.contexts == {one: one for one in ("runner", "admin", "break-glass", "observer")}
    assert plan.prober_pages == ("10.0.0.1:1",)
    assert plan.periods_s["api_read"] == 1.0
    assert plan.deadlines_s["api_read"] == 2.0
    usual = observe_plan(tmp_path, 5.0, read_settings())
    assert (usual.duration_s, usual.prober_pages) == (1800.0, ())


@pytest.mark.usefixtures("cluster")
def test_an_identity_without_a_context_only_takes_its_vantage_points_away(tmp_path: Path) -> None:
    """Without the runner nothing can be observed at all."""
    plan = observe_plan(tmp_path, 0.0, read_settings({"admin_context": "nowhere"}))
    assert set(plan.contexts) == {"runner", "break-glass", "observer"}
    with pytest.raises(TargetRefused, match="nowhere"):
        observe_plan(tmp_path, 0.0, read_settings({"runner_context": "nowhere"}))


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "given", ["long", [1], [], {}, True, False, 0, 0.0, "0", -1, 0.99, 21_600.1, "21601", "nan", math.inf, " "]
)
def test_a_time_that_is_none_is_refused(tmp_path: Path, given: object) -> None:
    """In one line, before anything was changed; before, true was a second and 0 half an hour."""
    with pytest.raises(ProfileInvalid) as caught:
        observe_plan(tmp_path, 0.0, read_settings({"observe_s": given}))
    assert re.fullmatch(
        r"configuration\.observe_s is .*; nothing was changed; use a number from 1 to 21600", str(caught.value)
    )
    assert list(watching_refusals(read_settings({"observe_s": given}))) == [str(caught.value)]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("given", "means_s"), [(None, 1800.0), ("", 1800.0), (1, 1.0), ("1", 1.0), ("90.5", 90.5), (21_600, 21_600.0)]
)
def test_a_time_may_come_from_the_environment(tmp_path: Path, given: object, means_s: float) -> None:
    """Chaos Toolkit gives it as text then, and an empty one where the variable is not set."""
    assert observe_plan(tmp_path, 0.0, read_settings({"observe_s": given})).duration_s == means_s
    assert list(watching_refusals(read_settings({"observe_s": given}))) == []


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("given", ["127.0.0.1:80", 5, 0, False, {}, {"a": 1}, [1], ["127.0.0.1:80", None]])
def test_pages_that_are_no_list_of_texts_are_refused(tmp_path: Path, given: object) -> None:
    """A text is not a list of characters."""
    with pytest.raises(ProfileInvalid) as caught:
        observe_plan(tmp_path, 0.0, read_settings({"prober_pages": given}))
    assert str(caught.value) == (
        f"configuration.prober_pages is {given!r}; nothing was changed; use a list of ip:port, or leave it out"
    )
    assert list(watching_refusals(read_settings({"prober_pages": given}))) == [str(caught.value)]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("given", [None, "", [], ()])
def test_without_pages_the_prober_is_looked_up(tmp_path: Path, given: object) -> None:
    """As without the key; each wrong key has a line of its own."""
    assert observe_plan(tmp_path, 0.0, read_settings({"prober_pages": given})).prober_pages == ()
    assert [
        line.partition(" is ")[0] for line in watching_refusals(read_settings({"observe_s": 0, "prober_pages": 5}))
    ] == [
        "configuration.observe_s",
        "configuration.prober_pages",
    ]


def test_a_run_waits_until_its_claims_have_something_to_stand_on(tmp_path: Path) -> None:
    """Three samples of each vantage point of the hypothesis; after 15 s it goes on and says who is blind."""
    experiment = {"steady-state-hypothesis": {"probes": [dns_claim()]}}
    clock = ManualClock()
    assert wait_for_sight(tmp_path, experiment, {}, Settings(), clock) == ["dns_cached"]
    assert clock.monotonic_s() == pytest.approx(15.0, abs=0.3)
    timeline = Timeline(tmp_path / "timeline.jsonl")
    line = {"kind": "sample", "vantage": "dns_cached", "at_s": clock.epoch_s(), "latency_s": 0.0}
    for _ in range(2):
        timeline.append(line)
    assert wait_for_sight(tmp_path, experiment, {}, Settings(), clock) == ["dns_cached"]
    for _ in range(3):
        timeline.append({**line, "at_s": clock.epoch_s()})
    before_s = clock.monotonic_s()
    assert wait_for_sight(tmp_path, experiment, {}, Settings(), clock) == []
    assert clock.monotonic_s() == before_s
    timeline.close()


@pytest.mark.parametrize(("period_s", "enough"), [(9.0, 1), (7.0, 2), (3.0, 3), (0.2, 3), (60.0, 1)])
def test_a_run_waits_for_no_more_samples_than_the_pace_lets_come(tmp_path: Path, period_s: float, enough: int) -> None:
    """Break-glass is tried every 9 s: three of its samples in 15 s would never be seen, and the prober be blamed."""
    provider = {"module": "chaoslib_cp.access.probes", "func": "break_glass_write"}
    experiment = {"steady-state-hypothesis": {"probes": [{"name": "in", "provider": provider}]}}
    configuration = {"observe_periods_s": {"break_glass_write": period_s}}
    clock = ManualClock()
    timeline = Timeline(tmp_path / "timeline.jsonl")
    line = {"kind": "sample", "vantage": "break_glass_write", "at_s": clock.epoch_s() + 15.0, "latency_s": 0.0}
    for _ in range(enough - 1):
        timeline.append(line)
    settings = read_settings(configuration)
    assert wait_for_sight(tmp_path, experiment, configuration, settings, clock) == ["break_glass_write"]
    timeline.append(line)
    assert wait_for_sight(tmp_path, experiment, configuration, settings, clock) == []
    timeline.close()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("given", [{"observe_periods_s": 3}, {"observe_deadlines_s": {"api_read": "5"}}])
def test_a_cadence_that_is_no_mapping_to_seconds_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    """In one line, before the observer is started."""
    with pytest.raises(ProfileInvalid, match="not a mapping of vantage points to seconds; nothing was changed"):
        observe_plan(tmp_path, 0.0, read_settings(given))


@pytest.mark.parametrize(("pages", "blind"), [([], ["api_read"]), (["127.0.0.1:9"], ["api_read", "dns_uncached"])])
def test_before_anything_is_injected_every_vantage_point_has_seen_something(
    tmp_path: Path, pages: list[str], blind: list[str]
) -> None:
    """An effect counts only where its vantage point was good before, and nobody knows yet which that will be."""
    clock = ManualClock()
    timeline = Timeline(tmp_path / "timeline.jsonl")
    plays = {"method": [{"name": "x"}]}
    assert wait_for_sight(tmp_path, {"method": []}, {}, Settings(), clock) == []
    assert clock.monotonic_s() == 0
    assert wait_for_sight(tmp_path, plays, {}, Settings(), clock) == ["any vantage point"]
    assert clock.monotonic_s() == pytest.approx(15.0, abs=0.3)
    now = {"at_s": clock.epoch_s(), "latency_s": 0.0}
    periods_s = {"api_read": 3.0, "api_livez": 3.0}
    timeline.append(
        {**now, "kind": "event", "event": "observer_started", "periods_s": periods_s, "prober_pages": pages}
    )
    for vantage in ("api_livez", "dns_cached"):
        timeline.append({**now, "kind": "sample", "vantage": vantage})
    for vantage in ("api_read", "dns_uncached"):
        timeline.append({**now, "kind": "sample", "vantage": vantage, "void": True})
    assert wait_for_sight(tmp_path, plays, {}, Settings(), clock) == blind
    for vantage in ("api_read", "dns_uncached"):
        timeline.append({"at_s": clock.epoch_s(), "latency_s": 0.0, "kind": "sample", "vantage": vantage})
    before_s = clock.monotonic_s()
    assert wait_for_sight(tmp_path, plays, {}, Settings(), clock) == []
    assert clock.monotonic_s() == before_s
    timeline.close()


def test_a_run_waits_for_the_samples_of_the_way_that_the_configuration_names(tmp_path: Path) -> None:
    """The file holds the placeholder."""
    probe = dns_claim()
    probe["provider"]["arguments"]["path"] = "${way}"
    experiment = {"steady-state-hypothesis": {"probes": [probe]}}
    assert wait_for_sight(tmp_path, experiment, {"way": "pods"}, Settings(), ManualClock()) == ["dns_pod"]


def test_each_vantage_point_has_a_pace_and_a_time_within_which_news_must_come() -> None:
    """A period and the longest attempt; what the prober samples is pulled besides. No period, no vantage point."""
    found = paces(read_settings({"observe_periods_s": {"api_read": 1.0}, "observe_deadlines_s": {"api_read": 2.0}}))
    slow, resolver, pod = Pace(3.0, 8.0), Pace(0.5, 5.4), Pace(1.0, 5.9)
    c_library = Pace(1.0, 8.9)
    assert found == {
        "api_livez": slow, "api_version": slow, "api_read": Pace(1.0, 3.0), "admin_write": slow,
        "break_glass_write": Pace(9.0, 19.0), "dns_cached": resolver, "dns_uncached": resolver, "dns_pod": pod,
        "dns_external": pod, "dns_revision": pod, "dns_watched_backend": pod, "dns_watched_pod": pod,
        "dns_watched_uncached": pod, "dns_watched_cached": pod, "dns_lookup": c_library, "dns_connect": c_library,
        "dns_never_asked": pod, "api_server_livez": slow, "api_server_memory": Pace(60.0, 70.0),
    }  # fmt: skip
