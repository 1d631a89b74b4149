"""Every activity on a real control plane, with the rights that are shipped and no others."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.engine.load.schedule import due_offsets
from chaoslib_cp.engine.load.virtual_nodes import node_name
from tests.places import ROOT
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed

pytestmark = pytest.mark.testbed

_PLAY = """
import json, sys
from importlib import import_module
area, name, arguments = json.loads(sys.argv[1])
print(json.dumps(getattr(import_module(f"chaoslib_cp.{area}"), name)(**arguments)))
"""
# Gentle enough that the API serves on: these tests are about the activities, not about the storm.
PROFILE = {
    "schema": 1,
    "name": "gentle",
    "requests": [
        {"path": "/version", "period_s": 30.0},
        {"path": "/api/v1/pods", "query": {"limit": "1"}, "period_s": 60.0},
    ],
}


def play(testbed: Testbed, run_dir: Path, area: str, name: str, **arguments: Any) -> dict[str, Any]:
    """Call one activity inside the testbed, as Chaos Toolkit would."""
    configuration = {"infrastructure": "testbed", "chaoslib_cp_run_dir": str(run_dir)}
    what = json.dumps([area, name, {**arguments, "configuration": configuration}])
    ended = testbed.run("python", "-c", _PLAY, what, timeout_s=120)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout) < 4096
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run of its own for each test."""
    return tmp_path / tmp_path.parent.name.replace("_", "-")


def test_every_probe_finds_a_healthy_cluster_healthy(testbed: Testbed, run_dir: Path) -> None:
    """With no observer running each of them measures for itself, once the new cluster's first questions are past."""
    assert play(testbed, run_dir, "apiserver.probes", "wait_until_recovered", timeout_s=60)["ok"] is True
    assert play(testbed, run_dir, "apiserver.probes", "api_health")["diagnosis"] == "healthy"
    for name in ("admin_write", "break_glass_write"):
        assert play(testbed, run_dir, "access.probes", name)["ok"] is True
    for path in ("cached", "uncached", "pods", "external"):
        assert play(testbed, run_dir, "dns.probes", "workload_dns", path=path, window_s=5)["ok"] is True
    assert play(testbed, run_dir, "apiserver.probes", "api_is_saturated", timeout_s=0)["ok"] is False
    assert play(testbed, run_dir, "apiserver.probes", "wait_until_recovered", timeout_s=30)["ok"] is True


@pytest.mark.parametrize("coupling", ["delete-pods", "restart-containers"])
def test_restarted_dns_servers_come_back(testbed: Testbed, run_dir: Path, coupling: str) -> None:
    """With a healthy API a restart is a matter of seconds."""
    before = {pod["metadata"]["uid"] for pod in dns_pods(testbed) if is_staying(pod)}
    result = play(testbed, run_dir, "dns.actions", "restart_dns_pods", coupling=coupling, timeout_s=60)
    if coupling == "delete-pods":
        assert result["details"]["restart"]["synced_s"] < 60
        assert not before & {pod["metadata"]["uid"] for pod in dns_pods(testbed) if is_staying(pod)}
    else:
        assert result["details"]["restart"]["killed"] >= len(before)
    assert play(testbed, run_dir, "apiserver.probes", "wait_until_recovered", timeout_s=60)["ok"] is True


def test_a_rollout_reaches_every_node_and_leaves_nothing(testbed: Testbed, run_dir: Path) -> None:
    """The agents come up on real and on fake nodes; the administrator deletes them; the rollback takes the rest."""
    started = play(testbed, run_dir, "rollout.actions", "start_agent_rollout", profile=PROFILE, duration_s=120)
    nodes = testbed.get("nodes")["items"]
    assert started["details"]["nodes"] == len(nodes)
    testbed.kubectl(
        "rollout",
        "status",
        "daemonset/chaoslib-cp-agent-rollout-1",
        "-n",
        "kube-system",
        "--timeout=90s",
        timeout_s=120,
    )
    seen = play(testbed, run_dir, "rollout.probes", "rollout_progress")
    assert (seen["ok"], seen["desired"], seen["ready_share"]) == (True, len(nodes), 1.0)
    removed = play(testbed, run_dir, "rollout.actions", "remove_agent", timeout_s=60)
    assert (removed["by"], removed["details"]["outcomes"]["ok"]) == ("delete landed", 1)
    assert play(testbed, run_dir, "rollout.actions", "stop_agent_rollout")["details"]["undone"] == 4
    kinds = "daemonsets,configmaps,serviceaccounts,clusterroles,clusterrolebindings"
    assert testbed.get(kinds, "-A", "-l", "chaoslib-cp/run")["items"] == []
    testbed.kubectl(
        "wait", "--for=delete", "pods", "-n", "kube-system", "-l", "chaoslib-cp/role=telemetry-agent", "--timeout=60s",
        timeout_s=90,
    )  # fmt: skip


