"""One read of the probers' pages, for probes used without an observer."""

import asyncio
from typing import Final

from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.prober import configured_pages, find_prober
from chaoslib_cp.cluster.gate.permit import permit_for
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.observe.prober_pull import ProberPull
from chaoslib_cp.settings import Settings

_LOOKUP_S: Final = 5.0
_BEGUN_S: Final = 3.0
"""Each question has been asked once by then: periods are a second at most, and DNS pods are looked up first."""


def pull_samples(settings: Settings, time: SteadyTime, clock: Clock) -> list[Record]:
    """Return what the probers' pages hold, on our clock; nothing of those that do not answer.

    Raises:
        ProfileInvalid: ``prober_pages`` of the configuration is no list of texts.
        TargetRefused: No cluster was named, or its prober may not be looked for.
        TargetUnreachable: Nobody can tell where the prober is.
    """
    records: list[Record] = []
    asyncio.run(_pull(ProberPull(_pages(settings, clock), time, records.append, since_s=0.0)))
    return [record for record in records if record.get("kind") == "sample" and not record.get("void")]


async def _pull(pull: ProberPull) -> None:
    """Pull once; again where a prober has only begun to ask, since nobody had read its page before."""
    await pull.pull_once()
    if pull.youngest_s < _BEGUN_S:
        await asyncio.sleep(_BEGUN_S - pull.youngest_s)
        await pull.pull_once()


def _pages(settings: Settings, clock: Clock) -> tuple[str, ...]:
    """What the configuration names, else what the gate noted for this run, else what the API says."""
    configured = configured_pages(settings)
    if configured:
        return configured
    with open_cluster(settings) as cluster:
        return _noted_pages(cluster, settings, clock) or find_prober(cluster, timeout_s=_LOOKUP_S).pages


def _noted_pages(cluster: Cluster, settings: Settings, clock: Clock) -> tuple[str, ...]:
    """What the gate noted for this run and cluster, so that the API need not be asked in the storm."""
    permit = permit_for(settings, cluster, "", clock)
    is_for_this = permit is not None and not permit.refusal(cluster, "", clock)
    return permit.prober_pages if permit is not None and is_for_this else ()
