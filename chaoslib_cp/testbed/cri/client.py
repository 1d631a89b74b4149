"""What the testbed asks its own runtimes, past the kubelet: to crash containers."""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import grpc

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.service import stub

RUNTIME_SERVICE = api.DESCRIPTOR.services_by_name["RuntimeService"]
# source: Kubernetes, pkg/kubelet/types/labels.go: the kubelet puts both on every sandbox
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CALL_TIMEOUT_S = 40.0
# By default channels of one process share connections by address, and ours are addresses of open folders: the next
# folder may get the number of one that was closed (source: gRPC, grpc_types.h, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL).
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


def kill_containers(
    sockets: Sequence[Path], namespace: str, labels: Mapping[str, str], pod_uids: Collection[str]
) -> list[str]:
    """Kill the running containers of these pods with SIGKILL, as a crash or the kernel would.

    The kubelets are not told; they find the containers dead and restart them by the pods' restart policy.

    Args:
        sockets: the runtimes' sockets, one for each node.
        namespace: of the pods.
        labels: the pods must have all of these.
        pod_uids: the pods must have one of these UIDs.

    Returns:
        ``namespace/pod/container`` of each container killed, in order of name.

    Raises:
        TestbedFailed: a runtime does not answer; containers named before it may have been killed.
    """
    selector = {**labels, POD_NAMESPACE_LABEL: namespace}
    killed: list[str] = []
    for socket in sockets:
        try:
            with _short(socket) as path, grpc.insecure_channel(f"unix:{path}", options=_OWN_CONNECTION) as channel:
                killed += _kill_on(channel, selector, pod_uids)
        except grpc.RpcError as error:
            words = error.details() if isinstance(error, grpc.Call) else str(error)
            raise TestbedFailed(
                f"runtime at {socket}: {words}; killed before that: {', '.join(killed) or 'nothing'}; "
                "look at the node's log"
            ) from error
    return sorted(killed)


@contextlib.contextmanager
def _short(socket: Path) -> Iterator[str]:
    """Give a socket a short path meanwhile, by its open folder: 107 bytes at most reach the kernel (unix(7))."""
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)


def _kill_on(channel: grpc.Channel, selector: Mapping[str, str], pod_uids: Collection[str]) -> list[str]:
    list_sandboxes = stub(channel, RUNTIME_SERVICE, "ListPodSandbox")
    list_containers = stub(channel, RUNTIME_SERVICE, "ListContainers")
    stop_container = stub(channel, RUNTIME_SERVICE, "StopContainer")
    pods = list_sandboxes(
        api.ListPodSandboxRequest(filter=api.PodSandboxFilter(label_selector=selector)), timeout=CALL_TIMEOUT_S
    ).items
    running = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
    killed = []
    for pod in pods:
        if pod.labels.get(POD_UID_LABEL) not in pod_uids:
            continue
        wanted = api.ContainerFilter(pod_sandbox_id=pod.id, state=running)
        found = list_containers(api.ListContainersRequest(filter=wanted), timeout=CALL_TIMEOUT_S).containers
        for container in found:
            stop_container(api.StopContainerRequest(container_id=container.id, timeout=0), timeout=CALL_TIMEOUT_S)
            killed.append(f"{pod.metadata.namespace}/{pod.metadata.name}/{container.metadata.name}")
    return killed