def test_a_load_is_offered_as_the_page_says_and_its_cost_is_known(testbed: Testbed) -> None:
    """The command of docs/howto-load.md, as typed there: all is answered, and the servers' own CPU time is read."""
    page = (ROOT / "docs" / "howto-load.md").read_text(encoding="utf-8")
    [typed] = [line for line in page.splitlines() if line.startswith("chaos cp exec -- chaos cp load")]
    words = typed.partition(" -- chaos ")[2].split()
    ended = testbed.run(*CHAOS, *words, "--json", cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["outcomes"].keys() <= {"ok", "aborted"}
    assert told["due"] == told["tries"] >= 3
    assert told["server_cpu_s"] > 0
    assert told["amplification"] > 0


def test_two_pods_offer_exactly_what_one_process_would(testbed: Testbed, run_dir: Path) -> None:
    """Second by second; from two nodes, with all outcomes, and nothing is left of them."""
    run_dir.mkdir(parents=True)
    profile = evenly_due(nodes=10, duration_s=5.0)
    arguments = {"profile": profile, "pods": 2, "nodes_per_pod": 5, "duration_s": 5.0, "begin_in_s": 10.0}
    started = play(testbed, run_dir, "apiserver.actions", "start_api_overload_in_cluster", **arguments)
    pods = testbed.get("pods", "-n", "chaoslib-cp", "-l", f"chaoslib-cp/fault={started['fault']}")["items"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    until(lambda: SystemClock().epoch_s() > started["deadline_epoch_s"], "the end of the load")
    ended = play(testbed, run_dir, "apiserver.actions", "stop_api_overload_in_cluster")
    told = ended["details"]["loads"][started["fault"]]
    assert (told["pods_told"], told["nodes"], told["reason"]) == (2, 10, "at its own end")
    (run_dir / "profile.json").write_text(json.dumps(profile))
    where = str(run_dir / "profile.json")
    alone = testbed.run(*CHAOS, "cp", "load", where, "--nodes", "10", "--duration-s", "5", "--json")
    assert alone.returncode == 0, alone.stderr
    one, pods_told = json.loads(alone.stdout), json.loads(Path(started["details"]["result"]).read_text())
    in_each_second = [whole["per_second"]["due"][:5] for whole in (pods_told, one)]  # an answer may come later still
    assert in_each_second == [[10] * 5] * 2
    assert told["due"] == one["due"] == 50
    assert told["outcomes"].get("ok", 0) >= 45
    assert told["client_cpu_s"] > 0
    kinds = "jobs,configmaps,serviceaccounts,clusterroles,clusterrolebindings"
    assert testbed.get(kinds, "-A", "-l", "chaoslib-cp/run")["items"] == []


def evenly_due(nodes: int, duration_s: float) -> dict[str, Any]:
    """One small read a second of each node, and none near the end: a process that ends a little early has sent all."""
    even = {"schema": 1, "name": "even", "jitter_ratio": 0.0, "requests": [{"path": "/version", "period_s": 1.0}]}

    def is_clear_of_its_end(seed: int) -> bool:
        profile = parse_profile({**even, "seed": seed, "duration_s": duration_s})
        return all(next(due_offsets(profile, node_name(number), 0)) < 0.7 for number in range(nodes))

    return {**even, "seed": next(filter(is_clear_of_its_end, itertools.count(1)))}


def test_a_load_that_may_not_ask_is_refused_with_the_request(testbed: Testbed) -> None:
    """By a real API server: HEAD is authorized as the read itself, and the exempt identity is known as one."""
    for context, words in (
        ("observer", "GET /api/v1/pods?resourceVersion=0 is refused with 403 to context 'observer': pods is forbidden"),
        ("break-glass", "is user break-glass of group system:masters"),
    ):
        profile = "docs/examples/pod-lists.json"
        ended = testbed.run(*CHAOS, "cp", "load", profile, "--context", context, cwd=ROOT)
        assert ended.returncode == 1
        assert words in ended.stderr


def dns_pods(testbed: Testbed) -> list[dict[str, Any]]:
    """The DNS pods."""
    items: list[dict[str, Any]] = testbed.get("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
    return items


def is_staying(pod: dict[str, Any]) -> bool:
    """Whether it is not being deleted."""
    return "deletionTimestamp" not in pod["metadata"]
