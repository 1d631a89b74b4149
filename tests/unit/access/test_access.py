"""Probes tell what the observer saw, measure themselves where it saw nothing, and never raise for a sick system."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.access.probes import admin_write, break_glass_write
from chaoslib_cp.apiserver.health import wait_until_recovered as wait_for_all
from chaoslib_cp.apiserver.probes import api_health, api_is_saturated, wait_until_recovered
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.dns.probes import workload_dns
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer, FakeApiServer, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.timeline import write_samples

OBSERVED = "/api/v1/namespaces/chaoslib-cp"


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """A healthy cluster."""
    for path in ("/livez", "/version", OBSERVED):
        kube.objects[path] = {"metadata": {"name": path}}
    return kube


def run_of(tmp_path: Path, **samples: list[str]) -> dict[str, Any]:
    """Configuration of a run whose observer saw these outcomes; its cluster cannot be reached."""
    for vantage, outcomes in samples.items():
        write_samples(tmp_path / "run", vantage, outcomes)
    return {"chaoslib_cp_run_dir": str(tmp_path / "run"), "kubeconfig": "/nonexistent"}


def test_the_observers_samples_are_used_and_the_cluster_is_not_asked(tmp_path: Path) -> None:
    """In the storm a probe costs the API server nothing."""
    seen = admin_write(configuration=run_of(tmp_path, admin_write=["ok", "ok", "timeout", "ok"]))
    assert seen == {
        "ok": False, "ok_ratio": 0.75, "samples": 4, "last_outcome": "ok", "worst_latency_s": 0.01, "by": "observer",
    }  # fmt: skip


def test_without_an_observer_one_measurement_is_made(kube: KubeObjects) -> None:
    """Used alone, a probe still tells the truth, and keeps nothing in the cluster."""
    seen = admin_write(configuration=kube.configuration())
    assert (seen["ok"], seen["samples"], seen["by"]) == (True, 1, "probe")
    assert kube.server.requests[-1].peer_name == "user-admin"
    assert kube.server.requests[-1].query["dryRun"] == "All"
    assert break_glass_write(configuration=kube.configuration())["ok"] is True
    assert kube.server.requests[-1].peer_name == "user-break-glass"
    assert kube.writes() == []


def test_the_administrators_lock_out_is_a_value(kube: KubeObjects) -> None:
    """429 is what the probe is for, not an error."""
    kube.fail_next("POST", "/", Answer(429), who="admin")
    seen = admin_write(configuration=kube.configuration())
    assert (seen["ok"], seen["last_outcome"]) == (False, "http_429")


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    "api_health": api_health,
    "admin_write": admin_write,
    "break_glass_write": break_glass_write,
    "workload_dns": workload_dns,
}


@pytest.mark.parametrize("name", PROBES)
def test_nothing_measured_is_never_ok(tmp_path: Path, name: str) -> None:
    """Missing data is never good news, and ``ok`` is always a bool."""
    seen = PROBES[name](configuration=run_of(tmp_path))
    assert seen["ok"] is False
    assert (seen["samples"], seen["worst_latency_s"]) == (0, None)
    assert len(json.dumps(seen)) < 4096


@pytest.mark.parametrize("name", PROBES)
def test_without_a_run_the_reason_why_nothing_could_be_measured_is_raised(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python there is no report that would tell it; a cluster that only does not answer is a measurement."""
    with pytest.raises(ActivityFailed, match="kubeconfig /nonexistent: No such file"):
        PROBES[name](configuration={"kubeconfig": "/nonexistent"})
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ActivityFailed, match="no cluster was named"):
        PROBES[name]()


@pytest.mark.parametrize(
    ("livez", "version", "diagnosis", "is_ok"),
    [("ok", "ok", "healthy", True), ("ok", "timeout", "queued", False), ("timeout", "timeout", "starved", False)],
)
def test_the_pair_of_livez_and_version_tells_queueing_from_starving(
    tmp_path: Path, livez: str, version: str, diagnosis: str, is_ok: bool
) -> None:
    """``/livez`` is exempt from fair queueing, ``/version`` is not."""
    configuration = run_of(tmp_path, api_livez=[livez] * 4, api_version=[version] * 4, api_read=[version] * 4)
    seen = api_health(configuration=configuration)
    assert (seen["diagnosis"], seen["ok"]) == (diagnosis, is_ok)


def test_api_health_measures_all_three_itself(kube: KubeObjects) -> None:
    """As the observer identity, with few rights."""
    seen = api_health(configuration=kube.configuration())
    assert (seen["ok"], seen["diagnosis"], seen["samples"]) == (True, "healthy", 3)
    assert {request.peer_name for request in kube.server.requests} == {"user-observer"}


def test_saturation_is_seen_when_answers_fail_or_are_slow(tmp_path: Path) -> None:
    """A server that answers after seconds does not serve either."""
    failing = run_of(tmp_path / "a", api_version=["timeout"] * 6, api_read=["ok"] * 4)
    assert api_is_saturated(window_s=30.0, configuration=failing)["served_ratio"] == pytest.approx(0.4)
    write_samples(tmp_path / "b" / "run", "api_version", ["ok"] * 6, latency_s=2.0)
    slow = run_of(tmp_path / "b", api_read=["ok"])
    seen = api_is_saturated(configuration=slow)
    assert (seen["ok"], seen["worst_latency_s"]) == (True, 2.0)


def test_a_server_that_serves_is_not_saturated_when_time_is_up(tmp_path: Path) -> None:
    """The wait ends and says how long it was."""
    seen = api_is_saturated(timeout_s=0, configuration=run_of(tmp_path, api_version=["ok"] * 4, api_read=["ok"] * 4))
    assert (seen["ok"], seen["served_ratio"]) == (False, 1.0)
    seen = api_is_saturated(timeout_s=0, configuration=run_of(tmp_path / "none"))
    assert (seen["ok"], seen["samples"], seen["worst_latency_s"]) == (False, 0, None)


