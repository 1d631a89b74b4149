"""The kubelet gets its node's settings, is restarted when it dies, and ends with the node."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.node.config import CRASH_FILE, NodeConfig
from chaoslib_cp.testbed.node.kubelet import Kubelet, command, configuration
from tests.unit.testbed.test_node_config import KEYS

PATIENCE_S = 20.0
# Dies twice, then stays until it is told to end; writes a line for each start.
KUBELET = """#!/bin/sh
echo start >> {folder}/starts
if [ $(wc -l < {folder}/starts) -lt 3 ]; then
    echo 'panic: out of luck'
    echo 'kuberuntime.doPodResizeAction()'
    exit 7
fi
trap 'echo ended >> {folder}/starts; exit 0' TERM
touch {folder}/up
while :; do sleep 0.05; done
"""


@pytest.fixture
def node(tmp_path: Path) -> NodeConfig:
    """A node whose folders are in ``tmp_path``."""
    return NodeConfig(**{**KEYS, "folder": str(tmp_path), "logs": str(tmp_path), "programs": str(tmp_path)})


@pytest.fixture
def stop_when_up(tmp_path: Path) -> Iterator[threading.Event]:
    """Ask for the end as soon as the kubelet stays up."""
    stop = threading.Event()
    done = threading.Event()

    def watch() -> None:
        for _ in range(int(PATIENCE_S / 0.02)):
            if (tmp_path / "up").exists() or done.wait(0.02):
                break
        stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    yield stop
    done.set()
    thread.join()


def test_two_nodes_do_not_meet(node: NodeConfig) -> None:
    """Both listen on the kubelet's usual ports, each on its own address."""
    settings = configuration(node, Path("/n/cri.sock"))
    assert settings["address"] == settings["healthzBindAddress"] == "172.18.0.21"
    assert settings["containerRuntimeEndpoint"] == settings["imageServiceEndpoint"] == "unix:///n/cri.sock"


def test_pods_ask_the_nodes_own_cache(node: NodeConfig) -> None:
    """What the kubelet writes into resolv.conf is the cache of its node."""
    assert configuration(node, Path("/s"))["clusterDNS"] == ["10.244.1.53"]


def test_user_namespaces_are_told_to_the_kubelet(node: NodeConfig) -> None:
    """Otherwise it refuses to start where it may not set kernel flags."""
    rootless = NodeConfig(**{**KEYS, "rootless": True})
    assert configuration(rootless, Path("/s"))["featureGates"] == {"KubeletInUserNamespace": True}
    assert configuration(node, Path("/s"))["featureGates"] == {}


def test_kubelet_dies_with_its_node(node: NodeConfig) -> None:
    """The kernel ends it when the node's process is killed."""
    assert command(node, Path("/k.json"))[:2] == ["setpriv", "--pdeathsig=KILL"]


def test_dead_kubelet_is_restarted_and_its_panic_is_told(
    node: NodeConfig, tmp_path: Path, stop_when_up: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A kubelet that dies is started again, and the node's log has its status, its panic and what to do.

    So has a file for the supervisor: the kubelet is no child of it.
    """
    program = tmp_path / "kubelet"
    program.write_text(KUBELET.format(folder=tmp_path))
    program.chmod(0o755)
    with caplog.at_level(logging.ERROR):
        Kubelet(node, tmp_path / "cri.sock", restart_after_s=0.01).keep_running(stop_when_up)
    assert (tmp_path / "starts").read_text().split() == ["start", "start", "start", "ended"]
    assert caplog.text.count("ended with status 7; its last words: panic: out of luck") == 2
    assert caplog.text.count("init containers") == 2
    told = (tmp_path / CRASH_FILE).read_text()
    assert told.startswith(f"the kubelet of {node.node} ended with status 7; its last words: panic: out of luck")
