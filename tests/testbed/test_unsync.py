"""DNS servers that lose what they know of the cluster while its API is away answer SERVFAIL until it is back."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scaffold.waiting import until
from tests.testbed.conftest import Testbed, brought_up
from tests.testbed.test_activities import dns_pods, play
from tests.testbed.test_runner_killed import stopped_api_servers

pytestmark = pytest.mark.testbed

SPEC = "fake_nodes: 0\nkubelet_nodes: 2\n"
GATE = """
import json, sys
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.settings import read_settings
check_gate(read_settings(json.loads(sys.argv[1])))
"""
ASK = """
import sys, dns.exception, dns.message, dns.query, dns.rcode
query = dns.message.make_query("kubernetes.default.svc.cluster.local", "A")
for server in sys.argv[1:]:
    try:
        print(dns.rcode.to_text(dns.query.udp(query, server, timeout=2).rcode()))
    except (OSError, dns.exception.Timeout):
        print("nothing")
"""


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """One whose API may be away: controllers give up their leases after 10 s, and other tests would wait for them."""
    spec = tmp_path_factory.mktemp("unsync") / "unsync.yaml"
    spec.write_text(SPEC)
    with brought_up(str(spec), f"unsync-{os.getpid()}") as fresh:
        yield fresh


def answers(testbed: Testbed, servers: list[str]) -> set[str]:
    """What the DNS servers answer when they are asked for the API's own name."""
    return set(testbed.run("python", "-c", ASK, *servers).stdout.split())


def last_ends(testbed: Testbed) -> list[tuple[int, str, int, str]]:
    """How often each DNS container was started again, how it ended before, and its limit now; once all have ended."""
    containers = [pod["status"]["containerStatuses"][0] for pod in dns_pods(testbed)]
    told = [
        (one["restartCount"], end["reason"], end["exitCode"], one["resources"]["limits"]["memory"])
        for one in containers
        if (end := one["lastState"].get("terminated")) and "running" in one["state"]
    ]
    return told if len(told) == len(containers) else []


def lose(testbed: Testbed, run_dir: Path, coupling: str, servers: list[str]) -> dict[str, Any]:
    """Let all DNS servers lose what they know, and wait until none of them knows the API's own name."""
    made = play(testbed, run_dir, "dns.actions", "restart_dns_pods", coupling=coupling, wait_for_fresh_cache=False)
    until(lambda: answers(testbed, servers) == {"SERVFAIL"}, f"SERVFAIL of every DNS server after {coupling}")
    return made


def test_a_reload_and_a_memory_kill_while_the_api_is_away_are_the_outage(testbed: Testbed, tmp_path: Path) -> None:
    """The containers that are reloaded run on; those that the kernel kills are started again; then the API is back."""
    run_dir = tmp_path / "unsync"
    servers = [pod["status"]["podIP"] for pod in dns_pods(testbed)]
    configuration = {"infrastructure": "testbed", "chaoslib_cp_run_dir": str(run_dir)}
    assert testbed.run("python", "-c", GATE, json.dumps(configuration)).returncode == 0
    assert answers(testbed, servers) == {"NOERROR"}
    with stopped_api_servers(testbed):
        reloaded = lose(testbed, run_dir, "reload-containers", servers)
        killed = lose(testbed, run_dir, "oom-kill-containers", servers)
    assert (reloaded["delivers"]["done"], killed["delivers"]["done"]) == (len(servers), len(servers))
    until(lambda: answers(testbed, servers) == {"NOERROR"}, "DNS servers that have synced again")
    ends = until(lambda: last_ends(testbed), "what the kubelets tell of each container's last end")
    assert ends == [(1, "OOMKilled", 137, "170Mi")] * len(servers)
