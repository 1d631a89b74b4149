"""CPU and memory limits for processes: cgroup v1, cgroup v2, or none with a clear word about it.

A limited process puts itself into its group between fork and exec by writing "0" (itself, in any process namespace)
to ``cgroup.procs``, so nothing it does ever runs outside.
Source: kernel documentation, cgroup-v1/memory.rst, scheduler/sched-bwc.rst, cgroup-v2.rst.
"""

import contextlib
import errno
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.inheritance import Kind, handed_to

ROOT = Path("/sys/fs/cgroup")
# A short period keeps the longest stall short: at 20 ms a process at 0.2 core waits 16 ms, not 80 (measured,
# shared/facts: 10 ms gave stalls of 20 ms, 100 ms stalls of 100 ms).
CPU_PERIOD_US = 20_000
# A group takes pages back while its limit is lowered to what it uses; each try drives them out again.
LOWERING_TRIES = 10
ASKED_BYTES = 4 * 1024 * 1024
ASKED_WITHIN_S = 5.0
NOT_ENFORCED = "not enforced: no control group may be made here, so overload depends on this machine's speed"


@dataclass(frozen=True)
class Limits:
    """What one process and its children may use.

    Args:
        cpu_cores: CPU time per time; None means no limit.
        memory_mib: resident memory at which the kernel kills, in MiB; None means no limit.
    """

    cpu_cores: float | None = None
    memory_mib: int | None = None


UNLIMITED = Limits()


def backend(root: Path = ROOT) -> str:
    """Return "v1", "v2" or "none": which kind of groups this process may make."""
    if all(os.access(root / controller, os.W_OK) for controller in ("cpu", "memory", "cpuacct")):
        return "v1"
    try:
        controllers = set((root / "cgroup.subtree_control").read_text().split())
    except OSError:
        return "none"
    usable = {"cpu", "memory"} <= controllers and os.access(root / "cgroup.procs", os.W_OK)
    return "v2" if usable else "none"


