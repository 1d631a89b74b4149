"""A ramp with real processes on loopback, against servers that bear five virtual nodes and no more."""

import asyncio
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.apiserver.actions import ramp_until_saturated, stop_ramp
from chaoslib_cp.apiserver.overload.session import LoadFiles
from chaoslib_cp.apiserver.probes import ramp_progress
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.servers import ServerWatch
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.observe.timeline import read_timeline
from chaoslib_cp.results.deliveries import judge_deliveries
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.recording import record
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.metrics_page import page_text
from tests.scaffold.waiting import until

PODS = "/api/v1/pods"
PROFILE = {
    "schema": 1,
    "name": "pod-lists",
    "requests": [{"path": PODS, "query": {"resourceVersion": "0"}, "period_s": 0.1}],
}
BEARS = 5
RUNGS: dict[str, Any] = {
    "first_nodes": 2,
    "step_nodes": 3,
    "max_nodes": 20,
    "dwell_s": 0.7,
    "hold_s": 0.5,
    "stop_at_restart": False,
    "impersonate": "serviceaccount",
}


@pytest.fixture
def configuration(kube: KubeObjects, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A run with a folder and a timeline; whatever it left running is ended."""
    run_dir = tmp_path / "runs" / "ramp"
    run_dir.mkdir(parents=True)
    (run_dir / "timeline.jsonl").touch()
    told = kube.configuration(chaoslib_cp_run_dir=str(run_dir))
    yield told
    stop_ramp(configuration=told)


def bears_five(kube: KubeObjects) -> None:
    """Serve five virtual nodes well, and refuse all others."""

    def script(request: Request) -> Answer:
        number = int(request.headers["impersonate-user"].rpartition("-")[2])
        return Answer() if number <= BEARS else Answer(429)

    kube.server.on("GET", PODS, script)


def over(started: dict[str, Any]) -> dict[str, Any]:
    """What it told when it had ended by itself."""
    files = LoadFiles(Path(started["details"]["result"]), Path("/dev/null"))
    return until(files.over, "the ramp is over")


def test_it_finds_what_the_server_bears_and_ends_by_itself(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """Nobody steers it: the process climbs, holds, takes its load away, and tells its ladder to file and timeline."""
    bears_five(kube)
    ended = over(ramp_until_saturated(PROFILE, {"refused_ratio": 0.1}, **RUNGS, configuration=configuration))
    found = ended["ramp"]
    waited = ramp_progress(timeout_s=30.0, configuration=configuration)
    assert (waited["ok"], waited["is_over"], waited["ramp"]["ladder"]) == (True, True, found["ladder"][-4:])
    assert (found["capacity_nodes"], found["hold_nodes"], found["ended_by"]) == (5, 5, "held to its end")
    assert found["crossed"]["nodes"] == 8
    assert [row["nodes"] for row in found["ladder"]][:3] == [2, 5, 8]
    assert (ended["reason"], ended["nodes"]) == ("at its own end", 8)
    told = stop_ramp(configuration=configuration)["details"]["loads"]["api_ramp-1"]["ramp"]
    assert told == {**found, "rows_left_off": 0}
    assert open_logs() == []
    recording = record(read_timeline(Path(configuration["chaoslib_cp_run_dir"]) / "timeline.jsonl"))
    assert [one.details["rung"] for one in recording.named("ramp_rung")] == found["ladder"]
    assert recording.named("ramp_over")[-1].details["ramp"]["capacity_nodes"] == 5


def test_what_was_found_so_far_is_told_when_it_is_stopped(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """It ends at once, and the fault that the run judges is the virtual nodes that there were."""
    started = ramp_until_saturated(PROFILE, **{**RUNGS, "dwell_s": 30.0}, configuration=configuration)
    until(lambda: len(kube.server.requests) > 20, "the load has begun")
    now = ramp_progress(configuration=configuration)
    assert (now["ok"], now["is_over"], now["ramp"]) == (False, False, {"ladder": []})
    ended = stop_ramp(configuration=configuration)
    assert (started["kind"], ended["faults"]) == ("api_ramp", ["api_ramp-1"])
    found = ended["details"]["loads"]["api_ramp-1"]["ramp"]
    assert (found["capacity_nodes"], found["ended_by"]) == (None, "ended from outside, or at its own deadline")
    lines = read_timeline(Path(configuration["chaoslib_cp_run_dir"]) / "timeline.jsonl")
    made = {"kind": "event", "at_s": lines[0]["at_s"] - 1, "event": "fault_injected", "name": "x", "result": started}
    recording = record([made, *lines])
    [delivered] = judge_deliveries(recording, find_faults(recording))
    assert (delivered.wanted, delivered.done, delivered.shortfall) == (2, 2, "")


def test_metrics_that_nobody_may_read_are_refused_before_anything_is_sent(
    kube: KubeObjects, configuration: dict[str, Any]
) -> None:
    """The refusal says what needs them and what to do; nothing is on record."""
    kube.server.on("GET", "/metrics", Answer(403))
    words = (
        "/metrics cannot be read .*observer: .*403.*load's identity.*403.*needed for server_cpu_cores and the guard "
        "rail stop_at_restart; nothing was sent; apply `chaos cp manifests` anew"
    )
    with pytest.raises(ActivityFailed, match=f"TargetRefused: {words}"):
        ramp_until_saturated(PROFILE, {"server_cpu_cores": 0.4}, dwell_s=5.0, configuration=configuration)
    assert not [one for one in kube.server.requests if (one.method, one.path) == ("GET", PODS)]
    assert open_logs() == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no signal": ({"until": {}}, "until is {}.*name a signal with its line"),
    "an unknown signal": ({"until": {"p99": 1.0}}, "'p99', which is no signal.*use client_p99_s, "),
    "a line of words": ({"until": {"client_p99_s": "1s"}}, "until.client_p99_s is '1s'"),
    "a line of nothing": ({"until": {"refused_ratio": 0}}, "until.refused_ratio is 0"),
    "a share above one": ({"until": {"refused_ratio": 1.5}}, "at most 1"),
    "more at first than at most": ({"first_nodes": 30}, "first_nodes is 30"),
    "no steps": ({"step_nodes": 0}, "step_nodes is 0"),
    "NaN": ({"dwell_s": float("nan")}, "dwell_s is nan"),
    "too long": ({"dwell_s": 300.0}, "this ramp may take 4[0-9]+ s.*at most 3600 s"),
    "pages too often": ({"stop_at_restart": True}, "pages of /metrics are read at most every 5 s"),
    "too few requests": ({"first_nodes": 1, "dwell_s": 0.5, "profile": {**PROFILE, "requests": [
        {"path": PODS, "period_s": 10.0}]}}, "ask for 0.1 requests in 0.5 s, too few to judge"),
    "a hold of nothing": ({"hold_factor": 0.0}, "hold_factor is 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_one_line_and_nothing_is_asked(kube: KubeObjects, case: str) -> None:
    """Before any cluster is opened."""
    arguments, words = REFUSED[case]
    with pytest.raises(ActivityFailed, match=words) as refused:
        ramp_until_saturated(**{"profile": PROFILE, **RUNGS, **arguments}, configuration=kube.configuration())
    assert len(str(refused.value).splitlines()) == 1
    assert kube.server.requests == []


def watch(kube: KubeObjects, **until_: float) -> ServerWatch:
    """A reader of the fake servers: metrics as the observer, Leases as the administrator."""
    ways = {who: {who: describe(kube.settings(), who)} for who in ("observer", "admin")}
    servers = ways["observer"]["observer"].addresses
    return ServerWatch(
        Ladder(until=until_, stop_at_restart=False), ways["observer"], ways["admin"], servers, SteadyTime(SystemClock())
    )


def test_two_pages_of_metrics_tell_cores_growth_and_restarts(kube: KubeObjects) -> None:
    """A page that does not come is trouble, and the next one is compared with the last that came."""
    began_s = SystemClock().epoch_s() - 100
    pages = [page_text(cpu_s, mib, at_s, woken=(9_000 + 10 * cpu_s, 10 * cpu_s)) for cpu_s, mib, at_s in (
        (100.0, 400.0, began_s), (160.0, 500.0, began_s), (1.0, 100.0, began_s + 99),
    )]  # fmt: skip
    answers = [Answer(body=page.encode()) for page in pages]
    kube.server.on("GET", "/metrics", answers[0], Answer(503), answers[1], answers[2])

    async def play() -> None:
        reader = watch(kube, server_cpu_cores=1.0)
        await reader.prepare()
        failed, busy, restarted = await reader.read(), await reader.read(), await reader.read()
        assert (failed.cpu_cores, "503" in failed.trouble) == (None, True)
        assert busy.cpu_cores is not None
        assert busy.cpu_cores > 10
        assert busy.rss_mib_per_s == pytest.approx(busy.cpu_cores * 100 / 60)
        assert (busy.trouble, busy.saturated, busy.restarts) == ("", "cpu", 0)
        assert restarted.restarts == 1

    asyncio.run(play())


def leases(**ages_s: float) -> Answer:
    """A list of Leases with these ages."""
    now_s = SystemClock().epoch_s()
    items = [
        {
            "metadata": {"name": name},
            "spec": {"renewTime": datetime.datetime.fromtimestamp(now_s - age_s, datetime.UTC).isoformat()},
        }
        for name, age_s in ages_s.items()
    ]
    return json_answer({"items": items})


def test_the_oldest_lease_of_those_that_were_fresh_is_the_age(kube: KubeObjects) -> None:
    """One of a node that was dead before says nothing of the load."""
    path = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
    kube.server.on("GET", path.format("kube-node-lease"), leases(a=3, dead=9000), leases(a=44, dead=9060))
    kube.server.on("GET", path.format("kube-system"), leases(scheduler=1), leases(scheduler=12))

    async def play() -> None:
        reader = watch(kube, lease_age_s=40.0)
        await reader.prepare()
        assert (await reader.read()).lease_age_s == pytest.approx(44, abs=5)

    asyncio.run(play())
    kube.server.on("GET", path.format("kube-node-lease"), leases(dead=9000))
    kube.server.on("GET", path.format("kube-system"), json_answer(json.loads("{}")))
    with pytest.raises(TargetRefused, match="no Lease in kube-node-lease or kube-system is younger than 40 s"):
        asyncio.run(watch(kube, lease_age_s=40.0).prepare())
