"""Fetches the prober's page, puts its samples on our clock and notices when the prober is lost.

Nothing is lost by an outage of the way to the prober: it keeps its last samples, and we ask for those after the last
one we have.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.errors import ProfileInvalid

PULL_PERIOD_S: Final = 1.0
PULL_DEADLINE_S: Final = 2.0
#: Silent for this long (s) and the timeline says so.
LOST_AFTER_S: Final = 5.0
_MAX_PAGE_BYTES: Final = 4_000_000
#: What two clocks may drift apart, seconds per second (RFC 5905, PHI): an old reading loses against a new one in time.
_DRIFT: Final = 15e-6


@dataclass
class _Known:
    """What we know of the prober that answered last."""

    name: str = ""
    last_seq: int = 0
    offset_s: float = 0.0  # our clock minus its clock
    round_trip_s: float = float("inf")
    clock_read_at_s: float = 0.0
    heard_at_s: float = 0.0
    lost: bool = False
    # when the last account of each (fault, source) came, by its clock
    accounts_at_s: dict[tuple[str, str], float] = field(default_factory=dict)


class ProberPull:
    """Pulls the prober's page and hands its samples, on our clock, to ``sink``.

    Args:
        pages: Addresses of the page as ``ip:port``, tried in turn; at least one.
        time: Our clock.
        sink: Takes samples and events.
        since_s: Leave out what began earlier; None means now, since older samples belong to another run.
    """

    def __init__(
        self,
        pages: tuple[str, ...],
        time: SteadyTime,
        sink: Callable[[Record], None],
        since_s: float | None = None,
    ) -> None:
        self._pages = [_target(page) for page in pages]
        self._time = time
        self._sink = sink
        self._since_s = time.now_s() if since_s is None else since_s
        self._known = _Known(heard_at_s=time.now_s())

    async def keep_pulling(self) -> None:
        """Pull once a second. Not an open model: a page is no measurement, and a late one brings the same samples."""
        while True:
            await self.pull_once()
            await asyncio.sleep(PULL_PERIOD_S)

    async def pull_once(self) -> bool:
        """Pull once; returns whether the prober answered. After a failure the next page is tried the next time."""
        request = HttpsRequest("GET", f"/?after={self._known.last_seq}", keep_body_bytes=_MAX_PAGE_BYTES)
        sent_s = self._time.now_s()
        answer = await https.ask(self._pages[0], request, PULL_DEADLINE_S)
        page = _parse(answer.body) if answer.outcome == "ok" else None
        if page is None:
            self._pages.append(self._pages.pop(0))
            self._note_silence(answer.outcome if answer.outcome != "ok" else "not a prober's page")
            return False
        asked_for_all = self._known.last_seq == 0
        if page["prober"] != self._known.name:
            self._meet(page["prober"])
        if asked_for_all or self._known.last_seq:
            self._take(page, sent_s)
        return True

    def _meet(self, name: str) -> None:
        """Another prober process answers: it counts from 1, so it must be asked for everything."""
        if self._known.name:
            self._event("prober_lost", reason="restarted: its unread samples are gone", prober=self._known.name)
        self._known = _Known(name, heard_at_s=self._time.now_s())
        self._event("prober_found", prober=name, page=self._pages[0].server_name)

    def _take(self, page: dict[str, Any], sent_s: float) -> None:
        known = self._known
        heard_s = self._time.now_s()
        if known.lost:
            self._event("prober_found", prober=known.name, silent_s=heard_s - known.heard_at_s)
        known.heard_at_s, known.lost = heard_s, False
        self._set_clock(page["now_s"], sent_s, heard_s)
        samples = self._of_this_run(page["samples"])
        if page["samples"]:
            missing = page["samples"][0]["seq"] - known.last_seq - 1
            if missing and known.last_seq:
                self._event("prober_lost", reason="silent for longer than it remembers", missing_samples=missing)
            known.last_seq = page["samples"][-1]["seq"]
        for sample in (*samples, *self._of_this_run(self._unread(page["accounts"]))):
            self._sink(sample)

    def _of_this_run(self, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [sample for sample in map(self._on_our_clock, samples) if sample["at_s"] >= self._since_s]

    def _unread(self, accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that came since the last pull: an account stays on the page until a later sample has been read."""
        known = self._known.accounts_at_s
        fresh = [one for one in accounts if one["at_s"] > known.get((one["fault"], one["target"]), float("-inf"))]
        known.update({(one["fault"], one["target"]): one["at_s"] for one in fresh})
        return fresh

    def _set_clock(self, now_s: float, sent_s: float, heard_s: float) -> None:
        """Learn the difference of the clocks from the quickest pull: its error is half the round trip at most.

        Source: RFC 5905 section 10 (clock filter: the reading with the least delay is the best).
        """
        known = self._known
        round_trip_s = heard_s - sent_s
        if round_trip_s < known.round_trip_s + _DRIFT * (heard_s - known.clock_read_at_s):
            known.round_trip_s, known.clock_read_at_s = round_trip_s, heard_s
            known.offset_s = (sent_s + heard_s) / 2 - now_s

    def _on_our_clock(self, sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "at_s": sample["at_s"] + self._known.offset_s}

    def _note_silence(self, outcome: str) -> None:
        silent_s = self._time.now_s() - self._known.heard_at_s
        if silent_s >= LOST_AFTER_S and not self._known.lost:
            self._known.lost = True
            self._event("prober_lost", reason=f"its page does not answer: {outcome}", silent_s=silent_s)

    def _event(self, name: str, **details: object) -> None:
        self._sink({"kind": "event", "at_s": self._time.now_s(), "event": name, **details})


def _target(page: str) -> HttpsTarget:
    address, _, port = page.rpartition(":")
    if not address or not port.isdigit():
        raise ProfileInvalid(f"prober page {page!r} is not ip:port; nothing was asked; correct the plan")
    return HttpsTarget(address.strip("[]"), int(port), page)


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return the page if it is one: whoever answers on that port might be somebody else."""
    try:
        page: dict[str, Any] = json.loads(body)
        fits = (
            isinstance(page["now_s"], float)
            and isinstance(page["prober"], str)
            and all(_is_sample(one) and isinstance(one["seq"], int) for one in page["samples"])
            and all(_is_sample(one) and _is_account(one) for one in page["accounts"])
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return page if fits else None


def _is_sample(one: dict[str, Any]) -> bool:
    is_typed = isinstance(one["at_s"], float) and isinstance(one["vantage"], str) and isinstance(one["ok"], bool)
    return is_typed and "target" in one


def _is_account(one: dict[str, Any]) -> bool:
    return isinstance(one["target"], str) and isinstance(one["fault"], str) and isinstance(one["counts"], dict)