class CgroupTree:
    """All groups of one testbed, one folder per component under one parent.

    Args:
        name: the parent's name; ``remove`` takes away exactly what is under it.
        kind: "v1", "v2" or "none", see ``backend``.
    """

    def __init__(self, name: str, kind: str, root: Path = ROOT) -> None:
        self.kind = kind
        tops = {"v1": [root / "cpu", root / "cpuacct", root / "memory"], "v2": [root], "none": []}[kind]
        # cpu and cpuacct are often one mount under two names
        self._parents = list({(top / name).resolve(): None for top in tops})

    def make(self, component: str, limits: Limits) -> list[Path]:
        """Make a component's group with its limits and return the files a process joins it by."""
        files = []
        for parent in self._parents:
            parent.mkdir(exist_ok=True)
            if self.kind == "v2":
                (parent / "cgroup.subtree_control").write_text("+cpu +memory")
            (parent / component).mkdir(exist_ok=True)
            files.append(parent / component / "cgroup.procs")
        self.limit(component, limits)
        return files

    def limit(self, component: str, limits: Limits) -> None:
        """Set or lift the limits of a group that exists.

        A memory limit below what is in use makes the kernel kill, with version 1 as with version 2.
        """
        for parent in self._parents:
            for name, value in self._settings(limits):
                file = parent / component / name
                try:
                    if file.exists():
                        file.write_text(value)
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise
                    _kill_by_limit(file)

    def cpu_cores(self, component: str) -> float | None:
        """CPU time per time that a group may use; None when nothing limits it."""
        for parent in self._parents:
            name = "cpu.max" if self.kind == "v2" else "cpu.cfs_quota_us"
            if (parent / component / name).exists():
                quota_us = (parent / component / name).read_text().split()[0]
                return None if quota_us in ("max", "-1") else round(int(quota_us) / CPU_PERIOD_US, 5)
        return None

    def limit_cpu(self, component: str, cpu_cores: float | None) -> None:
        """Set or lift the CPU limit of a group that exists, and leave its memory alone."""
        wanted = self._settings(Limits(cpu_cores))
        for parent in self._parents:
            for name, value in (one for one in wanted if one[0].startswith("cpu.")):
                if (parent / component / name).exists():
                    (parent / component / name).write_text(value)

    def components(self, prefix: str) -> list[str]:
        """Names of the groups that begin so."""
        return sorted({file.name for parent in self._parents for file in parent.glob(f"{prefix}*")})

    def _settings(self, limits: Limits) -> list[tuple[str, str]]:
        quota_us = None if limits.cpu_cores is None else max(1000, round(limits.cpu_cores * CPU_PERIOD_US))
        memory_bytes = None if limits.memory_mib is None else limits.memory_mib * 1024 * 1024
        if self.kind == "v2":
            return [
                ("cpu.max", f"{'max' if quota_us is None else quota_us} {CPU_PERIOD_US}"),
                ("memory.max", "max" if memory_bytes is None else str(memory_bytes)),
            ]
        return [
            ("cpu.cfs_period_us", str(CPU_PERIOD_US)),
            ("cpu.cfs_quota_us", str(-1 if quota_us is None else quota_us)),
            ("memory.limit_in_bytes", str(-1 if memory_bytes is None else memory_bytes)),
        ]

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds each group has used so far; empty where that is not counted."""
        # version 1 has a cpu.stat as well, but one that counts throttled periods
        name, unit_s = ("cpuacct.usage", 1e-9) if self.kind == "v1" else ("cpu.stat", 1e-6)
        used_s = {}
        for file in sorted(file for parent in self._parents for file in parent.glob(f"*/{name}")):
            with contextlib.suppress(OSError):  # a container's group may go while we look
                used_s[file.parent.name] = _first_number(file.read_text()) * unit_s
        return used_s

    def remove(self, patience_s: float = 5.0) -> list[str]:
        """Remove every group of this tree; return those that stayed because a process is still in them."""
        ends_at_s = time.monotonic() + patience_s
        left = self._remove_once()
        while left and time.monotonic() < ends_at_s:
            time.sleep(0.02)  # the kernel empties a group a little after its last process was reaped
            left = self._remove_once()
        return left

    def _remove_once(self) -> list[str]:
        left = []
        for parent in self._parents:
            for folder, _, _ in os.walk(parent, topdown=False):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    continue
                except OSError:
                    left.append(folder)
        return left


def _kill_by_limit(limit: Path) -> None:
    """Do what version 2 does when a limit is set below what is in use, and version 1 refuses: let the kernel kill.

    The limit becomes what is in use, once the kernel has taken back all that it can. Then a small process of ours in
    that group asks for more: the kernel kills the largest of the group, which is not ours.

    Raises:
        OSError: The group took pages back faster than its limit was lowered.
    """
    for _ in range(LOWERING_TRIES):
        with contextlib.suppress(OSError):
            limit.write_text((limit.parent / "memory.usage_in_bytes").read_text().strip())
            break
    else:
        raise OSError(errno.EBUSY, "its memory limit cannot be lowered to what it uses", str(limit))
    # dd fills its buffer only once it is given something to read: by then it is in the group
    asker = ["dd", f"bs={ASKED_BYTES}", "iflag=fullblock", "of=/dev/null"]
    inherited = handed_to(Kind.TOOL)
    with subprocess.Popen(asker, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, **inherited) as process:
        (limit.parent / "cgroup.procs").write_text(str(process.pid))
        try:
            process.communicate(bytes(ASKED_BYTES), timeout=ASKED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _first_number(text: str) -> int:
    """Read ``cpuacct.usage``, which is a number, or ``cpu.stat``, whose first line is ``usage_usec NUMBER``."""
    return int(next(word for word in text.split() if word.isdecimal()))
