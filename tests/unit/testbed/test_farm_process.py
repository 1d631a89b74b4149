"""The agent farm's process, its rights and its waiting times."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.farm.access import manifests
from chaoslib_cp.testbed.farm.backoff import ListBackoff, MountBackoff
from tests.fakes.telemetry_cluster import TelemetryCluster, listing, pod, telemetry_cluster
from tests.scaffold.waiting import until_async


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[TelemetryCluster]:
    """A cluster to play on."""
    with telemetry_cluster(tmp_path) as started:
        yield started


def test_backoffs_are_those_of_kubelet_and_client_go() -> None:
    """Mounts: 0.5 s doubling to 2 min 2 s. Lists: 0.8 s doubling to 30 s with jitter, anew after 2 quiet minutes."""
    mount = MountBackoff()
    assert [mount.next_s() for _ in range(10)] == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]
    backoff = ListBackoff(random.Random(1))  # noqa: S311 - a test
    for now_s, least in enumerate([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]):
        assert least <= backoff.next_s(float(now_s)) <= 2 * least
    assert backoff.next_s(8 + 121.0) <= 1.6


def test_the_farm_may_act_as_fake_nodes_only() -> None:
    """Its role names each node it may impersonate: no other user, no other group."""
    role, binding = manifests(3)
    impersonate = [rule for rule in role["rules"] if "impersonate" in rule["verbs"]]
    assert [rule["resourceNames"] for rule in impersonate] == [
        ["system:node:kwok-000", "system:node:kwok-001", "system:node:kwok-002"],
        ["system:nodes"],
    ]
    assert binding["subjects"][0]["name"] == "chaoslib-cp-farm"


def test_as_a_process_it_writes_its_status_and_obeys_sigterm(cluster: TelemetryCluster, tmp_path: Path) -> None:
    """The status file is whole whenever it is read, and SIGTERM ends the farm cleanly."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    access = cluster.access
    status_file = tmp_path / "status.json"
    config = {
        "api": {"address": "127.0.0.1", "port": access.port, "server_name": "127.0.0.1"},
        "ca": str(access.ca_file),
        "client_cert": str(access.cert_file),
        "client_key": str(access.key_file),
        "node_prefix": "kwok-",
        "images": ["chaoslib-cp:1"],
        "source": "farm-test",
        "status_file": str(status_file),
    }
    (tmp_path / "farm.json").write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "chaoslib_cp.testbed.farm", str(tmp_path / "farm.json")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        asyncio.run(until_async(lambda: len(cluster.seen("/metrics")) > 12, "the load runs"))
        runs = "its status says that one agent runs"
        asyncio.run(until_async(lambda: json.loads(status_file.read_text())["agents"]["running"] == 1, runs))
        process.terminate()
        assert process.communicate(timeout=10)[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("text", ["", "{}", "no json"])
def test_a_wrong_configuration_is_one_clear_line(tmp_path: Path, text: str) -> None:
    """The supervisor's log says which file is wrong."""
    (tmp_path / "farm.json").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "chaoslib_cp.testbed.farm", str(tmp_path / "farm.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("TestbedFailed: agent farm: ")
    assert done.stderr.count("\n") == 1
