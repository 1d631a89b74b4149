"""The runtime service: what a kubelet asks for, call by call.

State is in memory only. When this process ends its containers end with it, so a restarted runtime truthfully has none
and the kubelet starts them anew.
"""

import logging
import uuid
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri import bubblewrap, execution, refusals, usage
from chaoslib_cp.testbed.cri.container import Container
from chaoslib_cp.testbed.cri.failure import CallFailed, not_found
from chaoslib_cp.testbed.cri.images import Images
from chaoslib_cp.testbed.cri.limits import ContainerLimits
from chaoslib_cp.testbed.cri.network import Addresses, PodNetwork
from chaoslib_cp.testbed.cri.sandbox import Sandbox
from chaoslib_cp.version import VERSION

log = logging.getLogger(__name__)

RUNTIME_NAME = "chaoslib-cp"
# The version of the protocol between kubelet and runtime, not ours; kubelets send and expect this one.
KUBELET_API_VERSION = "0.1.0"


@dataclass(frozen=True)
class RuntimeOptions:
    """What one node's runtime works with.

    Args:
        network: where its pods live.
        folder: for its few files.
        rootless: whether this is the root of a user namespace only.
        limits: how CPU and memory limits are set.
    """

    network: PodNetwork
    folder: Path
    rootless: bool
    limits: ContainerLimits


