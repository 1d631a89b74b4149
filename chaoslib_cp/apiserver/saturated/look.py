"""The whole look: whom to ask, asking all of them at once, judging each, and what the asking itself cost."""

import asyncio
import time as process_time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.apiserver.saturated.asking import Seen, Way, look_at
from chaoslib_cp.apiserver.saturated.evidence import Evidence, Waits, evidence_of
from chaoslib_cp.apiserver.saturated.failures import NOT_LET_IN
from chaoslib_cp.apiserver.saturated.judgement import NOTHING, ORDER, UNKNOWN, Verdict, judge
from chaoslib_cp.apiserver.saturated.notes import container_ends, keep_notes, notes_before
from chaoslib_cp.apiserver.saturated.servers import Servers, servers_to_ask
from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.engine.sample.https import HttpsTarget
from chaoslib_cp.engine.sample.pace import StallMeter
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.observe.recent import epoch_offset_s
from chaoslib_cp.settings import Settings

_OBSERVER: Final = "observer"
#: The result of a probe stays below 4 kB (facts: contract of Chaos Toolkit).
_MOST_SERVERS: Final = 4
_MOST_WORDS: Final = 240
_NO_METRICS: Final = ": apply `chaos cp manifests` anew, which lets the observer read them"


@dataclass(frozen=True)
class _Asked:
    """What all servers said, and what asking them cost."""

    seen: Sequence[Seen]
    seconds: float
    client_cpu_s: float


def what_is_saturated(settings: Settings, window_s: float, clock: Clock) -> dict[str, Any]:
    """Look and judge; keys are told by the probe of the same name.

    Raises:
        TargetRefused: Without a run: no cluster was named, or it has no context for the observer.
    """
    try:
        connection = describe(settings, _OBSERVER)
        servers = servers_to_ask(settings, connection.addresses, clock)
        targets = [connection.target_at(address) for address in servers.addresses]
    except ControlPlaneError as error:
        if isinstance(error, TargetRefused) and settings.run_dir is None:
            raise
        return _result([], [], Servers((), (str(error),)), None)
    # A loop on the main thread would swallow a signal that lands in it (ecosystem facts, row S2).
    with ThreadPoolExecutor(max_workers=1) as thread:
        offset_s = epoch_offset_s(settings.run_dir) if settings.run_dir else None
        asked = thread.submit(_ask, targets, window_s, SteadyTime(clock, offset_s)).result()
    each = _evidence(settings, asked.seen, clock)
    return _result(each, [judge(one) for one in each], servers, asked)


def _evidence(settings: Settings, seen: Sequence[Seen], clock: Clock) -> list[Evidence]:
    """What was seen now, with what was noted before, and what a kubelet tells of servers that went away."""
    earlier = notes_before(settings.run_dir, clock)
    keep_notes(settings.run_dir, seen)
    found = [evidence_of(one, earlier.get(one.server, ())) for one in seen]
    if not any(one.memory.went_away for one in found):
        return found
    ends = container_ends(settings, [one.server for one in seen])
    return [evidence_of(one, earlier.get(one.server, ()), ends.get(one.server)) for one in seen]


def _ask(targets: Sequence[HttpsTarget], window_s: float, time: SteadyTime) -> _Asked:
    cpu_s, began_s = process_time.thread_time(), time.now_s()
    seen = asyncio.run(_ask_all(targets, window_s, time))
    return _Asked(seen, time.now_s() - began_s, process_time.thread_time() - cpu_s)


async def _ask_all(targets: Sequence[HttpsTarget], window_s: float, time: SteadyTime) -> list[Seen]:
    stalls = StallMeter(time)
    stalls.start()
    try:
        ways = (Way(target, LIBRARY_NAMESPACE, window_s, time, stalls) for target in targets)
        return list(await asyncio.gather(*map(look_at, ways)))
    finally:
        stalls.stop()


def _result(
    each: Sequence[Evidence], verdicts: Sequence[Verdict], servers: Servers, asked: _Asked | None
) -> dict[str, Any]:
    chief = min(verdicts, key=_gravity, default=Verdict("", UNKNOWN, "nobody could be asked"))
    by_server = {one.server: one for one in each}
    shown = sorted(verdicts, key=_gravity)[:_MOST_SERVERS]
    troubles = {one.metrics_trouble for one in each if one.metrics_trouble}
    return {
        "ok": chief.resource == NOTHING,
        "resource": chief.resource,
        "words": chief.words[:_MOST_WORDS],
        "between": list(chief.between),
        "also": list(chief.also),
        "servers": [_told(one, by_server[one.server]) for one in shown],
        "left_off": len(verdicts) - len(shown),
        "not_seen": [
            *(line[:_MOST_WORDS] for line in servers.not_seen),
            *(f"metrics ({one}){_NO_METRICS if one == NOT_LET_IN else ''}" for one in sorted(troubles)),
        ],
        "cost": _cost(asked),
    }


def _gravity(verdict: Verdict) -> int:
    """The gravest first; one that nobody can tell comes before one that is well."""
    return [*ORDER, UNKNOWN, NOTHING].index(verdict.resource)


def _told(verdict: Verdict, seen: Evidence) -> dict[str, Any]:
    """One server in few words and rounded numbers."""
    told, growth = seen.metrics, seen.memory.growth
    numbers = {
        "connect_s": seen.connect_s,
        "handshake_s": seen.handshake_s,
        "livez_s": _first_byte(seen.livez),
        "version_s": _first_byte(seen.version),
        "stored_s": _first_byte(seen.stored),
        "cached_s": _first_byte(seen.cached),
        "sent_again_ratio": seen.sent_again,
        "cores": told.cores if told else None,
        "idle_ratio": told.idle_share if told else None,
        "waiting_goroutines": told.waiting_goroutines if told else None,
        "etcd_reads_s": told.etcd_reads.mean_s if told and told.etcd_reads else None,
        "etcd_writes_s": told.etcd_writes.mean_s if told and told.etcd_writes else None,
        "rss_mib": told.rss_bytes[-1] / 2**20 if told else None,
        "rss_calm_mib": growth.calm_bytes / 2**20 if growth else None,
        "rss_before_end_mib": growth.last_bytes / 2**20 if growth else None,
    }
    return {
        "server": verdict.server,
        "resource": verdict.resource,
        "words": verdict.words[:_MOST_WORDS],
        "restarts": seen.memory.restarts if told else None,
        "failures": dict(seen.failures),
        "void": seen.void,
        **{name: None if value is None else float(f"{value:.3g}") for name, value in numbers.items()},
    }


def _first_byte(waits: Waits | None) -> float | None:
    return waits.median_s if waits else None


def _cost(asked: _Asked | None) -> dict[str, float]:
    if asked is None:
        return {"calls": 0, "body_bytes": 0, "client_cpu_s": 0.0, "seconds": 0.0}
    return {
        "calls": sum(len(one.samples) for one in asked.seen),
        "body_bytes": sum(one.body_bytes for one in asked.seen),
        "client_cpu_s": round(asked.client_cpu_s, 3),
        "seconds": round(asked.seconds, 1),
    }
