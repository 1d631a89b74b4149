"""A container on a node of kind, and what can be done to it there, by crictl and by containerd's own ctr."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.infrastructure.container_act import (
    LOWERED_LIMIT_BYTES,
    OOM_KILL,
    OOM_KILL_WITHIN_S,
    RELOAD,
    RESTART,
    ContainerAct,
)

_POLL_S: Final = 0.2
# source: Kubernetes, CRI api.proto and the reason that containerd gives
_EXITED, _OUT_OF_MEMORY = "CONTAINER_EXITED", "OOMKilled"

Docker = Callable[..., str]
"""Runs docker with these arguments and returns what it wrote."""


@dataclass(frozen=True)
class NodeContainer:
    """One running container.

    Attributes:
        docker: How docker is run.
        node: Its node.
        identity: Its id in the node's runtime.
        deadline_s: When time is up, on the monotonic clock.
    """

    docker: Docker
    node: str
    identity: str
    deadline_s: float

    def __str__(self) -> str:
        return f"{self.node}/{self.identity}"

    def crictl(self, *argv: str) -> str:
        """Run crictl on the node, with the container's id behind these arguments."""
        return self.docker("exec", self.node, "crictl", *argv, self.identity)

    def kill(self) -> None:
        """Stop it with a grace of 0 s."""
        self.crictl("stop", "--timeout", "0")

    def reload(self) -> None:
        """Send SIGUSR1 to its first process: crictl has no signals, containerd's own ctr has."""
        ctr = ("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGUSR1")
        self.docker("exec", self.node, *ctr, self.identity)

    def status(self) -> dict[str, Any]:
        """What the runtime says of it.

        Raises:
            TargetUnreachable: It said something else.
        """
        try:
            found = json.loads(self.crictl("inspect", "--output", "json"))
            status: dict[str, Any] = (found[0] if isinstance(found, list) else found)["status"]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise TargetUnreachable(
                f"crictl on node {self.node} did not describe container {self.identity} as JSON; what had been done "
                "stays; use a node image of kind's own"
            ) from error
        return status

    def memory_limit_bytes(self) -> int:
        """Its memory limit, bytes.

        Raises:
            TargetRefused: It has none; nothing was changed.
            TargetUnreachable: The runtime does not tell.
        """
        resources = (self.status().get("resources") or {}).get("linux") or {}
        limit_bytes = int(resources.get("memoryLimitInBytes") or 0)
        if limit_bytes <= LOWERED_LIMIT_BYTES:
            raise TargetRefused(
                f"container {self} has no memory limit that could kill it; nothing was changed; give its pod one, or "
                f"use {RESTART.name}"
            )
        return limit_bytes

    def oom_kill(self, limit_bytes: int) -> None:
        """Lower its memory limit until the kernel has killed it; one that lives on gets its own limit back.

        Source: KEP-1287 of Kubernetes: below what is in use the kernel kills with control groups of version 2.

        Raises:
            TargetUnreachable: It was not killed.
        """
        ends_at_s = min(self.deadline_s, time.monotonic() + OOM_KILL_WITHIN_S)
        trouble = "it lives on"
        try:
            self.crictl("update", "--memory", str(LOWERED_LIMIT_BYTES))
        except TargetUnreachable as error:
            trouble = str(error)  # which is also said of one that dies meanwhile (opencontainers/runc#3509)
        while (status := self.status()).get("state") != _EXITED and time.monotonic() < ends_at_s:
            time.sleep(_POLL_S)
        if status.get("state") != _EXITED:
            self.crictl("update", "--memory", str(limit_bytes))
        elif status.get("reason") == _OUT_OF_MEMORY:
            return
        else:
            trouble = f"it ended, with reason {status.get('reason')}"
        raise TargetUnreachable(
            f"container {self} was not killed by a memory limit of {LOWERED_LIMIT_BYTES} bytes: {trouble}; no limit "
            f"stays changed; others may have been killed; use {RESTART.name}"
        )


def _kill_all(containers: Sequence[NodeContainer]) -> None:
    for one in containers:
        one.kill()


def _reload_all(containers: Sequence[NodeContainer]) -> None:
    for one in containers:
        one.reload()


def _oom_kill_all(containers: Sequence[NodeContainer]) -> None:
    limits = [one.memory_limit_bytes() for one in containers]  # all before the first: a refusal changes nothing
    for one, limit_bytes in zip(containers, limits, strict=True):
        one.oom_kill(limit_bytes)


ACTS: Final[Mapping[ContainerAct, Callable[[Sequence[NodeContainer]], None]]] = {
    RESTART: _kill_all,
    RELOAD: _reload_all,
    OOM_KILL: _oom_kill_all,
}
