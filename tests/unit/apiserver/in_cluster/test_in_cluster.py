"""An overload from pods: what is made, what is refused, what its pods told together, and that it goes away again."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.agent.prober_page import Page, serve
from chaoslib_cp.agent.told_results import ToldResult
from chaoslib_cp.apiserver.actions import start_api_overload_in_cluster, stop_api_overload_in_cluster
from chaoslib_cp.apiserver.in_cluster import start, stop
from chaoslib_cp.apiserver.in_cluster.start import InClusterAsk
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.engine.load.result import LoadResult
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.fault import Delivers, Ended, Injected, Standing, read
from chaoslib_cp.rollout.actions import remove_agent
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.memory_peer import MemoryPeer
from tests.scaffold.clocks import ManualClock
from tests.scaffold.old_loads import told_long_ago
from tests.scaffold.profiles import OVERLOAD
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop

[POD_LISTS] = OVERLOAD["requests"]
FAULT = "api_overload_in_cluster-1"
NAME = "chaoslib-cp-api-overload-in-cluster-1"
CONFIG_MAP = f"/api/v1/namespaces/chaoslib-cp/configmaps/{NAME}"
JOB = f"/apis/batch/v1/namespaces/chaoslib-cp/jobs/{NAME}"


def settings(kube: KubeObjects, **more: Any) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/pods-1", **more)


def begun(kube: KubeObjects, **arguments: Any) -> dict[str, Any]:
    """A load of three pods with two virtual nodes each."""
    given = {"pods": 3, "nodes_per_pod": 2, "begin_in_s": 0.0, "configuration": settings(kube), **arguments}
    return dict(start_api_overload_in_cluster(OVERLOAD, **given))


def test_a_load_is_five_objects_and_goes_away_again(kube: KubeObjects) -> None:
    """What it delivers, when it ends, what its pods may read; stop may be played again."""
    old = told_long_ago()
    result = begun(kube, duration_s=60.0)
    assert not old.exists()
    injected = read(result)
    assert isinstance(injected, Injected)
    assert (injected.fault, injected.label, injected.lasts) == (FAULT, "API overload from pods", True)
    assert injected.delivers == Delivers("virtual nodes", wanted=6, vantage="agent_load")
    assert [one.partition(" ")[0] for one in injected.details["objects"]] == [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Job",
    ]
    profile = parse_profile(json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"]))
    assert injected.deadline_epoch_s == profile.deadline_epoch_s == injected.details["begins_epoch_s"] + 60
    assert (profile.fault, profile.seed) == (FAULT, 1)
    role = kube.objects[f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{NAME}"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    assert len(json.dumps(result)) < 4096
    assert {request.peer_name for request in kube.writes()} == {"user-runner"}
    ended = read(stop_api_overload_in_cluster(configuration=settings(kube)))
    assert isinstance(ended, Ended)
    assert (ended.faults, ended.details["undone"]) == ((FAULT,), 5)
    assert "no prober" in ended.details["loads"][FAULT]
    assert not {CONFIG_MAP, JOB} & kube.objects.keys()
    assert stop_api_overload_in_cluster(configuration=settings(kube))["faults"] == []
    assert open_logs() == []


def test_its_job_ends_by_itself_and_makes_no_pod_anew(kube: KubeObjects) -> None:
    """Two fuses beside the agents' own deadline; numbered pods, spread over nodes that take anybody's, limited."""
    begun(kube, duration_s=30.0)
    job = kube.objects[JOB]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"], job["backoffLimit"]) == ("Indexed", 3, 3, 0)
    assert job["activeDeadlineSeconds"] == 90
    assert job["ttlSecondsAfterFinished"] > 0
    pod = job["template"]["spec"]
    assert (pod["activeDeadlineSeconds"], pod["restartPolicy"]) == (90, "Never")
    assert "tolerations" not in pod
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    [container] = pod["containers"]
    assert container["args"][0] == "load"
    assert container["args"][-4:-1] == ["--virtual-nodes", "2", "--begins-epoch-s"]
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_it_returns_when_its_pods_begin(kube: KubeObjects) -> None:
    """What comes after it in an experiment comes after that; the wait is in its deadline."""
    clock = ManualClock(SystemClock().epoch_s())
    kube.mark()
    made = start.start(InClusterAsk(OVERLOAD, 2, 2, 30.0, 20.0), read_settings(settings(kube)), clock)
    assert sum(clock.slept_s) == pytest.approx(20)
    assert clock.epoch_s() == pytest.approx(made.details["begins_epoch_s"])
    assert kube.objects[JOB]["spec"]["activeDeadlineSeconds"] == 110


def test_totals_are_shared_out_among_the_pods(kube: KubeObjects) -> None:
    """Processes of their own cannot exceed them together."""
    start_api_overload_in_cluster(
        {**OVERLOAD, "max_total_requests": 300, "max_total_connections": 9}, pods=3, nodes_per_pod=2, begin_in_s=0.0,
        configuration=settings(kube))  # fmt: skip
    profile = parse_profile(json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"]))
    assert (profile.max_total_requests, profile.max_total_connections, profile.max_total_bytes) == (100, 3, 0)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"pods": 0}, "pods is 0; nothing was changed; use a whole number from 1 to 200"),
        ({"pods": 201}, "pods is 201; nothing was changed"),
        ({"nodes_per_pod": 1001}, "nodes_per_pod is 1001; nothing was changed"),
        ({"pods": 100, "nodes_per_pod": 51}, "pods times nodes_per_pod is 5100; nothing was changed"),
        ({"duration_s": 3601}, "duration_s is 3601; nothing was changed"),
        ({"duration_s": float("nan")}, "duration_s is nan; nothing was changed"),
        ({"begin_in_s": -1}, "begin_in_s is -1; nothing was changed"),
        ({"image": "no image!"}, "image is 'no image!', not an image name; nothing was changed"),
        ({"profile": {**OVERLOAD, "report_to": ["192.0.2.1:1"]}}, "report_to is no key of a file; nothing was changed"),
        ({"profile": {**OVERLOAD, "max_total_requests": 2}}, "max_total_requests is 2 for 3 processes"),
        ({"profile": {**OVERLOAD, "requests": [{"path": "/api/v1/secrets"}]}}, "agents are never given"),
        (
            {"pods": 5, "nodes_per_pod": 1000, "profile": {**OVERLOAD, "requests": [{**POD_LISTS, "period_s": 0.1}]}},
            "ask for 50000 requests a second, each pod for 10000",
        ),
        ({"expects": {"share": 2}}, "expects.share is 2"),
    ],
)
def test_what_a_load_refuses_it_does_not_begin(kube: KubeObjects, arguments: dict[str, Any], problem: str) -> None:
    """One line, and nothing was changed."""
    given = {"profile": OVERLOAD, "pods": 3, "nodes_per_pod": 2, **arguments}
    with pytest.raises(ActivityFailed, match=problem):
        start_api_overload_in_cluster(**given, configuration=settings(kube))
    assert kube.writes() == []


@pytest.mark.parametrize(
    ("verb", "resource"),
    [(verb, resource) for verb in ("create", "delete") for resource in ("jobs", "serviceaccounts", "clusterroles")]
    + [("list", "events")],
)
def test_what_could_not_be_made_or_taken_back_is_not_begun(kube: KubeObjects, verb: str, resource: str) -> None:
    """All rights are asked for before the first object is made."""
    kube.denied.add(("runner", verb, resource))
    with pytest.raises(ActivityFailed, match=rf"may not {verb} .*; nothing was changed"):
        begun(kube)
    assert kube.writes() == []


def test_a_load_that_fails_half_way_is_taken_back(kube: KubeObjects) -> None:
    """The Job is refused: nothing of what was made before it stays."""
    before = set(kube.objects)
    kube.fail_next("POST", "/apis/batch/v1/namespaces/chaoslib-cp/jobs", Answer(422))
    with pytest.raises(ActivityFailed):
        begun(kube)
    assert set(kube.objects) == before
    assert open_logs() == []


def test_recover_takes_a_load_back_and_the_administrator_no_rollout(kube: KubeObjects) -> None:
    """It is another fault, whatever it is made of."""
    begun(kube)
    with pytest.raises(ActivityFailed, match="start_agent_rollout comes first"):
        remove_agent(timeout_s=1.0, configuration=settings(kube))
    assert JOB in kube.objects
    assert recover(timeout_s=5)["healed"]
    assert JOB not in kube.objects


def test_whether_its_pods_run_is_told(kube: KubeObjects) -> None:
    """As of a rollout: in the words of whoever refuses them, until one runs or has."""
    begun(kube)
    labels = kube.objects[JOB]["spec"]["template"]["metadata"]["labels"]
    status = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}
    metadata = {"name": "x", "namespace": "chaoslib-cp", "labels": labels}
    kube.objects["/api/v1/namespaces/chaoslib-cp/pods/x"] = {"metadata": metadata, "status": status}
    assert agents_standing(read_settings(settings(kube)), FAULT).trouble == "ErrImagePull"
    for begun_status in ({"ready": 1}, {"succeeded": 3}):
        kube.objects[JOB]["status"] = begun_status
        assert agents_standing(read_settings(settings(kube)), FAULT) == Standing(has_begun=True)


@pytest.fixture
def page() -> Iterator[tuple[Page, str]]:
    """A prober's page on loopback, and its address."""
    made, loop, ready = Page("p", SteadyTime(SystemClock())), asyncio.new_event_loop(), threading.Event()
    server: list[asyncio.Server] = []

    async def begin() -> None:
        server.append(await serve(made, "127.0.0.1", 0))
        ready.set()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    yield made, f"127.0.0.1:{server[0].sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(server[0].close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def result_of(profile: LoadProfile, nodes: int) -> LoadResult:
    """What a pod tells that offered nothing."""
    loop = VirtualLoop()
    runner = LoadRunner(profile, "10.96.0.1", MemoryPeer(loop).connect, VirtualClock(loop), loop)
    loop.close()
    return runner.result("at its own end", nodes)


