"""What a container uses, counted over all processes in its process namespace."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.clock import now_ns
from chaoslib_cp.testbed.cri.container import Container

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """CPU time used by living processes since they started, and resident memory."""

    cpu_ns: int
    rss_bytes: int


def usage_of(pid: int, proc: Path = Path("/proc")) -> Usage:
    """Add up the processes in the process namespace of ``pid``; zero when it is gone.

    Source: proc(5), fields 14, 15 (ticks) and 24 (pages) of ``stat``.
    """
    try:
        namespace = os.readlink(proc / str(pid) / "ns" / "pid")
    except OSError:
        return Usage(0, 0)
    ticks = pages = 0
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):  # it ended meanwhile
            if os.readlink(entry / "ns" / "pid") == namespace:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
                ticks += int(fields[11]) + int(fields[12])
                pages += int(fields[21])
    return Usage(ticks * NS_PER_TICK, pages * PAGE_BYTES)


def stats_of(container: Container) -> api.ContainerStats:
    """Build the kubelet's view of a container's usage."""
    usage = usage_of(container.pid)
    at_ns = now_ns()
    return api.ContainerStats(
        attributes=api.ContainerAttributes(
            id=container.identity,
            metadata=container.config.metadata,
            labels=container.config.labels,
            annotations=container.config.annotations,
        ),
        cpu=api.CpuUsage(timestamp=at_ns, usage_core_nano_seconds=api.UInt64Value(value=usage.cpu_ns)),
        memory=api.MemoryUsage(
            timestamp=at_ns,
            working_set_bytes=api.UInt64Value(value=usage.rss_bytes),
            rss_bytes=api.UInt64Value(value=usage.rss_bytes),
        ),
    )
