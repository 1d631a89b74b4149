"""The runner is killed while the API servers are stopped: the load ends by its own deadline all the same.

Against a stub, with more kills: tests/proof/test_runner_killed.py.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed, brought_up
from tests.testbed.test_incident import EXPERIMENT, agents_deadline, children_of, farm, variables

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

KILLS = part.amount("testbed, runner killed: kills")
# Short: kube-controller-manager gives up its lease after 10 s without an API, and its restarts are backed off.
STORM_S = 12.0
GRACE_S = 1.0
SPEC = "api_server_cpu_cores: 0.4\nfake_nodes: 20\npods_per_fake_node: 1\nkubelet_nodes: 2\n"
GENTLE = {"agent_duration_s": STORM_S, "agent_ramp_s": 1.0, "metrics_period_s": 10.0, "list_period_s": 60.0}


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """A testbed without a past: controllers that crashed in somebody's storm would start nothing for minutes."""
    spec = tmp_path_factory.mktemp("killed") / "killed.yaml"
    spec.write_text(SPEC)
    with brought_up(str(spec), f"killed-{os.getpid()}") as fresh:
        yield fresh


@contextmanager
def stopped_api_servers(testbed: Testbed) -> Iterator[None]:
    """Stop the API servers as a machine does that hangs: connections stay, nobody answers."""
    servers = [os.pidfd_open(pid) for pid in testbed.api_server_pids()]
    assert servers
    try:
        for server in servers:
            signal.pidfd_send_signal(server, signal.SIGSTOP)
        yield
    finally:
        for server in servers:
            signal.pidfd_send_signal(server, signal.SIGCONT)
            os.close(server)


def agents_at_work(testbed: Testbed, run: str) -> list[str]:
    """A run's agents that work on nodes with a kubelet, once there are agents at work on fake nodes as well."""
    selector = f"chaoslib-cp/role=telemetry-agent,chaoslib-cp/run={run}"  # those of the run before may still be ending
    pods = testbed.get("pods", "-n", "kube-system", "-l", selector)["items"]
    ready = [
        pod["metadata"]["name"]
        for pod in pods
        for one in pod["status"].get("conditions", [])
        if pod["spec"].get("nodeName", "").startswith("worker-") and (one["type"], one["status"]) == ("Ready", "True")
    ]
    return ready if farm(testbed)["agents"]["running"] else []


def end_of(testbed: Testbed, agent: str) -> float | None:
    """When an agent on a real node ended its load, once its log says so."""
    log = testbed.kubectl("logs", "-n", "kube-system", agent, "--timestamps")
    said = [line.partition(" ")[0] for line in log.splitlines() if '"the load is over"' in line]
    return datetime.fromisoformat(said[0]).timestamp() if said else None


def controllers_lead(testbed: Testbed, since_s: float) -> bool:
    """Whether those that make and place pods have renewed their leases since then; without one they do nothing."""
    leases = testbed.get("leases", "-n", "kube-system", "kube-controller-manager", "kube-scheduler")["items"]
    return all(datetime.fromisoformat(one["spec"]["renewTime"]).timestamp() > since_s for one in leases)


def kill_a_runner(testbed: Testbed, folder: Path, after_s: float) -> tuple[float, list[float]]:
    """Play the experiment, stop the API servers, kill the runner; return the deadline and when agents ended."""
    folder.mkdir()
    command = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", *CHAOS, "--no-version-check", "run"]
    command += variables(dns_restart="none", **GENTLE)
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen([*command, str(EXPERIMENT)], cwd=folder, stdout=log, stderr=log)
    try:
        deadline_s = until(lambda: agents_deadline(folder), "the rollout")
        [run] = [path.name for path in folder.glob("runs/*")]
        real = until(lambda: agents_at_work(testbed, run), "agents on real and on fake nodes")
        with stopped_api_servers(testbed):
            time.sleep(after_s)  # the moment of the kill is what is drawn, not a condition
            os.kill(until(lambda: children_of(process.pid), "chaos run")[0], signal.SIGKILL)
            process.wait(30)
            calm = until(lambda: None if (status := farm(testbed))["agents"]["running"] else status, "calm")
        resumed_s = SystemClock().epoch_s()
    finally:
        process.kill()
        process.wait(30)
    ends_s = [until(partial(end_of, testbed, agent), f"the end of {agent}") for agent in real]
    until(partial(controllers_lead, testbed, resumed_s), "controllers at work again, for the next rollout")
    return deadline_s, [calm["agents"]["last_ended_at_s"], *ends_s]


