"""What the API servers tell of themselves while a ramp climbs: pages of metrics, and Leases where they are a signal."""

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.apiserver.ramp.ladder import READ_LIMIT_S, Ladder
from chaoslib_cp.apiserver.ramp.reading import ServerReading, rss_growth_mib_per_s
from chaoslib_cp.apiserver.ramp.signals import SIGNALS
from chaoslib_cp.apiserver.saturated.evidence import Evidence
from chaoslib_cp.apiserver.saturated.judgement import ORDER, judge
from chaoslib_cp.apiserver.saturated.memory import Memory
from chaoslib_cp.apiserver.saturated.metrics import KEPT, QUERY, Metrics, metrics_of, notes_of
from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.cluster.door.connection import Connection
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import read_settings

LEASE_NAMESPACES: Final = ("kube-node-lease", "kube-system")
"""Of nodes, and of leaders (source: Kubernetes documentation, Leases)."""
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases?resourceVersion=0"
_LEASES_BYTES: Final = 16 * 2**20  # 5,000 nodes with 3 kB each
_NOT_LET_IN: Final = ("401", "403")
METRICS_AS: Final = "observer"
"""Identity as which metrics are read; its role comes with the manifests."""
LEASES_AS: Final = "admin"
"""Identity as which Leases are read, where there is one: the load's own waits in the queue that it fills."""
_LEASES_NEEDED: Final = (
    "lease_age_s; nothing was sent; let the administrator's or the load's identity list Leases, or use another signal"
)


class _Page:
    """One reading of ``/metrics`` that came whole."""

    def __init__(self, at_s: float, page: MetricsPage) -> None:
        self.at_s, self.page = at_s, page


class ServerWatch:
    """Reads the servers when it is told to; the first reading has nothing to compare with.

    Args:
        ladder: What is to be read.
        metrics: Ways to read ``/metrics``, the best first, by who it is; empty where they are not needed.
        leases: The same for Leases.
        servers: Where each API server listens, ``ip:port``.
        time: The time, as epoch seconds.
    """

    def __init__(
        self,
        ladder: Ladder,
        metrics: Mapping[str, Connection],
        leases: Mapping[str, Connection],
        servers: Sequence[str],
        time: SteadyTime,
    ) -> None:
        self._ladder, self._servers, self._time = ladder, tuple(servers), time
        self._metrics = dict(metrics) if ladder.reads_metrics else {}
        self._leases = dict(leases) if ladder.reads_leases else {}
        self._pages: dict[str, _Page] = {}
        self._fresh: frozenset[str] = frozenset()

    async def prepare(self) -> None:
        """Find out as whom everything can be read, and take the first reading.

        Raises:
            TargetRefused: A signal or a guard rail needs what nobody here may read, or no Lease is fresh; the message
                says what to do. Nothing was sent but these reads.
            TargetUnreachable: The API gives no answer.
        """
        if self._ladder.reads_metrics:
            self._metrics = await _first_that_may(self._metrics, self._read_pages, "/metrics", _needs(self._ladder))
        if self._ladder.reads_leases:
            self._leases = await _first_that_may(self._leases, self._note_leases, "Leases", _LEASES_NEEDED)
            if not self._fresh:
                line = self._ladder.until["lease_age_s"]
                raise TargetRefused(
                    f"no Lease in {' or '.join(LEASE_NAMESPACES)} is younger than {line:g} s (lease_age_s); nothing "
                    "was sent; raise that line, see that the clocks agree, or use another signal"
                )

    async def read(self) -> ServerReading:
        """Read everything that is needed, each once; never raises for a sick server."""
        troubles: list[str] = []
        lease_age_s: float | None = None
        before = dict(self._pages)
        for connection in self._metrics.values():
            troubles += await self._read_pages(connection)
        pairs = ((before.get(server), after) for server, after in self._pages.items())
        told = [one for pair in pairs if (one := _between(*pair)) is not None]
        for connection in self._leases.values():
            ages, trouble = await self._lease_ages(connection)
            troubles += trouble
            lease_age_s = max((age_s for name, age_s in ages.items() if name in self._fresh), default=None)
        return ServerReading(
            cpu_cores=_most(metrics.cores for metrics, _ in told),
            rss_mib_per_s=_most(rss_growth_mib_per_s(metrics.rss_bytes, metrics.seconds) for metrics, _ in told),
            lease_age_s=lease_age_s,
            restarts=sum(memory.restarts for _, memory in told),
            saturated=_word(told),
            trouble="; ".join(troubles),
        )

    async def _read_pages(self, connection: Connection) -> list[str]:
        """Read one page of each server; returns what went wrong."""
        await asyncio.to_thread(connection.login.renew_if_due)
        told = await asyncio.gather(*(self._read_page(connection, server) for server in self._servers))
        return [one for one in told if one]

    async def _read_page(self, connection: Connection, server: str) -> str:
        page, at_s = MetricsPage(KEPT), self._time.now_s()
        request = HttpsRequest("GET", f"/metrics?{QUERY}", keep_body_bytes=0, take_body=page.feed)
        sample = await https.ask(connection.target_at(server), request, READ_LIMIT_S)
        page.end()
        if sample.outcome != "ok":
            return f"/metrics of {server}: {_how(sample)}"
        if metrics_of([(at_s, page)]) is None:
            return f"/metrics of {server}: no metrics of an API server"
        began_s = at_s + sum(spent_s for phase, spent_s in sample.phases_s.items() if phase != "body")
        self._pages[server] = _Page(began_s, page)
        return ""

    async def _note_leases(self, connection: Connection) -> list[str]:
        ages, troubles = await self._lease_ages(connection)
        line_s = self._ladder.until["lease_age_s"]
        self._fresh = frozenset(name for name, age_s in ages.items() if age_s < line_s)
        return troubles

    async def _lease_ages(self, connection: Connection) -> tuple[dict[str, float], list[str]]:
        await asyncio.to_thread(connection.login.renew_if_due)
        ages: dict[str, float] = {}
        troubles = []
        for namespace in LEASE_NAMESPACES:
            request = HttpsRequest("GET", _LEASES.format(namespace=namespace), keep_body_bytes=_LEASES_BYTES)
            target = connection.target_at(connection.addresses[0])
            sample = await https.ask(target, request, READ_LIMIT_S)
            if sample.outcome != "ok":
                troubles.append(f"Leases of {namespace}: {_how(sample)}")
                continue
            ages |= _ages(namespace, sample.body, self._time.now_s())
        return ages, troubles


