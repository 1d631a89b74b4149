"""What one dwell on a rung showed: counted at the client, and told by the servers. Plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.engine.load.latency import Histogram
from chaoslib_cp.engine.load.totals import Totals

VOID_LAG_S: Final = 0.25
"""With its first tries later than this against their due time, a client measured its own machine (design, 4)."""
_MIB: Final = 2**20


@dataclass(frozen=True)
class ServerReading:
    """What the API servers told of the time between two readings; None is "not read", never good or bad news.

    Attributes:
        cpu_cores: Cores that the busiest one got.
        rss_mib_per_s: Growth of the resident memory of the one that grew most.
        lease_age_s: Age of the oldest Lease that was fresh before the load.
        restarts: How many of them are another process than before.
        saturated: What the rules of ``what_is_saturated`` say by their metrics alone; empty where they say nothing.
        trouble: What could not be read and why; empty where all was.
    """

    cpu_cores: float | None = None
    rss_mib_per_s: float | None = None
    lease_age_s: float | None = None
    restarts: int = 0
    saturated: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Reading:
    """One dwell.

    Attributes:
        nodes: Virtual nodes that were there.
        seconds: How long it was.
        due: Requests whose time came, those included that the profile's own cap held back.
        ended: Tries that were over, those left out that we broke off ourselves.
        answered: Those that got an HTTP answer.
        refused: Those that got 429.
        failed: Those that got no answer, or 5xx.
        p50_s: Median of latency from the due time, seconds; None without a request that is over or waits.
        p99_s: 99th percentile of the same.
        lag_p99_s: 99th percentile of how late first tries began: our own machine's part.
        servers: What the servers told.
    """

    nodes: int
    seconds: float
    due: int = 0
    ended: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    p50_s: float | None = None
    p99_s: float | None = None
    lag_p99_s: float | None = None
    servers: ServerReading = field(default_factory=ServerReading)

    @property
    def offered_per_s(self) -> float:
        """Requests that came due each second."""
        return self.due / self.seconds if self.seconds else 0.0

    @property
    def answered_per_s(self) -> float:
        """Answers each second, refusals among them."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def refused_ratio(self) -> float | None:
        """Share (0..1) of the answers that are 429; None without an answer."""
        return self.refused / self.answered if self.answered else None

    @property
    def error_ratio(self) -> float:
        """Share (0..1) of the tries that got no answer, or 5xx."""
        return self.failed / self.ended if self.ended else 0.0

    @property
    def cpu_cores(self) -> float | None:
        """As the servers told."""
        return self.servers.cpu_cores

    @property
    def rss_mib_per_s(self) -> float | None:
        """As the servers told."""
        return self.servers.rss_mib_per_s

    @property
    def lease_age_s(self) -> float | None:
        """As the servers told."""
        return self.servers.lease_age_s

    @property
    def is_void(self) -> bool:
        """Whether our own machine was too late for this to say anything of the servers."""
        return (self.lag_p99_s or 0.0) > VOID_LAG_S

    def as_row(self) -> dict[str, Any]:
        """One row of the ladder: plain JSON, rounded for people; null where something was not read."""
        told = {
            "offered_per_s": self.offered_per_s,
            "answered_per_s": self.answered_per_s,
            "p50_s": self.p50_s,
            "p99_s": self.p99_s,
            "refused_ratio": self.refused_ratio,
            "error_ratio": self.error_ratio,
            "server_cpu_cores": self.cpu_cores,
            "server_rss_mib_per_s": self.rss_mib_per_s,
            "lease_age_s": self.lease_age_s,
        }
        rounded = {name: None if value is None else float(f"{value:.3g}") for name, value in told.items()}
        return {"nodes": self.nodes, "seconds": round(self.seconds, 1), **rounded, "saturated": self.servers.saturated}


def reading_of(
    nodes: int, seconds: float, totals: Totals, open_for_s: Sequence[float], servers: ServerReading
) -> Reading:
    """Sum one dwell up.

    Args:
        nodes: Virtual nodes that were there.
        seconds: How long it was.
        totals: What was counted in that time.
        open_for_s: How long each request that has no answer yet has been waiting, seconds. One that has waited longer
            than nearly all that are over would be missed, so it counts with its time so far.
        servers: What the servers told.
    """
    latency = Histogram()
    latency.merge(totals.latency())
    usual_s = latency.percentile_s(99) or 0.0
    for waited_s in open_for_s:
        if waited_s > usual_s:
            latency.record(waited_s)
    count = totals.account()
    aborted = totals.outcomes.get("aborted", 0)
    return Reading(
        nodes=nodes,
        seconds=seconds,
        due=totals.due,
        ended=sum(totals.outcomes.values()) - aborted,
        answered=count["answered"],
        refused=count["refused"],
        failed=sum(number for name, number in count.items() if name.startswith("failed_"))
        + totals.outcomes.get("http_5xx", 0),
        p50_s=latency.percentile_s(50),
        p99_s=latency.percentile_s(99),
        lag_p99_s=totals.lag.percentile_s(99),
        servers=servers,
    )


def rss_growth_mib_per_s(rss_bytes: Sequence[float], seconds: float | None) -> float | None:
    """Growth of resident memory between the first and the last page, MiB a second; None without two pages."""
    if len(rss_bytes) < 2 or not seconds:
        return None
    return (rss_bytes[-1] - rss_bytes[0]) / _MIB / seconds
