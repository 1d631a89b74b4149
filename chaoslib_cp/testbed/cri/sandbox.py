"""One pod sandbox: a network namespace with an address, a resolv.conf, and the pod's name."""

import shutil
import threading
from pathlib import Path

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.bubblewrap import resolv_conf
from chaoslib_cp.testbed.cri.clock import now_ns
from chaoslib_cp.testbed.cri.network import FIXED_HOSTS, Addresses, PodNamespace, PodNetwork


class Sandbox:
    """A sandbox; it has no process of its own, so it is ready until it is stopped.

    Args:
        identity: its id.
        config: as the kubelet gave it.
        folder: for its resolv.conf.
    """

    def __init__(self, identity: str, config: api.PodSandboxConfig, folder: Path) -> None:
        self.identity = identity
        self.config = config
        self.created_at_ns = now_ns()
        self.folder = folder
        self.is_ready = False
        self.address = ""
        self._namespace: PodNamespace | None = None
        self._addresses: Addresses | None = None
        self._lock = threading.Lock()

    @property
    def resolv_conf(self) -> Path:
        """The file that is /etc/resolv.conf in its containers."""
        return self.folder / "resolv.conf"

    @property
    def hostname(self) -> str:
        """What the pod calls itself."""
        return self.config.hostname or self.config.metadata.name

    @property
    def pod(self) -> str:
        """Namespace and name, for messages."""
        return f"{self.config.metadata.namespace}/{self.config.metadata.name}"

    def open(self, network: PodNetwork, addresses: Addresses) -> None:
        """Give it its network and files.

        Raises:
            CallFailed: no address is free, or the network could not be made; nothing is left behind.
        """
        self.folder.mkdir(parents=True)
        self.resolv_conf.write_text(resolv_conf(self.config.dns_config))
        if self.config.log_directory:
            Path(self.config.log_directory).mkdir(parents=True, exist_ok=True)
        self._addresses = addresses
        said = {*self.config.annotations.items(), *self.config.labels.items()}
        fixed = (host for words, host in FIXED_HOSTS.items() if words in said)
        self.address = addresses.take(next(fixed, None))
        namespace = PodNamespace(network, self.address, f"v{network.index}-{self.identity[:8]}")
        try:
            namespace.open(dict(self.config.linux.sysctls))
        except BaseException:
            addresses.give_back(self.address)
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._namespace = namespace
        self.is_ready = True

    def entering(self, command: list[str]) -> list[str]:
        """Return ``command`` as it is run in the pod's network."""
        return self._namespace.entering(command) if self._namespace else command

    def close(self) -> None:
        """Take its network away and free its address. May be called again."""
        with self._lock:
            self.is_ready = False
            if self._namespace is None:
                return
            self._namespace.close()
            self._namespace = None
            if self._addresses is not None:
                self._addresses.give_back(self.address)
            shutil.rmtree(self.folder, ignore_errors=True)

    def listed(self) -> api.PodSandbox:
        """Describe it for a list."""
        return api.PodSandbox(
            id=self.identity,
            metadata=self.config.metadata,
            state=self._state(),
            created_at=self.created_at_ns,
            labels=self.config.labels,
            annotations=self.config.annotations,
        )

    def status(self) -> api.PodSandboxStatus:
        """Describe it in full."""
        return api.PodSandboxStatus(
            id=self.identity,
            metadata=self.config.metadata,
            state=self._state(),
            created_at=self.created_at_ns,
            network=api.PodSandboxNetworkStatus(ip=self.address if self.is_ready else ""),
            linux=api.LinuxPodSandboxStatus(
                namespaces=api.Namespace(options=self.config.linux.security_context.namespace_options)
            ),
            labels=self.config.labels,
            annotations=self.config.annotations,
        )

    def _state(self) -> "api.PodSandboxState":
        return api.SANDBOX_READY if self.is_ready else api.SANDBOX_NOTREADY
