"""Fetches the pages of the probers, puts their samples on our clock and notices when a prober is lost.

Nothing is lost by an outage of the way to a prober: it keeps its last samples, and we ask for those after the last one
we have. A prober is known by the name of its process, whatever page shows it: two addresses may lead to one prober, and
its samples are taken once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.sample.https import HttpsTarget
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.observe.accounts import Accounts
from chaoslib_cp.observe.prober_page import read_after, target_of

PULL_PERIOD_S: Final = 1.0
#: Silent for this long (s) and the timeline says so.
LOST_AFTER_S: Final = 5.0
#: What two clocks may drift apart, seconds per second (RFC 5905, PHI): an old reading loses against a new one in time.
_DRIFT: Final = 15e-6


@dataclass
class _Prober:
    """What we know of one prober process."""

    name: str
    node: str
    heard_at_s: float
    last_seq: int = 0
    offset_s: float = 0.0  # our clock minus its clock
    round_trip_s: float = float("inf")
    clock_read_at_s: float = 0.0
    lost: bool = False
    has_asked_for_s: float = 0.0

    @property
    def labels(self) -> dict[str, str]:
        """What tells it apart in an event."""
        return {"prober": self.name, **({"node": self.node} if self.node else {})}

    def set_clock(self, now_s: float, sent_s: float, heard_s: float) -> None:
        """Learn the difference of the clocks from the quickest pull: its error is half the round trip at most.

        Source: RFC 5905 section 10 (clock filter: the reading with the least delay is the best).
        """
        round_trip_s = heard_s - sent_s
        if round_trip_s < self.round_trip_s + _DRIFT * (heard_s - self.clock_read_at_s):
            self.round_trip_s, self.clock_read_at_s = round_trip_s, heard_s
            self.offset_s = (sent_s + heard_s) / 2 - now_s


@dataclass
class _Page:
    """One address, and the prober that it showed last; None while it has shown none."""

    target: HttpsTarget
    shows: _Prober | None = None
    is_told_silent: bool = False


class ProberPull:
    """Pulls the pages of the probers and hands their samples, on our clock, to ``sink``.

    Args:
        pages: Addresses of the pages as ``ip:port``.
        time: Our clock.
        sink: Takes samples, each with the node of its prober where that tells it, and events.
        since_s: Leave out what began earlier; None means now, since older samples belong to another run.

    Raises:
        ProfileInvalid: One of the pages is not ``ip:port``.
    """

    def __init__(
        self,
        pages: tuple[str, ...],
        time: SteadyTime,
        sink: Callable[[Record], None],
        since_s: float | None = None,
    ) -> None:
        self._pages = [_Page(target_of(page)) for page in dict.fromkeys(pages)]
        self._time = time
        self._sink = sink
        self._began_s = time.now_s()
        self._since_s = self._began_s if since_s is None else since_s
        self._probers: dict[str, _Prober] = {}
        self._accounts = Accounts()

    @property
    def youngest_s(self) -> float:
        """For how long the prober that began last has been asking, seconds; without end where none has answered."""
        return min((prober.has_asked_for_s for prober in self._probers.values()), default=float("inf"))

    async def keep_pulling(self) -> None:
        """Pull each page once a second. Not an open model: a page is no measurement, and a late one brings the same."""
        await asyncio.gather(*(self._keep_pulling(page) for page in self._pages))

    async def pull_once(self) -> bool:
        """Pull every page once, at the same time; returns whether any prober answered."""
        return any(await asyncio.gather(*(self._pull(page) for page in self._pages)))

    async def _keep_pulling(self, page: _Page) -> None:
        while True:
            await self._pull(page)
            await asyncio.sleep(PULL_PERIOD_S)

    async def _pull(self, page: _Page) -> bool:
        after = page.shows.last_seq if page.shows else 0
        sent_s = self._time.now_s()
        read = await read_after(page.target, after)
        if read.page is None:
            self._note_silence(page, read.outcome)
            return False
        prober = self._prober_of(page, read.page)
        # One that we did not ask for counts on its own: what came before that number would be left out.
        if after <= prober.last_seq:
            self._take(prober, read.page, sent_s)
        return True

    def _prober_of(self, page: _Page, told: dict[str, Any]) -> _Prober:
        """The prober that a page shows; one that is met for the first time may stand in for one that is gone."""
        prober = self._probers.get(told["prober"])
        if prober is None:
            before = page.shows
            if before is not None and before.node == told["node"]:
                self._event("prober_lost", reason="restarted: its unread samples are gone", **before.labels)
                self._probers.pop(before.name, None)
                self._accounts.forget(before.name)
            prober = self._probers[told["prober"]] = _Prober(told["prober"], told["node"], self._time.now_s())
            self._event("prober_found", page=page.target.server_name, **prober.labels)
        elif page.is_told_silent and page.shows is None:
            self._event("prober_found", page=page.target.server_name, **prober.labels)
        page.shows, page.is_told_silent = prober, False
        return prober

    def _take(self, prober: _Prober, told: dict[str, Any], sent_s: float) -> None:
        heard_s = self._time.now_s()
        if prober.lost:
            self._event("prober_found", silent_s=heard_s - prober.heard_at_s, **prober.labels)
        prober.heard_at_s, prober.lost = heard_s, False
        prober.set_clock(told["now_s"], sent_s, heard_s)
        prober.has_asked_for_s = told["now_s"] - told["asks_since_s"]
        fresh = [one for one in told["samples"] if one["seq"] > prober.last_seq]
        if fresh:
            missing = fresh[0]["seq"] - prober.last_seq - 1
            if missing and prober.last_seq:
                why = "silent for longer than it remembers"
                self._event("prober_lost", reason=why, missing_samples=missing, **prober.labels)
            prober.last_seq = fresh[-1]["seq"]
        where = {"node": prober.node} if prober.node else {}
        accounts = self._accounts.fresh(prober.name, told["accounts"], prober.offset_s)
        for sample in (*({**one, **where, "at_s": one["at_s"] + prober.offset_s} for one in fresh), *accounts):
            if sample["at_s"] >= self._since_s:
                self._sink(sample)

    def _note_silence(self, page: _Page, outcome: str) -> None:
        prober = page.shows
        silent_s = self._time.now_s() - (prober.heard_at_s if prober else self._began_s)
        is_told = prober.lost if prober else page.is_told_silent
        if silent_s < LOST_AFTER_S or is_told:
            return
        if prober:
            prober.lost = True
        page.is_told_silent = True
        reason = f"its page {'does not answer' if prober else 'has never answered'}: {outcome}"
        labels = prober.labels if prober else {}
        self._event("prober_lost", reason=reason, silent_s=silent_s, page=page.target.server_name, **labels)

    def _event(self, name: str, **details: object) -> None:
        self._sink({"kind": "event", "at_s": self._time.now_s(), "event": name, **details})
