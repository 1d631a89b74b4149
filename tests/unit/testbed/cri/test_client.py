"""Containers are crashed past the kubelet: the right ones, on all nodes, and at once."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.infrastructure.container_act import OOM_KILL, RELOAD, RESTART
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri import client
from chaoslib_cp.testbed.cri.client import NODE_SERVICE, RUNTIME_SERVICE, act_on_containers
from chaoslib_cp.testbed.cri.service import ServiceHandler, stub

PODS = {"dns-1": {"app": "dns"}, "dns-2": {"app": "dns"}, "web": {"app": "web"}}
MIB = 1024**2
ALL = [f"uid-{name}" for name in PODS]


class _Peer:
    """A runtime with three pods of one running container each; remembers what it was asked to do.

    Attributes:
        limit_bytes: Memory limit of each container.
        used_bytes: What each uses: a lower limit kills it.
    """

    def __init__(self) -> None:
        self.stopped: list[tuple[str, int]] = []
        self.signalled: list[tuple[str, int]] = []
        self.limits: list[tuple[str, int, int]] = []
        self.limit_bytes, self.used_bytes = 170 * MIB, 40 * MIB

    def __getattr__(self, name: str) -> object:
        return None  # methods that are not called here

    def list_pod_sandbox(self, request: api.ListPodSandboxRequest) -> api.ListPodSandboxResponse:
        wanted = dict(request.filter.label_selector).items()
        items = []
        for name, labels in PODS.items():
            identity = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.uid": f"uid-{name}"}
            all_labels = {**labels, **identity}
            if wanted <= all_labels.items():
                metadata = api.PodSandboxMetadata(name=name, namespace="kube-system")
                items.append(api.PodSandbox(id=name, metadata=metadata, labels=all_labels))
        return api.ListPodSandboxResponse(items=items)

    def list_containers(self, request: api.ListContainersRequest) -> api.ListContainersResponse:
        assert request.filter.state.state == api.CONTAINER_RUNNING
        sandbox = request.filter.pod_sandbox_id
        container = api.Container(id=f"c-{sandbox}", metadata=api.ContainerMetadata(name="main"))
        return api.ListContainersResponse(containers=[container])

    def stop_container(self, request: api.StopContainerRequest) -> api.StopContainerResponse:
        self.stopped.append((request.container_id, request.timeout))
        return api.StopContainerResponse()

    def signal_container(self, request: api.SignalContainerRequest) -> api.SignalContainerResponse:
        self.signalled.append((request.container_id, request.signal))
        return api.SignalContainerResponse()

    def container_status(self, request: api.ContainerStatusRequest) -> api.ContainerStatusResponse:
        mine = [limit_bytes for identity, limit_bytes, _ in self.limits if identity == request.container_id]
        is_killed = any(limit_bytes < self.used_bytes for limit_bytes in mine)
        own = api.LinuxContainerResources(memory_limit_in_bytes=self.limit_bytes, cpu_quota=50_000)
        status = api.ContainerStatus(
            state=api.CONTAINER_EXITED if is_killed else api.CONTAINER_RUNNING,
            reason="OOMKilled" if is_killed else "",
            resources=api.ContainerResources(linux=own),
        )
        return api.ContainerStatusResponse(status=status)

    def update_container_resources(
        self, request: api.UpdateContainerResourcesRequest
    ) -> api.UpdateContainerResourcesResponse:
        self.limits.append((request.container_id, request.linux.memory_limit_in_bytes, request.linux.cpu_quota))
        return api.UpdateContainerResourcesResponse()


@contextmanager
def listening(socket: Path) -> Iterator[_Peer]:
    """A runtime on a socket."""
    peer = _Peer()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([ServiceHandler(service, peer) for service in (RUNTIME_SERVICE, NODE_SERVICE)])
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    yield peer
    server.stop(None).wait()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[_Peer]:
    """A runtime that listens on ``cri.sock``."""
    with listening(tmp_path / "cri.sock") as peer:
        yield peer


def test_each_node_is_asked(tmp_path: Path) -> None:
    """The sockets have one name, in the folders of their nodes."""
    nodes = [tmp_path / "1", tmp_path / "2"]
    for node in nodes:
        node.mkdir()
    with listening(nodes[0] / "cri.sock") as one, listening(nodes[1] / "cri.sock") as two:
        act_on_containers(RESTART, [node / "cri.sock" for node in nodes], "default", {"app": "dns"}, ALL)
        act_on_containers(RESTART, [node / "cri.sock" for node in nodes], "kube-system", {"app": "web"}, ALL)
    assert one.stopped == two.stopped == [("c-web", 0)]


def test_matching_containers_are_killed_without_grace(peer: _Peer, tmp_path: Path) -> None:
    """Only pods with the namespace and all labels, and with no grace period: that is what a crash is."""
    killed = act_on_containers(RESTART, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, ALL)
    assert killed == ["kube-system/dns-1/main", "kube-system/dns-2/main"]
    assert sorted(peer.stopped) == [("c-dns-1", 0), ("c-dns-2", 0)]


def test_other_namespaces_are_left_alone(peer: _Peer, tmp_path: Path) -> None:
    """The same labels in another namespace match nothing, which is no error."""
    assert act_on_containers(RESTART, [tmp_path / "cri.sock"], "default", {"app": "dns"}, ALL) == []
    assert not peer.stopped


@pytest.mark.parametrize(("uids", "stopped"), [(["uid-dns-2", "uid-web"], [("c-dns-2", 0)]), (["uid-x"], []), ([], [])])
def test_pods_with_other_uids_are_left_alone(
    peer: _Peer, tmp_path: Path, uids: list[str], stopped: list[tuple[str, int]]
) -> None:
    """Every cluster has DNS pods of that label: the UIDs say which were meant."""
    act_on_containers(RESTART, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, uids)
    assert peer.stopped == stopped


def test_matching_containers_are_told_to_reload(peer: _Peer, tmp_path: Path) -> None:
    """By SIGUSR1, and nothing is stopped."""
    told = act_on_containers(RELOAD, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, ["uid-dns-2"])
    assert told == ["kube-system/dns-2/main"]
    assert peer.signalled == [("c-dns-2", signal.SIGUSR1)]
    assert not peer.stopped


def test_matching_containers_are_killed_by_a_lower_limit(peer: _Peer, tmp_path: Path) -> None:
    """By the kernel: nobody stops them, and their other limits stay."""
    killed = act_on_containers(OOM_KILL, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, ALL)
    assert killed == ["kube-system/dns-1/main", "kube-system/dns-2/main"]
    assert sorted(peer.limits) == [("c-dns-1", 4 * MIB, 50_000), ("c-dns-2", 4 * MIB, 50_000)]
    assert not peer.stopped


def test_a_container_that_outlives_its_lower_limit_gets_its_own_back(
    peer: _Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where control groups are not enforced."""
    monkeypatch.setattr(client, "OOM_KILL_WITHIN_S", 0.0)
    peer.used_bytes = 1 * MIB
    with pytest.raises(TestbedFailed, match=r"dns-1/main was not killed .* and has its own again; .*that: nothing"):
        act_on_containers(OOM_KILL, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, ALL)
    assert peer.limits == [("c-dns-1", 4 * MIB, 50_000), ("c-dns-1", 170 * MIB, 50_000)]


