"""What an API server's own metrics say of a few seconds: the difference between its pages.

Source of the names: facts/api-overload.md 4 for ``apiserver_`` and ``etcd_``; ``go_`` and ``process_`` are those of
client_golang, which an API server shows in full (kubernetes/component-base, metrics/legacyregistry, MetricsAll).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode

from chaoslib_cp.apiserver.saturated.memory import Note
from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.vantage import API_SERVER_MEMORY

_CPU: Final = "process_cpu_seconds_total"
_RSS: Final = API_SERVER_MEMORY.metric("rss_bytes")
_STARTED: Final = API_SERVER_MEMORY.metric("started_s")
_IDLE: Final = "go_cpu_classes_idle_cpu_seconds_total"
_ALL: Final = "go_cpu_classes_total_cpu_seconds_total"
_THREADS: Final = "go_sched_gomaxprocs_threads"
_WAITS: Final = "go_sched_latencies_seconds"
_FLOW: Final = "apiserver_flowcontrol_"
_EXECUTING: Final = f"{_FLOW}current_executing_seats"
_LIMIT: Final = f"{_FLOW}current_limit_seats"
_NOMINAL: Final = f"{_FLOW}nominal_limit_seats"
_WAITING: Final = f"{_FLOW}current_inqueue_requests"
_REJECTED: Final = f"{_FLOW}rejected_requests_total"
_QUEUED: Final = f"{_FLOW}request_wait_duration_seconds"
_ETCD: Final = "etcd_request_duration_seconds"
_PLAIN: Final = (
    _CPU, _RSS, _STARTED, _IDLE, _ALL, _THREADS, _EXECUTING, _LIMIT, _NOMINAL, _WAITING, _REJECTED,
)  # fmt: skip
KEPT: Final = (
    *_PLAIN,
    f"{_WAITS}_bucket",
    *(f"{name}_{end}" for name in (_QUEUED, _ETCD) for end in ("sum", "count")),
)
"""The lines that are kept of a page."""
QUERY: Final = urlencode([("name[]", name) for name in (*_PLAIN, _WAITS, _QUEUED, _ETCD)])
"""Asks for these metrics alone. A server that knows it (client_golang 1.24) sends some kB instead of megabytes."""

# A goroutine that could run and had to wait this long waited for a processor: Go hands them out within microseconds.
LONG_WAIT_S: Final = 0.01
# Go looks at one in so many of the times that a goroutine gets to run (source: Go, runtime/runtime2.go,
# gTrackingPeriod).
_SCHEDULED_FOR_EACH_SEEN: Final = 8
# A list of a large collection takes long on a healthy etcd, too.
_READS: Final = ("get",)
_WRITES: Final = ("create", "update", "delete")
# A client that goes away is no lack of seats (source: kubernetes/apiserver, apf_controller.go, "cancelled").
_NOT_FOR_SEATS: Final = "cancelled"
_EXEMPT: Final = "exempt"


@dataclass(frozen=True)
class EtcdCalls:
    """Requests to etcd for one object each, between two pages.

    Attributes:
        mean_s: Mean time of one, as the API server measures it: its own waits are part of it.
        count: How many.
        least_s: The least of the means between one page and the next; None where fewer than two are known. A disk that
            stands still for a second makes a mean, and no least one.
    """

    mean_s: float
    count: float
    least_s: float | None = None


@dataclass(frozen=True)
class Level:
    """One priority level over the window.

    Attributes:
        name: Its name.
        executing: Seats taken, at the page where it was most.
        limit: Seats that it had then.
        waiting: Requests in its queues, the fewest of all pages.
        most_waiting: The same, the most.
        rejected: Requests that were rejected between the pages, by reason.
        wait_s: Mean wait of those that left its queues between the pages; None when there was none.
    """

    name: str
    executing: float = 0.0
    limit: float = 0.0
    waiting: float = 0.0
    most_waiting: float = 0.0
    rejected: Mapping[str, float] = field(default_factory=dict)
    wait_s: float | None = None


@dataclass(frozen=True)
class Metrics:
    """What the pages of one server say. What needs two pages of one process is None where there were none.

    Attributes:
        pages: How many whole pages were read.
        seconds: Between the two that are compared.
        cores: CPU that the process got.
        idle_share: Share of the time for which threads that Go may run had nothing to do, by Go's own clock, 0..1: one
            that is stopped by a quota or waits for a processor counts as at work. Go counts it at each end of a garbage
            collection, so it is None where these were not about as far apart as the pages.
        waiting_goroutines: How many wait for a processor at a time, on average, each for over ``LONG_WAIT_S``; so many
            at least, since each wait counts with the lower bound of its bucket.
        rss_bytes: Resident memory at each page.
        age_s: Seconds since the process of the last page began, by its own account and our clock.
        etcd_reads: Reads of one object from etcd; None where there were none.
        etcd_writes: Writes of one object likewise.
        levels: Priority levels whose requests were rejected or had to wait.
    """

    pages: int
    seconds: float | None = None
    cores: float | None = None
    idle_share: float | None = None
    waiting_goroutines: float | None = None
    rss_bytes: tuple[float, ...] = ()
    age_s: float | None = None
    etcd_reads: EtcdCalls | None = None
    etcd_writes: EtcdCalls | None = None
    levels: tuple[Level, ...] = ()


def notes_of(pages: Sequence[tuple[float, MetricsPage]]) -> list[Note]:
    """What pages say of the memory of the process; those that do not say it are left out.

    Args:
        pages: As for ``metrics_of``.
    """
    told = ((at_s, page.value(_STARTED), page.value(_RSS)) for at_s, page in pages)
    return [Note(at_s, started_s, rss) for at_s, started_s, rss in told if started_s is not None and rss is not None]


def metrics_of(pages: Sequence[tuple[float, MetricsPage]]) -> Metrics | None:
    """Sum pages up; None where there is none that an API server would send.

    Args:
        pages: When each came, seconds since 1970, and what was kept of it; in their order.
    """
    usable = [(at_s, page) for at_s, page in pages if page.value(_STARTED) is not None]
    if not usable:
        return None
    started = [page.value(_STARTED) or 0.0 for _, page in usable]
    rss = tuple(page.value(_RSS) or 0.0 for _, page in usable)
    of_last = [one for one, began_s in zip(usable, started, strict=True) if began_s == started[-1]]
    (first_s, first), (last_s, last) = of_last[0], of_last[-1]
    told = _Pair(first, last) if first is not last else None
    seconds = last_s - first_s if told else None
    waited_s = told.waited_for_processors_s() if told else None
    return Metrics(
        pages=len(usable),
        seconds=seconds,
        cores=told.grown(_CPU) / seconds if told and seconds else None,
        idle_share=told.idle_share(seconds) if told and seconds else None,
        waiting_goroutines=None if waited_s is None or not seconds else waited_s / seconds,
        rss_bytes=rss,
        age_s=last_s - started[-1],
        etcd_reads=_etcd_calls([page for _, page in of_last], _READS),
        etcd_writes=_etcd_calls([page for _, page in of_last], _WRITES),
        levels=tuple(_levels([page for _, page in of_last], told)),
    )


@dataclass(frozen=True)
class _Pair:
    """Two pages of one process."""

    first: MetricsPage
    last: MetricsPage

    def grown(self, name: str) -> float:
        return sum(self.by(name).values())

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        before = self.first.sums(name, *labels)
        return {key: value - before.get(key, 0.0) for key, value in self.last.sums(name, *labels).items()}

    def etcd_calls(self, operations: Sequence[str]) -> EtcdCalls | None:
        """Those of some operations together; None where there were none."""
        sums, counts = (self.by(f"{_ETCD}_{end}", "operation") for end in ("sum", "count"))
        count = sum(counts.get((one,), 0.0) for one in operations)
        return EtcdCalls(sum(sums.get((one,), 0.0) for one in operations) / count, count) if count else None

    def idle_share(self, seconds: float) -> float | None:
        """Of the time between the last collections before each page.

        Source: Go, runtime/metrics, /cpu/classes/idle:cpu-seconds against /cpu/classes/total:cpu-seconds.
        """
        counted_s, elapsed_s = self.grown(_ALL), (self.last.value(_THREADS) or 0.0) * seconds
        is_of_the_window = counted_s > 0 and elapsed_s / 2 <= counted_s <= 2 * elapsed_s
        return self.grown(_IDLE) / counted_s if is_of_the_window else None

    def waited_for_processors_s(self) -> float | None:
        """Seconds that all goroutines together waited for a processor, in waits that were long."""
        within = sorted((float(bound), count) for (bound,), count in self.by(f"{_WAITS}_bucket", "le").items())
        if not within or not within[-1][1]:
            return None
        waits = [(longer, above - below) for (longer, below), (_, above) in pairwise(within)]
        return _SCHEDULED_FOR_EACH_SEEN * sum(wait_s * count for wait_s, count in waits if wait_s >= LONG_WAIT_S)


def _etcd_calls(pages: Sequence[MetricsPage], operations: Sequence[str]) -> EtcdCalls | None:
    """Those of the whole window, and of the five seconds of it in which they were quickest."""
    whole = _Pair(pages[0], pages[-1]).etcd_calls(operations)
    each = [_Pair(before, after).etcd_calls(operations) for before, after in pairwise(pages)]
    means_s = [one.mean_s for one in each if one is not None]
    return replace(whole, least_s=min(means_s)) if whole is not None and len(means_s) > 1 else whole


def _levels(pages: Sequence[MetricsPage], told: _Pair | None) -> Iterable[Level]:
    """The levels whose requests were rejected or had to wait."""
    waiting = [page.sums(_WAITING, "priority_level") for page in pages]
    rejected = told.by(_REJECTED, "priority_level", "reason") if told else {}
    waits = {end: told.by(f"{_QUEUED}_{end}", "priority_level") if told else {} for end in ("sum", "count")}
    names = {name for one in waiting for (name,) in one} | {name for name, _ in rejected}
    for name in sorted(names - {_EXEMPT}):
        in_queue = [one.get((name,), 0.0) for one in waiting]
        refused = {
            reason: count
            for (level, reason), count in rejected.items()
            if level == name and reason != _NOT_FOR_SEATS and count > 0
        }
        left = waits["count"].get((name,), 0.0)
        wait_s = waits["sum"].get((name,), 0.0) / left if left else None
        executing, limit = max((_seats(page, name) for page in pages), key=lambda one: one[0])
        yield Level(name, executing, limit, min(in_queue), max(in_queue), refused, wait_s)


def _seats(page: MetricsPage, level: str) -> tuple[float, float]:
    """Seats that a level has taken, and those that it has; borrowed ones count where the server tells of them."""
    taken = page.sums(_EXECUTING, "priority_level").get((level,), 0.0)
    limits = page.sums(_LIMIT, "priority_level") or page.sums(_NOMINAL, "priority_level")
    return taken, limits.get((level,), 0.0)
