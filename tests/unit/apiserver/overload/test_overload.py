"""An overload with real processes on loopback: it plays, tells its account, and ends, whoever is gone by then."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.apiserver.actions import start_api_overload, stop_api_overload
from chaoslib_cp.apiserver.overload.session import LoadFiles
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.fault import Delivers, Ended, Injected, read
from chaoslib_cp.observe.timeline import read_timeline
from chaoslib_cp.results.delivery import delivered
from chaoslib_cp.results.recording import record
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import HANG, Answer, Request
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.old_loads import told_long_ago
from tests.scaffold.profiles import OVERLOAD, WRITES
from tests.scaffold.waiting import until

PODS = "/api/v1/pods"
RUNNER = (
    "import json, sys, time; from chaoslib_cp.apiserver.actions import start_api_overload\n"
    "profile, configuration = map(json.loads, sys.argv[1:])\n"
    "start_api_overload(profile, nodes=20, duration_s=60.0, configuration=configuration)\n"
    "print('begun', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def configuration(kube: KubeObjects, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A run with a folder and a timeline; whatever it left running is ended."""
    run_dir = tmp_path / "runs" / "overload"
    run_dir.mkdir(parents=True)
    (run_dir / "timeline.jsonl").touch()
    kube.objects["/version"] = {"gitVersion": "v1.36.4", "metadata": {}}
    told = kube.configuration(chaoslib_cp_run_dir=str(run_dir))
    yield told
    kube.heal()
    stop_api_overload(configuration=told)


def asked(kube: KubeObjects) -> list[Request]:
    """Requests of the load so far."""
    return [one for one in kube.server.requests if one.method == "GET" and one.path == PODS]


def pid_of(configuration: dict[str, Any]) -> int:
    """Process of the load, as the undo log has it."""
    log = undo_log_of_run(read_settings(configuration), ManualClock())
    assert log is not None
    return int(log.items()[-1].entry.facts["pid"])


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_plays_the_profile_for_each_virtual_node_and_tells_its_account(
    kube: KubeObjects, configuration: dict[str, Any]
) -> None:
    """Each stands for a ServiceAccount of its own; what was offered, sent and answered is in result and timeline."""
    old = told_long_ago()
    result = start_api_overload(
        OVERLOAD, nodes=20, duration_s=60.0, impersonate="serviceaccount", namespace="kube-system",
        configuration=configuration)  # fmt: skip
    assert not old.exists()
    injected = read(result)
    assert isinstance(injected, Injected)
    assert injected.delivers == Delivers("virtual nodes", wanted=20, vantage="agent_load", is_let_in=True)
    # some of the last may not be answered any more when it is stopped
    until(lambda: len(asked(kube)) >= 60, "each virtual node has asked three times")
    ended = stop_api_overload(configuration=configuration)
    told = ended["details"]["loads"]["api_overload-1"]
    by_node = {one.headers["impersonate-user"] for one in asked(kube)}
    assert len(by_node) == 20
    assert all(user.startswith("system:serviceaccount:kube-system:chaoslib-cp-") for user in by_node)
    assert {one.peer_name for one in asked(kube)} == {"user-agent"}
    assert told["tries"] == told["due"] == sum(told["outcomes"].values()) >= 60
    assert told["outcomes"]["ok"] >= 40
    assert told["latency"]["p50_s"] <= told["latency"]["p99_s"]
    assert told["client_cpu_s"] > 0
    assert len(json.dumps(ended)) < 4096
    recording = record(read_timeline(Path(configuration["chaoslib_cp_run_dir"]) / "timeline.jsonl"))
    delivery = delivered(recording.samples, "api_overload-1", 20, 0.0, 4e9)
    assert delivery.shortfall(0.95) == ""
    assert (delivery.began, delivery.due, delivery.held_back) == (20, told["due"], 0)
    assert recording.named("load_cpu")[-1].details["client_cpu_s"] == pytest.approx(told["client_cpu_s"], abs=0.1)
    assert kube.writes() == [], "it makes nothing in the cluster"


