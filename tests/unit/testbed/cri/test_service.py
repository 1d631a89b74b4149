"""A gRPC service made from its descriptor answers calls, failures and unknown methods over a real socket."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.failure import not_found, unsupported
from chaoslib_cp.testbed.cri.images import Images
from chaoslib_cp.testbed.cri.limits import ContainerLimits
from chaoslib_cp.testbed.cri.network import PodNetwork
from chaoslib_cp.testbed.cri.runtime import Runtime, RuntimeOptions
from chaoslib_cp.testbed.cri.server import IMAGE_SERVICE, LONGEST_SOCKET_PATH, RUNTIME_SERVICE, serve
from chaoslib_cp.testbed.cri.service import stub

TIMEOUT_S = 10


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[grpc.Channel]:
    """A connection to a runtime without pods."""
    network = PodNetwork(1, "10.244.1.0/24", "br0", "10.244.0.1")
    images = Images([], tmp_path)
    runtime = Runtime(RuntimeOptions(network, tmp_path, rootless=True, limits=ContainerLimits(None, "w")), images)
    server = serve(tmp_path / "cri.sock", runtime, images)
    with grpc.insecure_channel(f"unix:{tmp_path / 'cri.sock'}") as channel:
        yield channel
    server.stop(None).wait()
    runtime.shut_down()


def _failure(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    try:
        call()
    except grpc.RpcError as error:
        return (error.code(), str(error.details())) if isinstance(error, grpc.Call) else (grpc.StatusCode.UNKNOWN, "")
    return grpc.StatusCode.OK, ""


def test_every_method_of_the_interface_is_served(channel: grpc.Channel) -> None:
    """Each method we declare has an answer or a refusal with a reason: none is missing, none breaks."""
    for service in (RUNTIME_SERVICE, IMAGE_SERVICE):
        for name, method in service.methods_by_name.items():
            request = getattr(api, method.input_type.name)()
            code, words = _failure(partial(stub(channel, service, name), request, timeout=TIMEOUT_S))
            assert code is not grpc.StatusCode.UNKNOWN, (name, words)
            assert name not in words


def test_runtime_says_it_is_ready(channel: grpc.Channel) -> None:
    """A kubelet starts pods only when runtime and network are ready."""
    conditions = stub(channel, RUNTIME_SERVICE, "Status")(api.StatusRequest(), timeout=TIMEOUT_S).status.conditions
    assert {condition.type: condition.status for condition in conditions} == {
        "RuntimeReady": True,
        "NetworkReady": True,
    }


def test_what_is_gone_is_gone_without_an_error(channel: grpc.Channel) -> None:
    """Stopping and removing may be repeated; asking for something that does not exist says NOT_FOUND."""
    stub(channel, RUNTIME_SERVICE, "StopPodSandbox")(api.StopPodSandboxRequest(pod_sandbox_id="x"), timeout=TIMEOUT_S)
    stub(channel, RUNTIME_SERVICE, "RemoveContainer")(api.RemoveContainerRequest(container_id="x"), timeout=TIMEOUT_S)
    status = stub(channel, RUNTIME_SERVICE, "ContainerStatus")
    failure = _failure(partial(status, api.ContainerStatusRequest(container_id="x"), timeout=TIMEOUT_S))
    assert failure == (grpc.StatusCode.NOT_FOUND, "container x does not exist")


def test_methods_beyond_the_interface_are_refused_by_name(channel: grpc.Channel) -> None:
    """A kubectl port-forward ends in a sentence, not in "method not found"."""
    call = channel.unary_unary("/runtime.v1.RuntimeService/PortForward", None, None)
    failure = _failure(partial(call, b"", timeout=TIMEOUT_S))
    assert failure == (grpc.StatusCode.UNIMPLEMENTED, "the testbed's runtime does not support PortForward")


def test_refusals_carry_the_code_kubelets_decide_by() -> None:
    """Not supported and not there are different things to a kubelet."""
    assert unsupported("x").code is grpc.StatusCode.UNIMPLEMENTED
    assert not_found("sandbox", "x").code is grpc.StatusCode.NOT_FOUND


def test_socket_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    """The kernel's limit on socket paths is told before anything starts, with what to do."""
    images = Images([], tmp_path)
    with pytest.raises(TestbedFailed, match="XDG_STATE_HOME"):
        serve(tmp_path / ("d" * LONGEST_SOCKET_PATH) / "cri.sock", None, images)  # type: ignore[arg-type]