def test_what_its_pods_told_is_added_up_and_written_to_the_runs_folder(
    kube: KubeObjects, page: tuple[Page, str], tmp_path: Path
) -> None:
    """With the API gone by then, and one pod that told nothing; what somebody else told is left out."""
    shown, address = page
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    told = kube.configuration(chaoslib_cp_run_dir=str(run_dir), prober_pages=[address])
    begun(kube, configuration=told)
    profile = parse_profile(json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"]))
    for source, packed in {
        **dict.fromkeys(("pod-0", "pod-1", "pod-9"), result_of(profile, 2).packed()),
        "pod-2": b"nonsense",
    }.items():
        shown.results.hear(ToldResult(FAULT, source, packed).as_json())
    clock = ManualClock(SystemClock().epoch_s())
    ended = stop.stop(read_settings(told), 5.0, None, clock).as_dict()
    assert sum(clock.slept_s) == pytest.approx(stop.RESULTS_WITHIN_S, abs=0.5), "the third pod may still tell its own"
    load = ended["details"]["loads"][FAULT]
    assert (load["nodes"], load["pods_told"], load["pods_wanted"], load["due"]) == (4, 2, 3, 0)
    assert len(json.dumps(ended)) < 4096
    written = json.loads((run_dir / f"{FAULT}.jsonl").read_text())
    assert (written["phase"], written["nodes"], [one["pod"] for one in written["pods"]]) == (
        "over",
        4,
        ["pod-0", "pod-1"],
    )
