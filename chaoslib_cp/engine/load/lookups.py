"""One agent's lookups: an open model, a resolver of many clients, one end.

What a lookup asks is what glibc asks (getaddrinfo(3), resolv.conf(5)): A and AAAA at once; the next name of the search
list when there is no such name, or SERVFAIL after all attempts; the name as it stands when nobody answers. Nothing is
cached here: most C libraries keep nothing.

Callbacks on the event loop and one tick for everything instead of a task and a timer for each lookup.
"""

import asyncio
import random
from collections import deque
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.agent import BUDGET, DEADLINE
from chaoslib_cp.engine.load.lookup_client import IDS, Client, Connect, Lookup, Names
from chaoslib_cp.engine.load.lookup_profile import LookupProfile
from chaoslib_cp.engine.load.lookup_totals import LookupTotals
from chaoslib_cp.engine.load.question import below, says_what_its_header_says
from chaoslib_cp.engine.load.runner import STOPPED, fuse_s, own_cpu_s
from chaoslib_cp.engine.load.schedule import offsets
from chaoslib_cp.engine.load.search_list import SearchList
from chaoslib_cp.outcome import Outcome

_TICK_S: Final = 0.002  # what comes due within it is begun together
_IDLE_TICK_S: Final = 0.05  # how late a silence is noticed
_READ_EACH: Final = 100
_KINDS: Final = (0, 1)  # A and AAAA: indices into question.TYPES
_NOBODY: Final = ("timeout", "refused")


