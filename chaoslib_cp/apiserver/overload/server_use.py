"""What the API servers used by their own word: a few lines of /metrics, read before a load and after it.

The page is large (about 2.5 MB, 150 ms of the server's CPU; shared facts, API-server overload 2.8), so it is read twice
and no more; a server that knows how sends these lines alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.apiserver.overload.refusals import open_agent
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.metrics import read_metrics
from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_CPU: Final = "process_cpu_seconds_total"
_STARTED: Final = "process_start_time_seconds"
_RSS: Final = "process_resident_memory_bytes"
_ALLOCATED: Final = "go_memstats_alloc_bytes_total"
_SEATS: Final = "apiserver_flowcontrol_work_estimated_seats"
_PLAIN: Final = (_CPU, _STARTED, _RSS, _ALLOCATED)
_KEPT: Final = (*_PLAIN, f"{_SEATS}_sum", f"{_SEATS}_count")
_READ_S: Final = 10.0


@dataclass(frozen=True)
class ServerReading:
    """What every address told.

    Attributes:
        pages: What was kept of its page, by address and start of the process behind it.
        at_s: When they were read, monotonic seconds.
        why_not: Why there are none; empty where there are.
    """

    pages: Mapping[tuple[str, float], MetricsPage]
    at_s: float
    why_not: str = ""


@dataclass(frozen=True)
class ServerUse:
    """What all API servers used between two readings, one reading itself included.

    Attributes:
        seconds: Between the readings.
        cpu_s: CPU seconds; None where that is not known.
        why_not: Why it is not; empty where it is.
        allocated_bytes: Memory that was allocated, most of it free again; None where the servers do not tell.
        rss_growth_bytes: By how much their resident memory grew; None as above.
        seats: Requests, and the seats that priority and fairness counted for them, by FlowSchema; None as above.
    """

    seconds: float
    cpu_s: float | None = None
    why_not: str = ""
    allocated_bytes: float | None = None
    rss_growth_bytes: float | None = None
    seats: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, without CPU."""
        return {
            "seconds": self.seconds,
            "allocated_bytes": self.allocated_bytes,
            "rss_growth_bytes": self.rss_growth_bytes,
            "seats_by_flow_schema": {
                schema: {"requests": requests, "seats": seats} for schema, (requests, seats) in self.seats.items()
            },
        }


def read_servers(settings: Settings, context: str, servers: Sequence[str], clock: Clock) -> ServerReading:
    """Ask every API server once, as the identity of the load or, where that may not, as the observer.

    Args:
        settings: What the run was told.
        context: Context of the load.
        servers: Where each of them listens (``ip:port``); where nobody knows, the addresses of the cluster are asked.
        clock: Source of time.
    """
    reasons = []
    ways: dict[str, Callable[[], Cluster]] = {
        "the load's identity": lambda: open_agent(settings, context),
        "the observer": lambda: open_cluster(settings, "observer"),
    }
    for what, open_it in ways.items():
        try:
            with open_it() as cluster:
                pages = dict(_read(cluster, address) for address in servers or cluster.addresses)
            return ServerReading(pages, clock.monotonic_s())
        except ControlPlaneError as error:
            outcome = f": {error.outcome}" if isinstance(error, CallFailed) else ""
            reasons.append(f"{what} cannot read /metrics{outcome}")
    return ServerReading({}, clock.monotonic_s(), " and ".join(reasons))


def used_between(before: ServerReading, after: ServerReading) -> ServerUse:
    """What all servers used between two readings, or why that is not known."""
    seconds = after.at_s - before.at_s
    for reading in (before, after):
        if reading.why_not:
            return ServerUse(seconds, why_not=reading.why_not)
    if before.pages.keys() != after.pages.keys():
        return ServerUse(seconds, why_not="a server was restarted meanwhile, or another one answers at its address")
    pairs = [(before.pages[one], after.pages[one]) for one in before.pages]
    return ServerUse(
        seconds,
        cpu_s=_grown(pairs, _CPU),
        allocated_bytes=_grown(pairs, _ALLOCATED),
        rss_growth_bytes=_grown(pairs, _RSS),
        seats=_seats(pairs),
    )


def _grown(pairs: Sequence[tuple[MetricsPage, MetricsPage]], name: str) -> float | None:
    """By how much a metric grew on all servers together; None where one does not have it."""
    grown = 0.0
    for first, last in pairs:
        was, now = first.value(name), last.value(name)
        if was is None or now is None:
            return None
        grown += now - was
    return grown


def _seats(pairs: Sequence[tuple[MetricsPage, MetricsPage]]) -> dict[str, tuple[float, float]]:
    counts, sums = (_by_flow_schema(pairs, f"{_SEATS}_{end}") for end in ("count", "sum"))
    return {schema: (count, sums.get(schema, 0.0)) for schema, count in counts.items() if count > 0}


def _by_flow_schema(pairs: Sequence[tuple[MetricsPage, MetricsPage]], name: str) -> dict[str, float]:
    grown: dict[str, float] = {}
    for first, last in pairs:
        before = first.sums(name, "flow_schema")
        for (schema,), value in last.sums(name, "flow_schema").items():
            grown[schema] = grown.get(schema, 0.0) + value - before.get((schema,), 0.0)
    return grown


def _read(cluster: Cluster, address: str) -> tuple[tuple[str, float], MetricsPage]:
    page = read_metrics(cluster, address, _KEPT, _READ_S)
    started = page.value(_STARTED)
    if started is None or page.value(_CPU) is None:
        raise CallFailed(f"/metrics of {address} does not tell {_CPU}", "error", is_unknown=False)
    return (address, started), page