RECOVERED = {"api_read": ["ok"] * 3, "admin_write": ["timeout", "ok", "ok", "ok"], "dns_cached": ["ok"] * 3}


def test_recovered_means_all_four_are_good_several_times_running(tmp_path: Path) -> None:
    """One good answer is no recovery, and a vantage point nobody took is none either."""
    configuration = run_of(tmp_path, **RECOVERED)
    seen = wait_until_recovered(timeout_s=0, configuration=configuration)
    assert (seen["ok"], seen["not_recovered"], seen["dns_uncached"]) == (False, ["dns_uncached"], "not measured")
    write_samples(tmp_path / "run", "dns_uncached", ["servfail", "ok", "ok"], first_ago_s=4)
    assert wait_until_recovered(timeout_s=0, configuration=configuration)["not_recovered"] == ["dns_uncached"]
    write_samples(tmp_path / "run", "dns_uncached", ["ok"], first_ago_s=1)
    seen = wait_until_recovered(timeout_s=0, configuration=configuration)
    assert (seen["ok"], seen["not_recovered"]) == (True, [])


def test_without_an_observer_samples_add_up_over_the_polls(kube: KubeObjects, prober: FakeApiServer) -> None:
    """Two good answers in a row come from two polls."""
    place_prober(kube, prober, "ok")
    seen = wait_for_all(kube.settings(), 2, 10, SystemClock())
    assert seen["ok"] is True
    assert 0.4 < seen["waited_s"] < 5


@pytest.fixture
def prober() -> Iterator[FakeApiServer]:
    """A server for the prober's page."""
    with FakeApiServer() as server:
        yield server


def place_prober(kube: KubeObjects, prober: FakeApiServer, outcome: str) -> None:
    """Let the cluster tell where the prober is, and the prober what it saw."""
    where = "/api/v1/namespaces/chaoslib-cp"
    labels = {"chaoslib-cp/role": "prober"}
    kube.objects[f"{where}/services/workload-prober"] = {
        "metadata": {"name": "workload-prober"},
        "spec": {"selector": labels, "ports": [{"port": 80, "nodePort": prober.port}]},
    }
    kube.objects[f"{where}/pods/workload-prober-1"] = {
        "metadata": {"name": "workload-prober-1", "labels": labels},
        "status": {"hostIP": "127.0.0.1"},
    }
    samples = [
        {"seq": n, "kind": "sample", "at_s": 1000.0 + n, "vantage": vantage, "target": "t", "ok": outcome == "ok",
         "outcome": outcome, "latency_s": 0.01, "lag_s": 0.0, "ttl_s": 20}
        for n, vantage in enumerate(["dns_cached", "dns_uncached"] * 4, start=1)
    ]  # fmt: skip
    page = {"prober": "p-1", "now_s": 1009.0, "samples": samples, "accounts": []}
    prober.on("GET", "/", json_answer(page))


@pytest.mark.parametrize("outcome", ["ok", "servfail"])
def test_workload_dns_reads_the_probers_page_where_there_is_no_observer(
    kube: KubeObjects, prober: FakeApiServer, outcome: str
) -> None:
    """Its samples are put on our clock and judged like the observer's."""
    place_prober(kube, prober, outcome)
    seen = workload_dns(path="uncached", configuration=kube.configuration())
    assert (seen["ok"], seen["last_outcome"], seen["samples"], seen["by"]) == (outcome == "ok", outcome, 4, "probe")


def test_the_probers_page_that_the_gate_noted_is_read_without_the_api(kube: KubeObjects, prober: FakeApiServer) -> None:
    """In the storm nobody can ask the API where the prober is."""
    place_prober(kube, prober, "servfail")
    kube.mark()
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/r-1")
    check_gate(read_settings(configuration))
    asked = len(kube.server.requests)
    assert workload_dns(path="uncached", configuration=configuration)["last_outcome"] == "servfail"
    assert len(kube.server.requests) == asked


@pytest.mark.parametrize("path", ["cached", "uncached", "pods", "external"])
def test_each_way_a_question_goes_has_its_own_samples(tmp_path: Path, path: str) -> None:
    """The mask shows as cached ok while uncached fails."""
    vantage = {"pods": "dns_pod"}.get(path, f"dns_{path}")
    configuration = run_of(tmp_path, **{vantage: ["ok", "ok"]})
    assert workload_dns(path=path, configuration=configuration)["ok"] is True


@pytest.mark.parametrize(
    ("probe", "arguments", "says"),
    [
        (workload_dns, {"path": "sideways"}, "use one of pods, uncached, cached, external"),
        (workload_dns, {"window_s": 0}, "window_s is 0"),
        (admin_write, {"min_ok_ratio": 1.1}, "min_ok_ratio"),
        (break_glass_write, {"window_s": True}, "window_s is True"),
        (api_health, {"window_s": "${window}"}, "placeholder"),
        (api_is_saturated, {"timeout_s": float("inf")}, "timeout_s"),
        (wait_until_recovered, {"good_in_a_row": 0}, "good_in_a_row"),
        (wait_until_recovered, {"good_in_a_row": 2.5}, "good_in_a_row is 2.5; .* use a whole number from 1 to 20"),
    ],
)
def test_wrong_arguments_are_refused(probe: Callable[..., Any], arguments: dict[str, Any], says: str) -> None:
    """A wrong argument is the one thing a probe raises for."""
    with pytest.raises(ActivityFailed, match=says):
        probe(**arguments)
