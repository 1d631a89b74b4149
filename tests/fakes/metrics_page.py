"""A page of metrics as an API server writes it, with the numbers of a test."""

from collections.abc import Mapping
from typing import Final

from chaoslib_cp.apiserver.saturated.metrics import KEPT
from chaoslib_cp.engine.sample.exposition import MetricsPage

_BOUNDS: Final = ("0.0009175039999999999", "0.010485759999999998", "0.11744051199999998", "+Inf")


def page_text(
    cpu_s: float = 100.0,
    rss_mib: float = 400.0,
    started_s: float = 1000.0,
    woken: tuple[float, float] = (10_000.0, 10.0),
    cpu_classes: tuple[float, float] = (90.0, 100.0),
    etcd: tuple[float, float] = (1.0, 500.0),
    etcd_writes: tuple[float, float] = (1.0, 500.0),
    executing: Mapping[str, tuple[float, float]] | None = None,
    waiting: Mapping[str, float] | None = None,
    rejected: Mapping[tuple[str, str], float] | None = None,
    waited: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """The page.

    Args:
        cpu_s: CPU that the process has used.
        rss_mib: Its resident memory.
        started_s: When it began, seconds since 1970.
        woken: How many goroutines were scheduled, and how many of them waited over 10 ms.
        cpu_classes: Seconds for which its threads were idle, and of all, by Go's account.
        etcd: Seconds and number of reads of one object from etcd; slow lists stand beside them.
        etcd_writes: Seconds and number of writes; creations are half of them, updates the other half.
        executing: Seats taken and seats to have, by priority level.
        waiting: Requests in queues, by priority level.
        rejected: Requests rejected, by priority level and reason.
        waited: Seconds and number of waits in queues, by priority level.
    """
    all_, long = woken
    lines = [
        "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.",
        f"process_cpu_seconds_total {cpu_s}",
        f"process_resident_memory_bytes {rss_mib * 2**20:e}",
        f"process_start_time_seconds {started_s}",
        "go_sched_gomaxprocs_threads 2",
        f"go_cpu_classes_idle_cpu_seconds_total {cpu_classes[0]}",
        f"go_cpu_classes_total_cpu_seconds_total {cpu_classes[1]}",
        f"go_sched_latencies_seconds_count {all_}",
        *(
            f'go_sched_latencies_seconds_bucket{{le="{bound}"}} {all_ - (long if number < 2 else 0)}'
            for number, bound in enumerate(_BOUNDS)
        ),
        f'etcd_request_duration_seconds_sum{{group="",operation="get",resource="pods"}} {etcd[0]}',
        f'etcd_request_duration_seconds_count{{group="",operation="get",resource="pods"}} {etcd[1]}',
        *(
            f'etcd_request_duration_seconds_{end}{{group="",operation="{operation}",resource="pods"}} {value / 2}'
            for operation in ("create", "update")
            for end, value in zip(("sum", "count"), etcd_writes, strict=True)
        ),
        f'etcd_request_duration_seconds_sum{{group="",operation="list",resource="pods"}} {etcd[0] * 1000}',
        f'etcd_request_duration_seconds_count{{group="",operation="list",resource="pods"}} {etcd[1]}',
    ]
    flow = "apiserver_flowcontrol"
    for level, (taken, limit) in (executing or {"workload-low": (1, 245)}).items():
        lines.append(f'{flow}_current_executing_seats{{flow_schema="a",priority_level="{level}"}} {taken}')
        lines.append(f'{flow}_current_limit_seats{{priority_level="{level}"}} {limit}')
    for level, count in (waiting or {"exempt": 0, "workload-low": 0}).items():
        lines.append(f'{flow}_current_inqueue_requests{{flow_schema="a",priority_level="{level}"}} {count}')
    for (level, reason), count in (rejected or {}).items():
        labels = f'flow_schema="a",priority_level="{level}",reason="{reason}"'
        lines.append(f"{flow}_rejected_requests_total{{{labels}}} {count}")
    for level, (seconds, count) in (waited or {}).items():
        labels = f'execute="true",flow_schema="a",priority_level="{level}"'
        lines.append(f"{flow}_request_wait_duration_seconds_sum{{{labels}}} {seconds}")
        lines.append(f"{flow}_request_wait_duration_seconds_count{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def page_read(text: str) -> MetricsPage:
    """What is kept of it."""
    page = MetricsPage(KEPT)
    page.feed(text.encode())
    page.end()
    return page