def test_the_load_ends_without_runner_and_api_servers(testbed: Testbed, tmp_path: Path) -> None:
    """By its deadline and a second at the latest, on real and on fake nodes; then `recover` leaves nothing."""
    draws = part.draws("testbed, runner killed")
    overruns_s = []
    for number in range(KILLS):
        deadline_s, ends_s = kill_a_runner(testbed, tmp_path / str(number), draws.uniform(0, STORM_S / 4))
        overruns_s.append(max(ends_s) - deadline_s)
        recovered = testbed.run(*CHAOS, "cp", "recover", timeout_s=180)
        assert recovered.returncode == 0, recovered.stdout + recovered.stderr
        left: list[Any] = testbed.get("daemonsets,configmaps", "-A", "-l", "chaoslib-cp/run")["items"]
        assert left == []
    assert max(overruns_s) <= GRACE_S
    note("self-heal-testbed", kills=len(overruns_s), worst_overrun_s=max(overruns_s))


START = """
import json, sys, time
from chaoslib_cp.apiserver.actions import start_api_overload_in_cluster
profile = {"schema": 1, "requests": [{"path": "/version", "period_s": 1.0}]}
print(json.dumps(start_api_overload_in_cluster(profile, 2, 5, duration_s=float(sys.argv[1]), begin_in_s=10.0)))
sys.stdout.flush()
time.sleep(600)
"""
READ = """
import json, sys
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.observe.load_results import read_results
found = read_results(json.loads(sys.argv[1]), sys.argv[2], ["pod-0", "pod-1"], 5.0, SystemClock())
print(json.dumps({name: [one.reason, one.total.due, one.began_s + one.elapsed_s] for name, one in found.items()}))
"""


def load_from_pods_ends_without_runner_and_api_servers(testbed: Testbed, tmp_path: Path) -> None:
    """Killed as soon as its pods begin: they end by their deadline, and tell their results past the dead API."""
    command = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", "python", "-c", START, str(STORM_S)]
    with (tmp_path / "started.json").open("wb") as started:
        runner = subprocess.Popen(command, stdout=started)
    try:
        until(lambda: (tmp_path / "started.json").read_text().endswith("\n"), "the begin of the load")
        made = json.loads((tmp_path / "started.json").read_text())
        told = testbed.get("configmap", "-n", "chaoslib-cp", made["details"]["objects"][3].rpartition("/")[2])
        pages = json.dumps(json.loads(told["data"]["profile.json"])["report_to"])
        with stopped_api_servers(testbed):
            os.kill(until(lambda: children_of(runner.pid), "the runner")[0], signal.SIGKILL)
            runner.wait(30)
            until(lambda: SystemClock().epoch_s() > made["deadline_epoch_s"] + 1, "the deadline")
            read = testbed.run("python", "-c", READ, pages, made["fault"])
        resumed_s = SystemClock().epoch_s()
    finally:
        runner.kill()
        runner.wait(30)
    results = json.loads(read.stdout)
    assert sorted(results) == ["pod-0", "pod-1"]
    assert {reason for reason, _, _ in results.values()} == {"at its own end"}
    assert sum(due for _, due, _ in results.values()) >= 0.9 * 10 * STORM_S
    worst_s = max(ended_s for _, _, ended_s in results.values()) - made["deadline_epoch_s"]
    assert worst_s <= GRACE_S
    until(partial(controllers_lead, testbed, resumed_s), "controllers at work again")
    recovered = testbed.run(*CHAOS, "cp", "recover", timeout_s=180)
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert testbed.get("jobs,configmaps,serviceaccounts", "-A", "-l", "chaoslib-cp/run")["items"] == []
    note("self-heal-testbed", kills=1, worst_overrun_s=worst_s)


if part.is_whole():  # a minute more
    test_a_load_from_pods_ends_without_runner_and_api_servers = load_from_pods_ends_without_runner_and_api_servers