class Runtime:
    """The runtime service of one node.

    Args:
        options: what it works with.
        images: which images there are.
    """

    def __init__(self, options: RuntimeOptions, images: Images) -> None:
        self._options = options
        self._images = images
        self._addresses = Addresses(options.network.cidr)
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        # one thread for all starts, because containers end with the thread that started them
        self._spawner: Executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        self._etc = options.folder / "etc"
        bubblewrap.write_etc(self._etc)

    def shut_down(self) -> None:
        """End all containers at once and take all pod networks away."""
        for container in list(self._containers.values()):
            container.stop(0)
        for sandbox in list(self._sandboxes.values()):
            sandbox.close()
        self._spawner.shutdown()

    # The runtime as a whole

    def version(self, _request: api.VersionRequest) -> api.VersionResponse:
        """Name this runtime."""
        return api.VersionResponse(
            version=KUBELET_API_VERSION,
            runtime_name=RUNTIME_NAME,
            runtime_version=VERSION,
            runtime_api_version="v1",
        )

    def status(self, _request: api.StatusRequest) -> api.StatusResponse:
        """Say that it works: it serves as soon as it is there."""
        conditions = [api.RuntimeCondition(type=name, status=True) for name in ("RuntimeReady", "NetworkReady")]
        return api.StatusResponse(status=api.RuntimeStatus(conditions=conditions))

    def runtime_config(self, _request: api.RuntimeConfigRequest) -> api.RuntimeConfigResponse:
        """Say that control groups are files, not systemd units."""
        return api.RuntimeConfigResponse(linux=api.LinuxRuntimeConfiguration(cgroup_driver=api.CGROUPFS))

    def update_runtime_config(self, _request: api.UpdateRuntimeConfigRequest) -> api.UpdateRuntimeConfigResponse:
        """Take note of the node's pod range, which is ours already."""
        return api.UpdateRuntimeConfigResponse()

    # Sandboxes

    def run_pod_sandbox(self, request: api.RunPodSandboxRequest) -> api.RunPodSandboxResponse:
        """Make a pod's network."""
        refusals.check_sandbox(request.config, request.runtime_handler)
        identity = uuid.uuid4().hex
        sandbox = Sandbox(identity, request.config, self._options.folder / "sandboxes" / identity)
        sandbox.open(self._options.network, self._addresses)
        self._sandboxes[identity] = sandbox
        log.info("sandbox %s of pod %s has address %s", identity, sandbox.pod, sandbox.address)
        return api.RunPodSandboxResponse(pod_sandbox_id=identity)

    def stop_pod_sandbox(self, request: api.StopPodSandboxRequest) -> api.StopPodSandboxResponse:
        """End what runs in a sandbox and take its network away; one that is gone is fine."""
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        if sandbox is not None:
            for container in self._containers_of(sandbox.identity):
                container.stop(0)
            sandbox.close()
        return api.StopPodSandboxResponse()

    def remove_pod_sandbox(self, request: api.RemovePodSandboxRequest) -> api.RemovePodSandboxResponse:
        """Forget a sandbox and its containers; one that is gone is fine."""
        self.stop_pod_sandbox(api.StopPodSandboxRequest(pod_sandbox_id=request.pod_sandbox_id))
        for container in self._containers_of(request.pod_sandbox_id):
            self._containers.pop(container.identity, None)
        self._sandboxes.pop(request.pod_sandbox_id, None)
        return api.RemovePodSandboxResponse()

    def pod_sandbox_status(self, request: api.PodSandboxStatusRequest) -> api.PodSandboxStatusResponse:
        """Describe one sandbox."""
        return api.PodSandboxStatusResponse(status=self._sandbox(request.pod_sandbox_id).status())

    def list_pod_sandbox(self, request: api.ListPodSandboxRequest) -> api.ListPodSandboxResponse:
        """List the sandboxes that match a filter."""
        wanted = request.filter
        items = [sandbox.listed() for sandbox in list(self._sandboxes.values())]
        items = [item for item in items if wanted.id in ("", item.id)]
        items = [item for item in items if not wanted.HasField("state") or item.state == wanted.state.state]
        return api.ListPodSandboxResponse(
            items=[item for item in items if dict(wanted.label_selector).items() <= dict(item.labels).items()]
        )

    def list_pod_sandbox_stats(self, request: api.ListPodSandboxStatsRequest) -> api.ListPodSandboxStatsResponse:
        """Say what the pods that match a filter use."""
        wanted = api.PodSandboxFilter(id=request.filter.id, label_selector=request.filter.label_selector)
        found = self.list_pod_sandbox(api.ListPodSandboxRequest(filter=wanted)).items
        return api.ListPodSandboxStatsResponse(stats=[self._pod_stats(item) for item in found])

    # Containers

    def create_container(self, request: api.CreateContainerRequest) -> api.CreateContainerResponse:
        """Take a container's configuration, unless something in it cannot be done."""
        sandbox = self._sandbox(request.pod_sandbox_id)
        refusals.check_container(request.config)
        image = self._images.require(request.config.image)
        identity = uuid.uuid4().hex
        log_path = Path(request.sandbox_config.log_directory or sandbox.folder) / request.config.log_path
        self._containers[identity] = Container(identity, sandbox.identity, request.config, image, log_path)
        return api.CreateContainerResponse(container_id=identity)

    def start_container(self, request: api.StartContainerRequest) -> api.StartContainerResponse:
        """Start a container's process."""
        container = self._container(request.container_id)
        sandbox = self._sandbox(container.sandbox_id)
        if not sandbox.is_ready:
            raise CallFailed(grpc.StatusCode.FAILED_PRECONDITION, f"sandbox {sandbox.identity} is stopped")
        surroundings = bubblewrap.Surroundings(self._etc, sandbox.resolv_conf, sandbox.hostname, self._options.rootless)
        group = self._options.limits.set_up(container.identity, container.config.linux.resources)
        try:
            container.start(
                self._spawner,
                lambda files: sandbox.entering(
                    bubblewrap.command(container.config, container.image, surroundings, files)
                ),
                group,
            )
        except CallFailed:
            group.remove()
            raise
        log.info("container %s (%s) of pod %s started", container.config.metadata.name, container.identity, sandbox.pod)
        return api.StartContainerResponse()

    def stop_container(self, request: api.StopContainerRequest) -> api.StopContainerResponse:
        """End a container within the grace period; one that is gone is fine."""
        container = self._containers.get(request.container_id)
        if container is not None:
            container.stop(request.timeout)
        return api.StopContainerResponse()

    def remove_container(self, request: api.RemoveContainerRequest) -> api.RemoveContainerResponse:
        """Forget a container, killed if need be; one that is gone is fine."""
        container = self._containers.get(request.container_id)
        if container is not None:
            container.stop(0)
            self._containers.pop(request.container_id, None)
        return api.RemoveContainerResponse()

    def list_containers(self, request: api.ListContainersRequest) -> api.ListContainersResponse:
        """List the containers that match a filter."""
        wanted = request.filter
        found = self._select(wanted.id, wanted.pod_sandbox_id, dict(wanted.label_selector))
        items = [container.listed() for container in found]
        return api.ListContainersResponse(
            containers=[item for item in items if not wanted.HasField("state") or item.state == wanted.state.state]
        )

    def container_status(self, request: api.ContainerStatusRequest) -> api.ContainerStatusResponse:
        """Describe one container."""
        return api.ContainerStatusResponse(status=self._container(request.container_id).status())

    def update_container_resources(
        self, request: api.UpdateContainerResourcesRequest
    ) -> api.UpdateContainerResourcesResponse:
        """Change a container's limits while it runs."""
        container = self._container(request.container_id)
        self._options.limits.change(container.identity, request.linux)
        container.config.linux.resources.CopyFrom(request.linux)
        return api.UpdateContainerResourcesResponse()

    def list_container_stats(self, request: api.ListContainerStatsRequest) -> api.ListContainerStatsResponse:
        """Say what the containers that match a filter use."""
        wanted = request.filter
        found = self._select(wanted.id, wanted.pod_sandbox_id, dict(wanted.label_selector))
        return api.ListContainerStatsResponse(stats=[usage.stats_of(container) for container in found])

    def reopen_container_log(self, request: api.ReopenContainerLogRequest) -> api.ReopenContainerLogResponse:
        """Go on in a new log file, after the kubelet has moved the old one away."""
        self._container(request.container_id).reopen_log()
        return api.ReopenContainerLogResponse()

    def exec_sync(self, request: api.ExecSyncRequest) -> api.ExecSyncResponse:
        """Run a command in a running container, as its user."""
        container = self._running(request.container_id)
        user = bubblewrap.user_of(container.config)
        hostname = self._sandbox(container.sandbox_id).hostname
        return execution.run(
            container.pid,
            [*bubblewrap.confinement(user, self._options.rootless), *request.cmd],
            bubblewrap.environment_of(container.config, container.image, hostname),
            request.timeout,
        )

    def signal_container(self, request: api.SignalContainerRequest) -> api.SignalContainerResponse:
        """Send a signal to a running container's first process."""
        self._running(request.container_id).signal(request.signal)
        return api.SignalContainerResponse()

    def _sandbox(self, identity: str) -> Sandbox:
        if identity not in self._sandboxes:
            raise not_found("sandbox", identity)
        return self._sandboxes[identity]

    def _container(self, identity: str) -> Container:
        if identity not in self._containers:
            raise not_found("container", identity)
        return self._containers[identity]

    def _running(self, identity: str) -> Container:
        container = self._container(identity)
        if container.state != api.CONTAINER_RUNNING:
            raise CallFailed(grpc.StatusCode.FAILED_PRECONDITION, f"container {identity} is not running")
        return container

    def _containers_of(self, sandbox_id: str) -> list[Container]:
        return [container for container in list(self._containers.values()) if container.sandbox_id == sandbox_id]

    def _select(self, identity: str, sandbox_id: str, labels: dict[str, str]) -> list[Container]:
        return [
            container
            for container in list(self._containers.values())
            if identity in ("", container.identity)
            and sandbox_id in ("", container.sandbox_id)
            and labels.items() <= dict(container.config.labels).items()
        ]

    def _pod_stats(self, sandbox: api.PodSandbox) -> api.PodSandboxStats:
        return api.PodSandboxStats(
            attributes=api.PodSandboxAttributes(
                id=sandbox.id, metadata=sandbox.metadata, labels=sandbox.labels, annotations=sandbox.annotations
            ),
            linux=api.LinuxPodSandboxStats(
                containers=[usage.stats_of(container) for container in self._containers_of(sandbox.id)]
            ),
        )
