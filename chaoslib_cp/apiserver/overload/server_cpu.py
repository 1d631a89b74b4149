"""CPU time of the API servers by their own word: two lines of /metrics, read before a load and after it.

The page is large (about 2.5 MB, 150 ms of the server's CPU; shared facts, API-server overload 2.8), so it is read twice
and no more; a server that knows how sends the two lines alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from chaoslib_cp.apiserver.overload.refusals import open_agent
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_CPU: Final = "process_cpu_seconds_total"
_STARTED: Final = "process_start_time_seconds"
_KEPT: Final = (_CPU, _STARTED)
_QUERY: Final = urlencode([("name[]", name) for name in _KEPT])
_READ_S: Final = 10.0


@dataclass(frozen=True)
class ServerCpu:
    """What every address told.

    Attributes:
        used_s: CPU seconds since its start, by address and start of the process behind it.
        why_not: Why that is not known; empty where it is.
    """

    used_s: Mapping[tuple[str, float], float]
    why_not: str = ""


def read_server_cpu(settings: Settings, context: str, servers: Sequence[str]) -> ServerCpu:
    """Ask every API server once, as the identity of the load or, where that may not, as the observer.

    Args:
        settings: What the run was told.
        context: Context of the load.
        servers: Where each of them listens (``ip:port``); where nobody knows, the addresses of the cluster are asked.
    """
    reasons = []
    ways: dict[str, Callable[[], Cluster]] = {
        "the load's identity": lambda: open_agent(settings, context),
        "the observer": lambda: open_cluster(settings, "observer"),
    }
    for what, open_it in ways.items():
        try:
            with open_it() as cluster:
                return ServerCpu(dict(_read(cluster, address) for address in servers or cluster.addresses))
        except ControlPlaneError as error:
            outcome = f": {error.outcome}" if isinstance(error, CallFailed) else ""
            reasons.append(f"{what} cannot read /metrics{outcome}")
    return ServerCpu({}, " and ".join(reasons))


def used_between(before: ServerCpu, after: ServerCpu) -> tuple[float | None, str]:
    """CPU seconds that all servers used between two readings, or None and why that is not known."""
    for reading in (before, after):
        if reading.why_not:
            return None, reading.why_not
    if before.used_s.keys() != after.used_s.keys():
        return None, "a server was restarted meanwhile, or another one answers at its address"
    return sum(after.used_s[one] - before.used_s[one] for one in before.used_s), ""


def _read(cluster: Cluster, address: str) -> tuple[tuple[str, float], float]:
    with Cluster(replace(cluster.connection, addresses=(address,))) as one:
        answer = one.call("GET", f"/metrics?{_QUERY}", timeout_s=_READ_S)
        one.expect_success(answer, "read /metrics")
    page = MetricsPage(_KEPT)
    page.feed(answer.body)
    page.end()
    started, used_s = page.value(_STARTED), page.value(_CPU)
    if started is None or used_s is None:
        raise CallFailed(f"/metrics of {address} does not tell {_CPU}", "error", is_unknown=False)
    return (address, started), used_s