def written(kube: KubeObjects) -> dict[str, list[dict[str, Any]]]:
    """What there is in the namespace of loads, by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, one in list(kube.objects.items()):
        if "/namespaces/chaoslib-cp-load/" in path:
            found.setdefault(one["kind"], []).append(one)
    return found


def test_what_it_writes_is_its_own_and_is_gone_when_it_is_stopped(
    kube: KubeObjects, configuration: dict[str, Any]
) -> None:
    """Events, one Lease and one ConfigMap for each virtual node, on record before the first of them."""
    start_api_overload(WRITES, nodes=3, duration_s=60.0, configuration=configuration)
    until(lambda: len(written(kube).get("Event", [])) >= 6, "Events have been written")
    found = written(kube)
    assert (len(found["Lease"]), len(found["ConfigMap"])) == (3, 3)
    marks = {(one["metadata"]["labels"]["chaoslib-cp/run"], one["metadata"]["labels"]["chaoslib-cp/fault"])
             for kind in found.values() for one in kind}  # fmt: skip
    assert marks == {("overload", "api_overload-1")}
    ended = stop_api_overload(configuration=configuration)
    assert written(kube) == {}
    assert ended["details"]["outcomes"]["what api_overload-1 wrote in chaoslib-cp-load"].startswith("deleted")
    assert ended["details"]["loads"]["api_overload-1"]["outcomes"]["ok"] >= 12
    outside = [one.path for one in kube.writes() if "/namespaces/chaoslib-cp-load/" not in one.path]
    assert outside == []


def test_recover_deletes_what_a_load_wrote_whose_runner_was_killed(
    kube: KubeObjects, configuration: dict[str, Any]
) -> None:
    """Its entry was on disk before the first Event was; while the API hangs it is said what is left."""
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, json.dumps(WRITES), json.dumps(configuration)], stdout=subprocess.PIPE
    )
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"begun\n"
    runner.stdout.close()
    until(lambda: written(kube), "something has been written")
    runner.kill()
    runner.wait()
    kube.fail_next("DELETE", "/api/v1/namespaces/chaoslib-cp-load", Answer(503), times=1000)
    report = recover(timeout_s=0)
    [words] = [item["outcome"] for item in report["logs"][0]["items"] if not item["closed"]]
    assert "wrote in chaoslib-cp-load was not deleted; Events expire by themselves within an hour" in words
    kube.heal()
    assert recover(timeout_s=10)["healed"]
    assert (written(kube), open_logs()) == ({}, [])


def test_stopping_needs_no_api(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """A server that hangs is what it is for: it ends at once all the same, and a second time there is nothing."""
    start_api_overload(OVERLOAD, nodes=20, duration_s=60.0, configuration=configuration)
    pid = pid_of(configuration)
    until(lambda: asked(kube), "the load has begun")
    for method in ("GET", "POST", "HEAD"):
        kube.fail_next(method, "/", HANG, times=10_000)
    began_s = time.monotonic()
    ended = read(stop_api_overload(configuration=configuration))
    assert time.monotonic() - began_s < 5
    assert isinstance(ended, Ended)
    assert ended.faults == ("api_overload-1",)
    assert not is_alive(pid)
    assert stop_api_overload(configuration=configuration)["faults"] == []


def test_it_ends_at_its_own_deadline(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """Nobody has to stop it, and the end is the one that was told; what it asks for may be as old as its begin."""
    old = {"resourceVersion": "{resource_version}", "resourceVersionMatch": "Exact"}
    profile = {**OVERLOAD, "requests": [{**OVERLOAD["requests"][0], "query": old}]}
    result = start_api_overload(profile, nodes=20, duration_s=1.5, configuration=configuration)
    files = LoadFiles(Path(result["details"]["result"]), Path("/dev/null"))
    over = until(files.over, "the load is over")
    assert over["reason"] == "at its own end"
    assert over["elapsed_s"] == pytest.approx(1.5, abs=1)
    assert time.clock_gettime(time.CLOCK_REALTIME) >= result["deadline_epoch_s"]
    sent = len([one for one in asked(kube) if one.query == {**old, "resourceVersion": "7"}])
    assert stop_api_overload(configuration=configuration)["details"]["loads"]["api_overload-1"]["tries"] == sent


def test_it_ends_when_its_runner_is_killed(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """SIGKILL of the runner leaves no load behind, and `recover` nothing on record."""
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, json.dumps(OVERLOAD), json.dumps(configuration)],
        stdout=subprocess.PIPE,
    )
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"begun\n"
    runner.stdout.close()
    pid = pid_of(configuration)
    until(lambda: asked(kube), "the load has begun")
    runner.kill()
    runner.wait()
    until(lambda: not is_alive(pid), "the load has ended", within_s=10)
    assert len(open_logs()) == 1
    assert recover(timeout_s=5)["healed"]
    assert open_logs() == []


def test_recover_ends_a_load_that_is_left(kube: KubeObjects, configuration: dict[str, Any]) -> None:
    """Whatever kept it alive: its entry names the process, and no API is needed."""
    start_api_overload(OVERLOAD, nodes=2, duration_s=60.0, configuration=configuration)
    pid = pid_of(configuration)
    kube.fail_next("GET", "/", HANG, times=10_000)
    assert recover(timeout_s=5)["healed"]
    assert not is_alive(pid)


def test_too_few_open_files_are_said_before_anything_is_sent(kube: KubeObjects, tmp_path: Path) -> None:
    """Half a load, with the rest of the connections failing here, would measure this machine."""
    plan = {
        "kubeconfig": str(kube.kubeconfig),
        "context": "agent",
        "addresses": [f"127.0.0.1:{kube.server.port}"],
        "profile": {**OVERLOAD, "max_in_flight_per_agent": 4},
        "nodes": 100,
        "impersonate": "",
        "namespace": "default",
        "result": str(tmp_path / "result.jsonl"),
    }
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
    limited += "from chaoslib_cp.apiserver.overload.__main__ import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", limited], input=json.dumps(plan) + "\n", capture_output=True, text=True, check=False
    )
    told = json.loads(ended.stdout)
    assert (told["ready"], told["error"], ended.returncode) == (False, "ProfileInvalid", 1)
    assert "need 464 open files, and this machine allows 256; nothing was sent" in told["message"]
    assert kube.server.requests == []


def test_a_process_that_nobody_tells_to_begin_sends_nothing(kube: KubeObjects, tmp_path: Path) -> None:
    """Killed between its start and its entry in the undo log, the runner leaves nothing."""
    plan: dict[str, Any] = {
        "kubeconfig": str(kube.kubeconfig),
        "context": "agent",
        "addresses": [f"127.0.0.1:{kube.server.port}"],
    }
    plan |= {"profile": OVERLOAD, "nodes": 3, "impersonate": "", "namespace": "", "result": str(tmp_path / "r.jsonl")}
    ended = subprocess.run(
        [sys.executable, "-m", "chaoslib_cp.apiserver.overload"],
        input=json.dumps(plan) + "\n", capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert (json.loads(ended.stdout), ended.returncode) == ({"ready": True}, 0)
    assert kube.server.requests == []
