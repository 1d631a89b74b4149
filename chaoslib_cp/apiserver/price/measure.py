"""The small loads, one after the other: a look, none, a climb, lists that end early, and none again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.apiserver.overload.alone import play_alone
from chaoslib_cp.apiserver.overload.refusals import open_agent
from chaoslib_cp.apiserver.overload.server_use import ServerUse, read_servers, used_between
from chaoslib_cp.apiserver.overload.wanted import MAX_NODES, MAX_RATE_PER_S
from chaoslib_cp.apiserver.price.ask import PriceAsk
from chaoslib_cp.apiserver.price.flow import flow_schema_of
from chaoslib_cp.apiserver.price.rung import Idle, MeasuredRung
from chaoslib_cp.apiserver.price.scaled import Scaled, read_kinds, sped_up, with_fewer_objects
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.engine.capacity.agents import ReadKind
from chaoslib_cp.errors import TargetUnreachable
from chaoslib_cp.settings import Settings
from chaoslib_cp.waits import waiting_for

_MOST_RUNGS: Final = 6
#: A climb begins at a part of what it is to reach, for what a request costs is only guessed by then.
_BEGIN: Final = 0.25
_NEAR: Final = 0.7
_FAR: Final = 0.125
_SHARES: Final = (0.5, 0.25)


@dataclass(frozen=True)
class Measured:
    """All loads of a price.

    Attributes:
        full: Those that read all objects, in their order.
        fewer: Those that read fewer.
        idle: What the servers use without a load.
        stopped: Why the climb ended before it had reached what it was to; empty where it did not.
    """

    full: tuple[MeasuredRung, ...]
    fewer: tuple[MeasuredRung, ...]
    idle: Idle
    stopped: str

    @property
    def kinds(self) -> tuple[ReadKind, ...]:
        """What the requests of the profile read."""
        return self.full[0].kinds


class Measuring:
    """Plays the loads of one price.

    Args:
        asked: What to price.
        settings: Which cluster.
        clock: Source of time.
        say: Told how it goes.
    """

    def __init__(self, asked: PriceAsk, settings: Settings, clock: Clock, say: Callable[[str], None]) -> None:
        self._asked, self._settings, self._clock, self._say = asked, settings, clock, say
        self.scaled = sped_up(asked.load(asked.profile, 1).load_profile, asked.rung_s)

    def measure(self) -> Measured:
        """Play all of them.

        Raises:
            ControlPlaneError: As ``start_api_overload``, before the first load; or nobody may read the servers' CPU
                time; or a load did not tell its result, or had no request. Nothing is left.
        """
        servers = check_gate(self._settings, self._clock).api_servers
        _require_known(read_servers(self._settings, self._asked.context, servers, self._clock).why_not)
        look = self._play(self.scaled, 1)  # refuses what is to be refused
        with open_agent(self._settings, self._asked.context) as agent:
            kinds = tuple(read_kinds(agent, self.scaled))
        idle = self._idle()
        full, stopped = self._climb(MeasuredRung(1, self.scaled, kinds, look, idle))
        fewer: list[MeasuredRung] = []
        if self._asked.is_fitted and not full[-1].unwell:
            fewer = self._with_fewer_objects(full[-1])
            idle = idle.mean_with(self._idle())
        return Measured(_beyond(idle, full), _beyond(idle, fewer), idle, stopped)

    def _climb(self, look: MeasuredRung) -> tuple[list[MeasuredRung], str]:
        """From a part of the CPU that the largest load is to cost, by steps of two to four, up to it."""
        wanted, most = self._asked.load_cores, self._most_virtual_nodes()
        guess = _guess_s(look) * look.scaled.rate_per_s * look.scaled.speed
        begin = wanted * (_BEGIN if self._asked.is_fitted else 1.0)
        virtual_nodes = min(max(1, round(begin / guess)), most)
        rungs: list[MeasuredRung] = []
        while True:
            told = self._play(self.scaled, virtual_nodes)
            rung = MeasuredRung(virtual_nodes, self.scaled, look.kinds, told, look.idle)
            rungs.append(rung)
            self._say(f"{rung.nodes:.0f} nodes: {rung.requests} requests, {rung.cores:.3f} cores")
            if rung.unwell:
                return rungs, f"not all of {virtual_nodes} virtual nodes' requests were answered well: {rung.unwell}"
            if rung.cores >= _NEAR * wanted or not self._asked.is_fitted:
                return rungs, ""
            if virtual_nodes == most or len(rungs) == _MOST_RUNGS:
                return rungs, f"{virtual_nodes} virtual nodes cost {rung.cores:.3f} cores, and more were not tried"
            virtual_nodes = min(virtual_nodes * (2 if rung.cores > _FAR * wanted else 4), most)

    def _with_fewer_objects(self, top: MeasuredRung) -> list[MeasuredRung]:
        rungs = []
        for share in _SHARES:
            made = with_fewer_objects(self.scaled, top.kinds, share)
            if made is None:
                return []
            scaled, kinds = made
            told = self._play(scaled, top.virtual_nodes)
            rungs.append(MeasuredRung(top.virtual_nodes, scaled, tuple(kinds), told, top.idle))
            self._say(f"{share:.0%} of the objects: {rungs[-1].requests} requests, {rungs[-1].cores:.3f} cores")
        return rungs

    def _play(self, scaled: Scaled, virtual_nodes: int) -> dict[str, Any]:
        asked = self._asked.load(scaled.document(), virtual_nodes)
        with waiting_for(f"a load of {virtual_nodes} virtual nodes", self._asked.rung_s + 5):
            told = play_alone(asked, self._settings, self._clock, lambda _: None)
        _require_known(told["server_cpu_unknown"])
        return told

    def _idle(self) -> Idle:
        """What the servers use in as much time without a load."""
        with waiting_for("what the servers use without a load", self._asked.rung_s):
            used = self._used_meanwhile(self._asked.rung_s)
        _require_known(used.why_not)
        allocated = used.allocated_bytes
        return Idle(
            cores=(used.cpu_s or 0.0) / used.seconds,
            allocated_bytes_per_s=None if allocated is None else allocated / used.seconds,
            seats={one: (count / used.seconds, seats / used.seconds) for one, (count, seats) in used.seats.items()},
            flow_schema=flow_schema_of(self._asked, self._settings),
        )

    def _used_meanwhile(self, seconds: float) -> ServerUse:
        servers = check_gate(self._settings, self._clock).api_servers
        before = read_servers(self._settings, self._asked.context, servers, self._clock)
        self._clock.sleep(seconds)
        return used_between(before, read_servers(self._settings, self._asked.context, servers, self._clock))

    def _most_virtual_nodes(self) -> int:
        rate_per_s = self.scaled.rate_per_s * self.scaled.speed
        return max(1, min(MAX_NODES, int(MAX_RATE_PER_S / rate_per_s)))


def _guess_s(look: MeasuredRung) -> float:
    """CPU seconds of a request, before any load that is large enough to be measured well.

    An answer takes about the CPU that it costs, and longer where the server, or this machine, is busy: so what was
    measured counts, within a third of that time and all of it: a load is never more than three times as large as meant.
    """
    longest_s = max(float(look.told["latency"]["p90_s"] or 0.01), 0.001)
    return max(min(look.cpu_s / max(look.requests, 1), longest_s), longest_s / 3)


def _beyond(idle: Idle, rungs: list[MeasuredRung]) -> tuple[MeasuredRung, ...]:
    if not all(rung.requests for rung in rungs):
        raise TargetUnreachable(
            "a load ended without a request of the profile; nothing is left; use longer loads (--rung-s), or shorter "
            "periods"
        )
    return tuple(replace(rung, idle=idle) for rung in rungs)


def _require_known(why_not: str) -> None:
    if why_not:
        raise TargetUnreachable(
            f"the CPU time of the API servers is not known: {why_not}; nothing is left; let the load's identity or the "
            "observer read /metrics"
        )
