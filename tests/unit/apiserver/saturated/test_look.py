"""The probe: whom it asks, what it says of each, and what the asking cost."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.apiserver.probes import what_is_saturated
from chaoslib_cp.apiserver.saturated.servers import servers_to_ask
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.engine.sample.counted import CountedSample
from chaoslib_cp.engine.sample.https import HttpsSample
from chaoslib_cp.engine.sample.pace import sample_record
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline, read_timeline
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.metrics_page import page_text

MEMORY = "api_server_memory"
OBJECT = "/api/v1/namespaces/chaoslib-cp"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """A healthy cluster with metrics."""
    for path in ("/livez", "/version", OBJECT):
        kube.objects[path] = {"metadata": {"name": path}}
    kube.server.on("GET", "/metrics", Answer(body=page_text().encode()))
    return kube


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and that nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def tell_servers(kube: KubeObjects, address: str, port: int) -> None:
    """Let the cluster say where its API server listens."""
    kube.objects[SLICE] = {"endpoints": [{"addresses": [address]}], "ports": [{"port": port}]}


def test_it_asks_as_the_observer_and_tells_the_cost(kube: KubeObjects) -> None:
    """Few rights, nothing is changed, and the price of the look is part of it."""
    told = what_is_saturated(window_s=1.0, configuration=kube.configuration())
    asked = [one for one in kube.server.requests if one.path != SLICE]
    assert {one.peer_name for one in asked} == {"user-observer"}
    assert told["cost"]["calls"] == len(asked) == 6
    assert told["cost"]["body_bytes"] > len(page_text())
    assert 0 < told["cost"]["client_cpu_s"] < told["cost"]["seconds"] < 20
    assert [one["server"] for one in told["servers"]] == [f"127.0.0.1:{kube.server.port}"]
    assert told["not_seen"] == []
    assert len(json.dumps(told)) < 4096


def test_without_the_right_to_read_metrics_it_says_so(kube: KubeObjects) -> None:
    """What is missing, and what to do about it."""
    kube.server.on("GET", "/metrics", Answer(403))
    told = what_is_saturated(window_s=1.0, configuration=kube.configuration())
    assert told["not_seen"] == [
        "metrics (not let in): apply `chaos cp manifests` anew, which lets the observer read them"
    ]
    assert told["servers"][0]["cores"] is None


def test_a_server_that_is_gone_is_told_beside_one_that_is_well(kube: KubeObjects, closed_port: int) -> None:
    """Per server, not per address: the gate noted it, and behind one address nobody would see which one is down."""
    tell_servers(kube, "127.0.0.1", closed_port)
    kube.mark()
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/saturated")
    check_gate(kube.settings(chaoslib_cp_run_dir="/runs/saturated"))
    kube.objects.pop(SLICE)
    told = what_is_saturated(window_s=1.0, configuration=configuration)
    assert (told["ok"], told["resource"], told["between"]) == (False, "unknown", ["memory"])
    assert told["servers"][0]["server"] == f"127.0.0.1:{closed_port}"
    assert told["servers"][0]["failures"] == {"refused": 5}


@pytest.fixture
def run_dir(kube: KubeObjects, closed_port: int, tmp_path: Path) -> Path:
    """A run whose gate has noted a server that is gone since."""
    tell_servers(kube, "127.0.0.1", closed_port)
    kube.mark()
    check_gate(kube.settings(chaoslib_cp_run_dir=str(tmp_path)))
    Timeline(tmp_path / TIMELINE_FILE).close()
    return tmp_path


def test_what_was_noted_earlier_in_the_run_tells_why_a_server_went_away(
    kube: KubeObjects, closed_port: int, run_dir: Path
) -> None:
    """Its last page is gone with it, so those that the observer and earlier looks have read are kept."""
    now_s = SystemClock().epoch_s()
    timeline = Timeline(run_dir / TIMELINE_FILE)
    for ago_s, rss_bytes in ((60, 4e8), (5, 2e9)):
        sample = CountedSample(HttpsSample("ok", 0.1), {"started_s": now_s - 900, "rss_bytes": rss_bytes})
        timeline.append(sample_record(MEMORY, f"127.0.0.1:{closed_port}", now_s - ago_s, 0.0, sample))
    timeline.close()
    told = what_is_saturated(window_s=1.0, configuration=kube.configuration(chaoslib_cp_run_dir=str(run_dir)))
    assert told["resource"] == "memory"
    assert told["words"] == "it went away, with 1907 MiB when it was last seen, 381 MiB while calm"


def test_a_look_keeps_its_notes_for_the_next_one(kube: KubeObjects, tmp_path: Path) -> None:
    """In the timeline of the run, as the observer does; without a run nothing is written."""
    Timeline(tmp_path / TIMELINE_FILE).close()
    what_is_saturated(window_s=1.0, configuration=kube.configuration(chaoslib_cp_run_dir=str(tmp_path)))
    [line] = [one for one in read_timeline(tmp_path / TIMELINE_FILE) if one["vantage"] == MEMORY]
    assert line["target"] == f"127.0.0.1:{kube.server.port}"
    assert line["counts"] == {"rss_bytes": 400 * 2**20, "started_s": 1000.0}


@pytest.mark.parametrize(("reason", "code", "resource"), [("OOMKilled", 137, "memory"), ("Error", 1, "unknown")])
def test_a_kubelet_that_is_seen_tells_how_a_server_ended(
    kube: KubeObjects, run_dir: Path, reason: str, code: int, resource: str
) -> None:
    """On kubeadm and kind API servers are pods: read as the runner, who may list the pods of kube-system already."""
    soon = datetime.fromtimestamp(SystemClock().epoch_s() + 60, UTC).isoformat()
    ended = {"terminated": {"reason": reason, "exitCode": code, "finishedAt": soon}}
    status = {"hostIP": "127.0.0.1", "containerStatuses": [{"lastState": ended}]}
    kube.objects["/api/v1/namespaces/kube-system/pods"] = {"items": [{"status": status}]}
    told = what_is_saturated(window_s=1.0, configuration=kube.configuration(chaoslib_cp_run_dir=str(run_dir)))
    assert told["resource"] == resource, told
    asked = [one for one in kube.server.requests if one.path.endswith("/kube-system/pods")][-1]
    assert (asked.peer_name, asked.query) == ("user-runner", {"labelSelector": "component=kube-apiserver"})


def test_servers_that_cannot_be_reached_are_judged_by_the_address(kube: KubeObjects) -> None:
    """A managed cluster shows the addresses of its servers, but lets nobody there."""
    tell_servers(kube, "255.255.255.255", 6443)  # to which no kernel connects
    own = (f"127.0.0.1:{kube.server.port}",)
    servers = servers_to_ask(kube.settings(), own, SystemClock())
    assert servers.addresses == own
    assert servers.not_seen == (
        f"255.255.255.255:6443 cannot be reached from here, so what is behind {own[0]} is judged as one",
    )


def test_servers_that_were_noted_are_asked_by_the_same_address_while_the_api_is_away(
    kube: KubeObjects, tmp_path: Path
) -> None:
    """Where each is cannot be asked then; by another address, nothing would be known of its memory from before."""
    now_s = SystemClock().epoch_s()
    timeline = Timeline(tmp_path / TIMELINE_FILE)
    sample = CountedSample(HttpsSample("ok", 0.1), {"started_s": now_s - 900, "rss_bytes": 4e8})
    noted = f"127.0.0.2:{kube.server.port}"
    timeline.append(sample_record(MEMORY, noted, now_s - 60, 0.0, sample))
    timeline.close()
    kube.fail_next("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes", Answer(503))
    settings = kube.settings(chaoslib_cp_run_dir=str(tmp_path))
    servers = servers_to_ask(settings, (f"127.0.0.1:{kube.server.port}",), SystemClock())
    assert servers.addresses == (noted,)


def test_without_a_cluster_the_reason_is_raised_from_python_and_told_in_a_run(kube: KubeObjects) -> None:
    """Nobody would read it anywhere else; in a run a probe raises for nothing."""
    nowhere: dict[str, Any] = {"kubeconfig": "/nonexistent"}
    with pytest.raises(ActivityFailed, match="kubeconfig /nonexistent: No such file"):
        what_is_saturated(configuration=nowhere)
    told = what_is_saturated(configuration={**nowhere, "chaoslib_cp_run_dir": "/runs/r"})
    assert (told["ok"], told["resource"], told["servers"]) == (False, "unknown", [])
    assert "No such file" in told["not_seen"][0]
    with pytest.raises(ActivityFailed, match="window_s is 0"):
        what_is_saturated(window_s=0, configuration=kube.configuration())
