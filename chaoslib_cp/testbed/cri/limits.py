"""The CPU and memory limits of containers, as control groups beside the node's own."""

import contextlib
from pathlib import Path

from chaoslib_cp.testbed.cgroups import CgroupTree, Limits
from chaoslib_cp.testbed.cri import api_pb2 as api

MIB = 1024 * 1024


class ContainerLimits:
    """Groups for the containers of one node.

    Args:
        tree: the testbed's groups; None where control groups cannot be used, and limits are not enforced.
        node: the node's name; part of the groups' names.
    """

    def __init__(self, tree: CgroupTree | None, node: str) -> None:
        self._tree = tree
        self._node = node

    def set_up(self, identity: str, resources: api.LinuxContainerResources) -> "Group":
        """Make a container's group with its limits."""
        if self._tree is None:
            return Group([])
        return Group(self._tree.make(self._name(identity), limits_of(resources)))

    def change(self, identity: str, resources: api.LinuxContainerResources) -> None:
        """Change the limits of a container that runs."""
        if self._tree is not None:
            self._tree.limit(self._name(identity), limits_of(resources))

    def _name(self, identity: str) -> str:
        return f"{self._node}-{identity}"


class Group:
    """One container's control group.

    Args:
        files: the ``cgroup.procs`` files by which a process joins; none where limits are not enforced.
    """

    def __init__(self, files: list[Path]) -> None:
        self._files = files

    def join(self, *pids: int) -> None:
        """Put processes into the group; what they start later follows them."""
        for file in self._files:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    file.write_text(str(pid))

    def was_out_of_memory(self) -> bool:
        """Say whether the kernel killed a process for exceeding the memory limit."""
        for file in self._files:
            for name in ("memory.oom_control", "memory.events"):
                with contextlib.suppress(OSError):
                    counts = dict(line.split() for line in (file.parent / name).read_text().splitlines())
                    if int(counts.get("oom_kill", 0)):
                        return True
        return False

    def remove(self) -> None:
        """Remove the group; one that still holds a dying process goes with the testbed's whole tree."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.parent.rmdir()


def limits_of(resources: api.LinuxContainerResources) -> Limits:
    """Translate what the kubelet asks for; zero means no limit."""
    has_quota = resources.cpu_quota > 0 and resources.cpu_period > 0
    return Limits(
        cpu_cores=resources.cpu_quota / resources.cpu_period if has_quota else None,
        memory_mib=max(1, resources.memory_limit_in_bytes // MIB) if resources.memory_limit_in_bytes > 0 else None,
    )