def server_watch(plan: OverloadPlan, ladder: Ladder, load: Connection, time: SteadyTime) -> ServerWatch:
    """Make the reader for one load, and see that it can read what the ladder needs.

    Args:
        plan: The orders of the load.
        ladder: How it climbs.
        load: The load's own way, which is taken where nobody better may read.
        time: The time.

    Raises:
        TargetRefused, TargetUnreachable: As :meth:`ServerWatch.prepare`.
    """
    ways = {identity: _described(plan, identity) for identity in plan.observers}
    found = {identity: way for identity, way in ways.items() if way is not None}
    metrics = {identity: way for identity, way in found.items() if identity == METRICS_AS}
    leases = {identity: way for identity, way in found.items() if identity == LEASES_AS}
    own = {"the load's identity": load}
    watch = ServerWatch(ladder, {**metrics, **own}, {**leases, **own}, plan.servers or plan.addresses, time)
    asyncio.run(watch.prepare())
    return watch


def _described(plan: OverloadPlan, identity: str) -> Connection | None:
    settings = read_settings().reached_by(plan.kubeconfig, {identity: plan.observers[identity]})
    try:
        return describe(settings, identity, plan.addresses)
    except ControlPlaneError:
        return None


async def _first_that_may(
    ways: Mapping[str, Connection], read: Callable[[Connection], Awaitable[list[str]]], what: str, needed_for: str
) -> dict[str, Connection]:
    """The first way that can read everything."""
    reasons: list[str] = []
    for who, connection in ways.items():
        troubles = await read(connection)
        if not troubles:
            return {who: connection}
        reasons.append(f"{who}: {troubles[0]}")
    if any(reason.endswith(_NOT_LET_IN) for reason in reasons):
        raise TargetRefused(f"{what} cannot be read ({'; '.join(reasons)}), and is needed for {needed_for}")
    raise TargetUnreachable(
        f"{what} cannot be read ({'; '.join(reasons)}), and is needed for {needed_for}; or wait until the API is well"
    )


def _between(before: _Page | None, after: _Page) -> tuple[Metrics, Memory] | None:
    """What two pages of one server say; None where the second did not come."""
    if before is None or before is after:
        return None
    pages = [(before.at_s, before.page), (after.at_s, after.page)]
    metrics = metrics_of(pages)
    return None if metrics is None else (metrics, Memory(before.at_s, tuple(notes_of(pages))))


def _ages(namespace: str, body: bytes, now_s: float) -> dict[str, float]:
    try:
        items = json.loads(body).get("items") or []
    except (ValueError, AttributeError):
        return {}
    found = {}
    for one in items:
        renewed = (one.get("spec") or {}).get("renewTime")
        if renewed:
            at_s = datetime.datetime.fromisoformat(str(renewed)).timestamp()
            found[f"{namespace}/{one['metadata']['name']}"] = max(0.0, now_s - at_s)
    return found


def _word(told: Sequence[tuple[Metrics, Memory]]) -> str:
    """The gravest of what the metrics of each server mark; calls that would say more are not made."""
    words = {judge(Evidence("", metrics=metrics, memory=memory)).resource for metrics, memory in told}
    return next((resource for resource in ORDER if resource in words), "")


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _how(sample: HttpsSample) -> str:
    return str(sample.http_status) if sample.http_status and sample.outcome != "ok" else sample.outcome


def _needs(ladder: Ladder) -> str:
    """What needs the metrics, and what to do where they cannot be read."""
    names = [name for name in ladder.until if SIGNALS[name].source == "metrics"]
    rails = ["the guard rail stop_at_restart"] if ladder.stop_at_restart else []
    return (
        f"{' and '.join([*names, *rails])}; nothing was sent; apply `chaos cp manifests` anew, which lets the observer "
        "read them, or use signals of the client with stop_at_restart false"
    )
