"""Filling a testbed: what is created, that it can be repeated, and what happens when the API server refuses."""

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed import kwok
from chaoslib_cp.testbed.api import ApiAccess
from chaoslib_cp.testbed.fill import fill_nodes, fill_pods, node_manifest, pod_manifest
from tests.fakes.api_server import HANG, RESET, Answer, FakeApiServer, Request, Script, json_answer
from tests.fakes.certificates import Authority


class Registry:
    """Objects by path and name: 201 the first time, 409 after that."""

    def __init__(self, server: FakeApiServer) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        server.on("POST", "/api/v1", self._create)

    def _create(self, request: Request) -> Answer:
        made = request.json()
        key = (request.path, made["metadata"]["name"])
        if key in self.objects:
            return Answer(409)
        self.objects[key] = made
        return Answer(201)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The cluster's authority."""
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[FakeApiServer]:
    """An API server with TLS."""
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as started:
        yield started


@pytest.fixture
def access(authority: Authority, server: FakeApiServer) -> ApiAccess:
    """How to reach it as break-glass."""
    files = authority.issue("break-glass")
    return ApiAccess("127.0.0.1", server.port, "127.0.0.1", authority.ca_file, files.cert, files.key)


@pytest.fixture
def plain(server: FakeApiServer) -> FakeApiServer:
    """The server, with its objects in place."""
    Registry(server)
    return server


def test_nodes_and_pods_are_created_once(server: FakeApiServer, access: ApiAccess) -> None:
    """A second fill finds everything and changes nothing."""
    registry = Registry(server)
    pods, nodes = fill_pods(access, 5, 4, 1500), fill_nodes(access, 5)
    assert (pods.created, pods.present) == (1 + 1 + 20, 0)
    assert (nodes.created, nodes.present) == (5, 0)
    kinds = Counter(made["kind"] for made in registry.objects.values())
    assert kinds == {"Namespace": 1, "ServiceAccount": 1, "Node": 5, "Pod": 20}
    assert fill_pods(access, 5, 4, 1500).created == 0
    assert fill_nodes(access, 5).present == 5


def test_namespace_and_account_come_before_pods(plain: FakeApiServer, access: ApiAccess) -> None:
    """Pods need their namespace and its account to be admitted."""
    fill_pods(access, 3, 2, 1500)
    kinds = [json.loads(one.body)["kind"] for one in plain.requests if one.method == "POST"]
    assert kinds == ["Namespace", "ServiceAccount", *["Pod"] * 6]


def test_many_connections_are_used_at_once(plain: FakeApiServer, access: ApiAccess) -> None:
    """Speed comes from sixteen connections, each kept for many objects."""
    fill_pods(access, 40, 2, 1500)
    assert 8 <= plain.connections <= 17


def test_a_busy_or_restarting_api_server_is_asked_again(server: FakeApiServer, access: ApiAccess) -> None:
    """429, 503 and cut connections delay a fill but do not end it."""
    registry = Registry(server)
    troubles: list[Script] = [Answer(429, {"Retry-After": "0"}), Answer(503), RESET, Answer(403), registry._create]
    server.on("POST", "/api/v1/nodes", *troubles)
    assert fill_nodes(access, 3).created == 3


def test_a_refusal_names_the_object_and_the_reason(server: FakeApiServer, access: ApiAccess) -> None:
    """One line says what was refused, in the API server's own words, and what is left."""
    Registry(server)
    server.on("POST", "/api/v1/nodes", json_answer({"message": "spec.taints[0]: Invalid value"}, 422))
    with pytest.raises(TestbedFailed) as failure:
        fill_nodes(access, 2)
    assert str(failure.value).startswith("Node kwok-00")
    assert "422 spec.taints[0]: Invalid value; the cluster is half filled" in str(failure.value)


def test_a_fill_ends_with_what_it_depends_on(server: FakeApiServer, access: ApiAccess) -> None:
    """An API server whose store has died accepts requests and never answers: nobody waits two minutes for it."""
    server.on("POST", "/api/v1", HANG)
    beats = iter(range(3))

    def watch() -> None:
        if next(beats, None) is None:
            raise TestbedFailed("etcd ended with status 3")

    with pytest.raises(TestbedFailed, match="etcd ended with status 3"):
        fill_pods(access, 3, 2, 1500, watch)


@pytest.mark.parametrize("pod_bytes", [512, 1500, 4096, 16384])
def test_a_pod_has_the_size_asked_for_and_compresses_like_a_real_one(pod_bytes: int) -> None:
    """The cost of a LIST is that of the spec's pod size, also compressed; a bare pod cannot be smaller."""
    text = json.dumps(pod_manifest(7, 3, pod_bytes), separators=(",", ":")).encode()
    bare = len(json.dumps(pod_manifest(7, 3, 0), separators=(",", ":")))
    assert len(text) == max(pod_bytes, bare)
    if pod_bytes >= 4096:
        assert 1.5 < len(text) / len(zlib.compress(text, 1)) < 3
    assert pod_manifest(7, 3, pod_bytes) == pod_manifest(7, 3, pod_bytes)


def test_fake_nodes_keep_ordinary_pods_away() -> None:
    """Only what tolerates everything, as a DaemonSet's pods do, is scheduled to a node that runs nothing."""
    node = node_manifest(300)
    assert node["metadata"]["name"] == "kwok-300"
    assert node["metadata"]["labels"]["type"] == "kwok"
    assert node["spec"]["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]
    addresses = {node_manifest(index)["status"]["addresses"][0]["address"] for index in range(1000)}
    assert len(addresses) == 1000


def test_kwok_manages_fake_nodes_only(tmp_path: Path) -> None:
    """Kubelet nodes keep their kubelet: KWOK is told to leave them alone, and its file is valid YAML of its kinds."""
    component = kwok.component("/bin/kwok", "/x/kwok.kubeconfig", tmp_path / "kwok.yaml")
    assert "--manage-all-nodes=false" in component.argv
    assert "--manage-nodes-with-label-selector=type=kwok" in component.argv
    documents = list(yaml.safe_load_all((tmp_path / "kwok.yaml").read_text()))
    assert [one["kind"] for one in documents] == ["KwokConfiguration", *["Stage"] * 5]
    assert documents[0]["options"]["nodeLeaseParallelism"] >= 64
