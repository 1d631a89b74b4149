"""What the testbed asks its own runtimes, past the kubelet: to crash containers, to signal them, to limit them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.infrastructure.container_act import (
    LOWERED_LIMIT_BYTES,
    OOM_KILL,
    OOM_KILL_WITHIN_S,
    RELOAD,
    RESTART,
    ContainerAct,
)
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.service import stub

RUNTIME_SERVICE = api.DESCRIPTOR.services_by_name["RuntimeService"]
NODE_SERVICE = api.DESCRIPTOR.services_by_name["NodeService"]
# source: Kubernetes, pkg/kubelet/types/labels.go: the kubelet puts both on every sandbox
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CALL_TIMEOUT_S = 40.0
POLL_S = 0.1
# By default channels of one process share connections by address, and ours are addresses of open folders: the next
# folder may get the number of one that was closed (source: gRPC, grpc_types.h, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL).
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True)
class _Found:
    """A running container: its id, ``namespace/pod/container`` for people, and the way to its runtime."""

    identity: str
    name: str
    channel: grpc.Channel

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel would; the kubelet finds it dead and restarts it by the pod's policy."""
        stop = stub(self.channel, RUNTIME_SERVICE, "StopContainer")
        stop(api.StopContainerRequest(container_id=self.identity, timeout=0), timeout=CALL_TIMEOUT_S)

    def reload(self) -> None:
        """SIGUSR1, at which CoreDNS reloads."""
        send = stub(self.channel, NODE_SERVICE, "SignalContainer")
        send(api.SignalContainerRequest(container_id=self.identity, signal=signal.SIGUSR1), timeout=CALL_TIMEOUT_S)

    def oom_kill(self) -> None:
        """Lower its memory limit until the kernel has killed it; one that lives on gets its own limit back."""
        own = self._status().resources.linux
        if own.memory_limit_in_bytes <= LOWERED_LIMIT_BYTES:
            raise TestbedFailed(
                f"container {self.name} has no memory limit that could kill it, and was left alone; give its pod one, "
                f"or use {RESTART.name}"
            )
        lowered = api.LinuxContainerResources()
        lowered.CopyFrom(own)
        lowered.memory_limit_in_bytes = LOWERED_LIMIT_BYTES
        self._limit(lowered)
        ends_at_s = time.monotonic() + OOM_KILL_WITHIN_S
        while (status := self._status()).state == api.CONTAINER_RUNNING and time.monotonic() < ends_at_s:
            time.sleep(POLL_S)
        if status.state == api.CONTAINER_RUNNING:
            self._limit(own)
        if status.reason != "OOMKilled":
            raise TestbedFailed(
                f"container {self.name} was not killed by a memory limit of {LOWERED_LIMIT_BYTES} bytes in "
                f"{OOM_KILL_WITHIN_S:g} s, and has its own again; let control groups be enforced (chaos cp doctor), or "
                f"use {RESTART.name}"
            )

    def _status(self) -> api.ContainerStatus:
        ask = stub(self.channel, RUNTIME_SERVICE, "ContainerStatus")
        status: api.ContainerStatus = ask(
            api.ContainerStatusRequest(container_id=self.identity), timeout=CALL_TIMEOUT_S
        ).status
        return status

    def _limit(self, resources: api.LinuxContainerResources) -> None:
        update = stub(self.channel, RUNTIME_SERVICE, "UpdateContainerResources")
        wanted = api.UpdateContainerResourcesRequest(container_id=self.identity, linux=resources)
        update(wanted, timeout=CALL_TIMEOUT_S)


_ACTS: Mapping[ContainerAct, Callable[[_Found], None]] = {
    RESTART: _Found.kill,
    RELOAD: _Found.reload,
    OOM_KILL: _Found.oom_kill,
}


def act_on_containers(
    act: ContainerAct, sockets: Sequence[Path], namespace: str, labels: Mapping[str, str], pod_uids: Collection[str]
) -> list[str]:
    """Do one thing to the running containers of these pods; their kubelets are not told.

    Args:
        act: what is done.
        sockets: the runtimes' sockets, one for each node.
        namespace: of the pods.
        labels: the pods must have all of these.
        pod_uids: the pods must have one of these UIDs.

    Returns:
        ``namespace/pod/container`` of each container that it was done to, in order of name.

    Raises:
        TestbedFailed: a runtime does not answer, or it could not be done to a container; those named had been reached.
    """
    selector = {**labels, POD_NAMESPACE_LABEL: namespace}
    done: list[str] = []
    for socket in sockets:
        try:
            with _short(socket) as path, grpc.insecure_channel(f"unix:{path}", options=_OWN_CONNECTION) as channel:
                for found in _running(channel, selector, pod_uids):
                    _ACTS[act](found)
                    done.append(found.name)
        except (grpc.RpcError, TestbedFailed) as error:
            before = f"{act.done} before that: {', '.join(done) or 'nothing'}"
            if isinstance(error, TestbedFailed):
                raise TestbedFailed(f"{error}; {before}") from error
            words = error.details() if isinstance(error, grpc.Call) else str(error)
            raise TestbedFailed(f"runtime at {socket}: {words}; {before}; look at the node's log") from error
    return sorted(done)


@contextlib.contextmanager
def _short(socket: Path) -> Iterator[str]:
    """Give a socket a short path meanwhile, by its open folder: 107 bytes at most reach the kernel (unix(7))."""
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)


def _running(channel: grpc.Channel, selector: Mapping[str, str], pod_uids: Collection[str]) -> Iterator[_Found]:
    list_sandboxes = stub(channel, RUNTIME_SERVICE, "ListPodSandbox")
    list_containers = stub(channel, RUNTIME_SERVICE, "ListContainers")
    pods = list_sandboxes(
        api.ListPodSandboxRequest(filter=api.PodSandboxFilter(label_selector=selector)), timeout=CALL_TIMEOUT_S
    ).items
    running = api.ContainerStateValue(state=api.CONTAINER_RUNNING)
    for pod in pods:
        if pod.labels.get(POD_UID_LABEL) not in pod_uids:
            continue
        wanted = api.ContainerFilter(pod_sandbox_id=pod.id, state=running)
        for one in list_containers(api.ListContainersRequest(filter=wanted), timeout=CALL_TIMEOUT_S).containers:
            yield _Found(one.id, f"{pod.metadata.namespace}/{pod.metadata.name}/{one.metadata.name}", channel)