class LookupRunner:
    """Plays one agent's lookups until it is over.

    Args:
        profile: What is looked up.
        agent_id: Part of every seed, so that agents do not march in step.
        search_list: What the pod's resolv.conf says.
        connect: Opens sockets, normally ``connector(...)`` of ``lookup_client.py``.
        clock: Its monotonic time decides when it is over.
        loop: The event loop everything runs on.
    """

    def __init__(
        self,
        profile: LookupProfile,
        agent_id: str,
        search_list: SearchList,
        connect: Connect,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._profile = profile
        self._connect = connect
        self._clock = clock
        self._loop = loop
        self._names = [Names(search_list, name, profile.written) for name in profile.hot]
        seed = f"{profile.seed}/{agent_id}"
        self._draws = random.Random(f"{seed}/names")  # noqa: S311 - a schedule, not a secret
        self._draws.shuffle(self._names)
        self._schedule = offsets(seed, 1 / profile.rate_per_s, profile.jitter_ratio)
        self._clients: list[Client] = []
        self._open: dict[int, Lookup] = {}
        self._silences: deque[tuple[float, Lookup, int, int, int]] = deque()
        self._totals = LookupTotals()
        self._over = asyncio.Event()
        self._ended = ""
        self._began_s = clock.monotonic_s()
        self._cpu_at_start_s = own_cpu_s()
        self._ends_at_s = min(self._began_s + profile.duration_s, fuse_s(profile, clock))
        self._first_at = self._next_at = 0.0
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is not over."""
        return not self._ended

    @property
    def remaining_s(self) -> float:
        """Seconds until it must be over."""
        return max(0.0, self._ends_at_s - self._clock.monotonic_s())

    async def start(self) -> None:
        """Open a socket for each client and begin.

        Raises:
            OSError: There is no way to the server; nothing was sent.
        """
        for _ in range(self._profile.clients):
            client = Client(self, self._draws.randrange(IDS))
            client.sender = await self._connect(client)
            self._clients.append(client)
        self._first_at = self._loop.time()
        self._next_at = self._first_at + next(self._schedule)
        self._tick()

    def stop(self) -> None:
        """End it at once."""
        self._end(STOPPED)

    async def wait_until_over(self) -> None:
        """Return when it is over."""
        await self._over.wait()

    def totals(self) -> LookupTotals:
        """Return the counts so far."""
        return self._totals

    def snapshot(self) -> dict[str, Any]:
        """Return the account so far as JSON."""
        elapsed_s = self._clock.monotonic_s() - self._began_s
        return {
            "seed": self._profile.seed,
            "elapsed_s": elapsed_s,
            "remaining_s": self.remaining_s,
            "ended": self._ended,
            "total": self._totals.as_dict(elapsed_s),
            "cpu_s": own_cpu_s() - self._cpu_at_start_s,
        }

    def _tick(self) -> None:
        now = self._loop.time()
        while self._next_at <= now and self._may_go_on():
            self._begin(self._next_at, now)
            self._next_at = self._first_at + next(self._schedule)
        while self._silences and self._silences[0][0] <= now:
            _, lookup, kind, id_, number = self._silences.popleft()
            if lookup.number == number and lookup.open.get(kind) == id_ and lookup.client is not None:
                lookup.client.waiting.pop(id_, None)
                self.question_failed(lookup, kind, "timeout")
        if self._may_go_on():
            due_at = min(max(self._next_at, now + _TICK_S), now + _IDLE_TICK_S)
            self._timer = self._loop.call_at(due_at, self._tick)

    def _may_go_on(self) -> bool:
        if not self._ended and self._clock.monotonic_s() >= self._ends_at_s:
            self._end(DEADLINE)
        return not self._ended

    def _begin(self, due_at: float, now: float) -> None:
        totals = self._totals
        totals.due += 1
        if len(self._open) >= self._profile.max_in_flight:
            totals.held_back += 1
            return
        self._number += 1
        is_new = self._draws.random() < self._profile.never_asked_share
        label = f"n{self._draws.getrandbits(48):012x}" if is_new else ""
        names = self._names[self._number % len(self._names)]
        lookup = Lookup(self._number, due_at, names.new if label else names.hot, label)
        lookup.began_at = now
        lookup.client = self._clients[self._number % len(self._clients)]
        self._open[lookup.number] = lookup
        totals.tries += 1
        totals.in_flight += 1
        totals.lag.record(now - due_at)
        self._ask(lookup, _KINDS)
        totals.sent += bool(lookup.open)

    def _ask(self, lookup: Lookup, kinds: tuple[int, ...]) -> None:
        """Ask for a lookup's present name, unless the budget is used up."""
        if self._totals.queries + len(kinds) > self._profile.max_queries:
            self._end(BUDGET)
            return
        lookup.failed = []
        qname = lookup.names.wires[lookup.at]
        if lookup.label:
            qname = below(lookup.label, qname)
        until = self._loop.time() + self._profile.timeout_s
        for kind in kinds:
            self._totals.queries += 1
            if lookup.client is not None:
                lookup.client.ask(lookup, kind, qname)
                self._silences.append((until, lookup, kind, lookup.open[kind], lookup.number))

    def answered(self, lookup: Lookup, kind: int, qname: bytes, outcome: Outcome, wire: bytes) -> None:
        """Take the answer to a question (called by its client)."""
        totals = self._totals
        totals.received_bytes += len(wire)
        if sum(totals.answers.values()) % _READ_EACH == 0:
            totals.read += 1
            totals.misread += not says_what_its_header_says(wire, qname, kind, outcome)
        if outcome in ("ok", "nodata", "nxdomain"):
            totals.question_ended(outcome)
            lookup.found |= outcome == "ok"
            if outcome == "nodata":
                lookup.negative = "nodata"
            self._question_over(lookup, kind)
        else:
            self.question_failed(lookup, kind, outcome)

    def question_failed(self, lookup: Lookup, kind: int, outcome: Outcome) -> None:
        """Count a question that brought nothing that a C library takes for an answer (called by its client, too)."""
        self._totals.question_ended(outcome)
        lookup.failed.append(kind)
        lookup.failure = outcome
        self._question_over(lookup, kind)

    def _question_over(self, lookup: Lookup, kind: int) -> None:
        lookup.open.pop(kind, None)
        if lookup.open or self._ended:
            return
        if lookup.found:
            self._finish(lookup, "ok")
        elif lookup.failed and lookup.attempt + 1 < self._profile.attempts:
            lookup.attempt += 1
            self._ask(lookup, tuple(lookup.failed))
        elif (following := self._next_name(lookup)) is not None:
            lookup.at, lookup.attempt = following, 0
            self._ask(lookup, _KINDS)
        else:
            self._finish(lookup, lookup.failure or lookup.negative)

    def _next_name(self, lookup: Lookup) -> int | None:
        """Which name is asked for next; None after the last. After a silence only the name as it stands is."""
        following = lookup.at + 1
        if lookup.failed and lookup.failure in _NOBODY:
            following = max(following, lookup.names.as_it_stands)
            if following != lookup.names.as_it_stands:
                return None
        return following if following < len(lookup.names.wires) else None

    def _finish(self, lookup: Lookup, outcome: Outcome) -> None:
        now = self._loop.time()
        del self._open[lookup.number]
        self._totals.try_ended(outcome, now - lookup.began_at)
        self._totals.request_ended(outcome, now - lookup.due_at)

    def _end(self, reason: str) -> None:
        """Send nothing more, free every port, count what was under way as aborted. Only the first call acts."""
        if self._ended:
            return
        self._ended = reason
        if self._timer is not None:
            self._timer.cancel()
        for _ in self._open:
            self._totals.try_ended("aborted", None)
        self._open.clear()
        for client in self._clients:
            client.waiting.clear()
            if client.sender is not None:
                client.sender.close()
        self._over.set()
