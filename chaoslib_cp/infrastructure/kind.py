"""kind: its nodes are Docker containers with crictl inside, so no API is needed to kill what runs there."""

import time

from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program

# source: kind, pkg/cluster/internal/providers/docker: every node container carries this label
_CLUSTER_LABEL = "io.x-k8s.kind.cluster"


class KindDriver:
    """Uses ``docker exec NODE crictl``."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def restart_containers(self, namespace: str, label: str, timeout_s: float) -> list[str]:
        """Stop the containers of matching pods with a grace of 0 s on every node; see :class:`Driver`."""
        deadline_s = time.monotonic() + timeout_s

        def lines(*argv: str) -> list[str]:
            return run_program(["docker", *argv], max(1.0, deadline_s - time.monotonic())).split()

        nodes = lines("ps", "--filter", f"label={_CLUSTER_LABEL}={self._cluster}", "--format", "{{.Names}}")
        if not nodes:
            raise TargetRefused(
                f"Docker runs no node of a kind cluster named {self._cluster!r}; nothing was changed; "
                "set configuration.infrastructure to kind:NAME"
            )
        killed = []
        for node in nodes:
            crictl = ("exec", node, "crictl")
            chosen = ("--namespace", namespace, "--label", label, "--state", "ready", "-q")
            for pod in lines(*crictl, "pods", *chosen):
                for container in lines(*crictl, "ps", "--pod", pod, "--state", "running", "-q"):
                    lines(*crictl, "stop", "--timeout", "0", container)
                    killed.append(f"{node}/{container}")
        return killed

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:  # noqa: ARG002 - the contract has it
        """Nothing here counts it; see :class:`Driver`."""
        return None