def test_a_container_without_a_memory_limit_is_not_killed_for_its_memory(peer: _Peer, tmp_path: Path) -> None:
    """No kernel would; it is left alone."""
    peer.limit_bytes = 0
    with pytest.raises(TestbedFailed, match=r"dns-1/main has no memory limit .* left alone"):
        act_on_containers(OOM_KILL, [tmp_path / "cri.sock"], "kube-system", {"app": "dns"}, ALL)
    assert not peer.limits


def test_dead_node_is_named_with_what_was_done_before(peer: _Peer, tmp_path: Path) -> None:
    """When a node does not answer, the error says so and which containers were killed already."""
    with pytest.raises(TestbedFailed, match=r"gone\.sock: .*killed before that: kube-system/web/main"):
        act_on_containers(RESTART, [tmp_path / "cri.sock", tmp_path / "gone.sock"], "kube-system", {"app": "web"}, ALL)
    assert peer.stopped == [("c-web", 0)]


def test_stub_speaks_the_published_method_names(peer: _Peer, tmp_path: Path) -> None:
    """Any client of the Container Runtime Interface, such as crictl, finds the service under its usual name."""
    assert RUNTIME_SERVICE.full_name == "runtime.v1.RuntimeService"
    with grpc.insecure_channel(f"unix:{tmp_path / 'cri.sock'}") as channel:
        stub(channel, RUNTIME_SERVICE, "StopContainer")(api.StopContainerRequest(container_id="x"), timeout=5)
    assert peer.stopped == [("x", 0)]


def test_a_state_folder_with_a_long_path_is_no_obstacle(peer: _Peer, tmp_path: Path) -> None:
    """A socket's path has 107 bytes at most (unix(7)); the folder of a home or of a job of CI may be longer."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (tmp_path / "cri.sock").rename(folder / "cri.sock")
    assert act_on_containers(RESTART, [folder / "cri.sock"], "kube-system", {"app": "web"}, ALL)
    assert peer.stopped == [("c-web", 0)]
