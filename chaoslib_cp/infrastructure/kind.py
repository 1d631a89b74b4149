"""kind: its nodes are Docker containers with crictl inside, so no API is needed to reach what runs there."""

import json
import time
from collections.abc import Collection
from typing import Any

from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.infrastructure.container_act import ContainerAct
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program
from chaoslib_cp.infrastructure.node_container import ACTS, Docker, NodeContainer
from chaoslib_cp.infrastructure.setting import Value

# source: kind, pkg/cluster/internal/providers/docker and pkg/cluster/constants: every container carries both labels;
# before several control planes there is a proxy, which is labelled like a node and is none
_CLUSTER_LABEL = "io.x-k8s.kind.cluster"
_ROLE_LABEL = "io.x-k8s.kind.role"
_NODE_ROLES = ("control-plane", "worker")
# source: Kubernetes, pkg/kubelet/types/labels.go: the kubelet puts it on every sandbox
_POD_UID_LABEL = "io.kubernetes.pod.uid"


class KindDriver:
    """Uses ``docker exec NODE crictl``."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def act_on_containers(
        self, act: ContainerAct, namespace: str, label: str, pod_uids: Collection[str], timeout_s: float
    ) -> list[str]:
        """Act on the containers of these pods on every node; see :class:`Driver`."""
        deadline_s = time.monotonic() + timeout_s

        def docker(*argv: str) -> str:
            return run_program(["docker", *argv], max(1.0, deadline_s - time.monotonic()))

        found = [
            NodeContainer(docker, node, container, deadline_s)
            for node in self._nodes(docker)
            for pod in _pods(docker, node, namespace, label, pod_uids)
            for container in _crictl(docker, node, "ps", "--pod", pod, "--state", "running", "-q").split()
        ]
        ACTS[act](found)
        return [str(one) for one in found]

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:  # noqa: ARG002 - the contract has it
        """Nothing here counts it; see :class:`Driver`."""
        return None

    def read_setting(self, name: str, cluster_uid: str, timeout_s: float) -> Value:  # noqa: ARG002 - the contract has it
        """Nothing can be set here; see :class:`Driver`."""
        raise TargetRefused(f"kind cannot read or set {name}; use the testbed, or a program of yours as the driver")

    def set_setting(
        self,
        name: str,
        value: Value,
        expected: Value,  # noqa: ARG002 - the contract has it
        cluster_uid: str,  # noqa: ARG002 - as above
        timeout_s: float,  # noqa: ARG002 - as above
    ) -> Value:
        """Nothing can be set here; see :class:`Driver`."""
        raise TargetRefused(
            f"kind cannot set {name} to {value}; nothing was changed; use the testbed, or a program of yours"
        )

    def set_command(self, name: str, value: Value, expected: Value, cluster_uid: str) -> list[str]:  # noqa: ARG002 - as above
        """There is none."""
        return []

    def _nodes(self, docker: Docker) -> list[str]:
        columns = f'{{{{.Label "{_ROLE_LABEL}"}}}} {{{{.Names}}}}'
        listed = docker("ps", "--filter", f"label={_CLUSTER_LABEL}={self._cluster}", "--format", columns)
        nodes = [name for role, _, name in (line.partition(" ") for line in listed.splitlines()) if role in _NODE_ROLES]
        if not nodes:
            raise TargetRefused(
                f"Docker runs no node of a kind cluster named {self._cluster!r}; nothing was changed; "
                "set configuration.infrastructure to kind:NAME"
            )
        return nodes


def _crictl(docker: Docker, node: str, *argv: str) -> str:
    return docker("exec", node, "crictl", *argv)


def _pods(docker: Docker, node: str, namespace: str, label: str, pod_uids: Collection[str]) -> list[str]:
    """The node's sandboxes of these pods.

    The UIDs are compared here: a filter that some crictl did not know, or understood otherwise, would let others in.
    """
    chosen = ("--namespace", namespace, "--label", label, "--state", "ready", "-o", "json")
    try:
        listed: list[dict[str, Any]] = json.loads(_crictl(docker, node, "pods", *chosen)).get("items") or []
        return [str(pod["id"]) for pod in listed if (pod.get("labels") or {}).get(_POD_UID_LABEL) in pod_uids]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetRefused(
            f"crictl on node {node} did not list its pods as JSON; nothing was changed; use a node image of kind's own"
        ) from error
