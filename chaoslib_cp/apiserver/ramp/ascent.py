"""The ramp at work, in the process that plays the load: dwell on a rung, look, go on, and take everything away."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from chaoslib_cp.apiserver.overload.crew import Crew
from chaoslib_cp.apiserver.ramp.climb import Climb
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.reading import Reading, ServerReading, reading_of
from chaoslib_cp.apiserver.ramp.servers import ServerWatch
from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.totals import Totals

_LOOK_EVERY_S: Final = 0.5


class Ascent:
    """One ramp.

    Args:
        ladder: How to climb.
        servers: Reads the servers.
        clock: Its monotonic time says how long a dwell was.
        tell: Told each row of the ladder, and at the end the result.
    """

    def __init__(
        self, ladder: Ladder, servers: ServerWatch, clock: Clock, tell: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self._ladder, self._servers, self._clock, self._tell = ladder, servers, clock, tell
        self._climb = Climb(ladder)

    async def play(self, crew: Crew) -> None:
        """Climb, hold and take all load away; ends by itself."""
        try:
            while not self._climb.is_over:
                crew.resize(self._climb.nodes)
                told = await self._dwell(crew)
                self._climb.take(told, is_spent=crew.has_lost_some)
                self._tell("rung", self._climb.rows[-1])
        finally:
            crew.resize(0)
            self._tell("ramp", self.result())

    def result(self) -> dict[str, Any]:
        """What was found so far (``Climb.result``)."""
        found = self._climb.result()
        return found if found["ended_by"] else {**found, "ended_by": "ended from outside, or at its own deadline"}

    async def _dwell(self, crew: Crew) -> Reading:
        before, began_s = crew.runner.totals(), self._clock.monotonic_s()
        until_s = began_s + self._ladder.dwell_s
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            await asyncio.sleep(min(left_s, _LOOK_EVERY_S))
            now = self._reading(crew, before, began_s, ServerReading())
            if crew.has_lost_some or self._climb.back_off(now):
                return now
        return await self._look(crew, before, began_s)

    async def _look(self, crew: Crew, before: Totals, began_s: float) -> Reading:
        """What the clients saw ends before the servers are read: a page that is being made slows answers."""
        seen = self._reading(crew, before, began_s, ServerReading())
        servers = await self._servers.read()
        return Reading(**{**vars(seen), "servers": servers})

    def _reading(self, crew: Crew, before: Totals, began_s: float, servers: ServerReading) -> Reading:
        totals = crew.runner.totals().since(before)
        return reading_of(crew.nodes, self._clock.monotonic_s() - began_s, totals, crew.runner.open_for_s(), servers)
