"""One agent: its schedule, its connections, its budgets, its end.

Callbacks on the event loop instead of a task per request: a request costs a timer and a dictionary entry.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.connection import Connect, Credentials, HttpConnection
from chaoslib_cp.engine.load.head import request_head
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.retry import retry_wait_s
from chaoslib_cp.engine.load.schedule import due_offsets
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.outcome import Outcome, of_socket_error

BUDGET = "budget"
DEADLINE = "deadline"


@dataclass(frozen=True)
class AgentSetup:
    """What all agents of a runner share.

    Attributes:
        profile: what to ask.
        host: the Host header.
        connect: opens a connection.
        totals: one for each kind of request, in the order of the profile.
        loop: the event loop; its time orders everything.
        clock: its monotonic time decides when an agent is over.
    """

    profile: LoadProfile
    host: str
    connect: Connect
    totals: list[Totals]
    loop: asyncio.AbstractEventLoop
    clock: Clock


class _Request:
    """A request that came due, until its last try is over. It holds its place under the cap all that time."""

    __slots__ = ("connecting", "connection", "due_at", "is_waiting", "kind", "sent_at", "timer", "tries", "was_sent")

    def __init__(self, kind: int, due_at: float) -> None:
        self.kind = kind
        self.due_at = due_at
        self.sent_at = 0.0
        self.tries = 0
        self.is_waiting = False
        self.was_sent = False
        self.timer: asyncio.TimerHandle | None = None
        self.connection: HttpConnection | None = None
        self.connecting: asyncio.Task[None] | None = None


class Agent:
    """The agent. Started by its constructor's caller, ended by its limits or by ``end``.

    Args:
        agent_id: names it; part of the schedule's seed.
        credentials: who it is.
        setup: shared with the other agents.
        ends_at_s: monotonic second of its end.
        on_end: called once with the reason.
    """

    def __init__(
        self,
        agent_id: str,
        credentials: Credentials,
        setup: AgentSetup,
        ends_at_s: float,
        on_end: Callable[["Agent", str], None],
    ) -> None:
        self.agent_id = agent_id
        self.ends_at_s = ends_at_s
        self.is_over = False
        self._setup = setup
        self._profile = setup.profile
        self._loop = setup.loop
        self._on_end = on_end
        self._tries_left = setup.profile.max_requests
        self._bytes_left = setup.profile.max_bytes
        self._idle: list[HttpConnection] = []
        self._busy: dict[HttpConnection, _Request] = {}
        self._open: set[_Request] = set()
        self._due_timers: dict[int, asyncio.TimerHandle] = {}
        self._schedules: list[Iterator[float]] = []
        self.replace_credentials(credentials)

    def start(self) -> None:
        """Put the first request of each kind on the event loop."""
        started_at = self._loop.time()
        for kind in range(len(self._profile.requests)):
            self._schedules.append(due_offsets(self._profile, self.agent_id, kind))
            self._arm(kind, started_at)

    def replace_credentials(self, credentials: Credentials) -> None:
        """Use other credentials from the next try on; open connections stay, as in a real client."""
        self._credentials = credentials
        self._heads = [request_head(spec, self._setup.host, credentials.token) for spec in self._profile.requests]

    def end(self, reason: str) -> None:
        """Send nothing more, close every connection, count what was under way as aborted. Only the first call acts."""
        if self.is_over:
            return
        self.is_over = True
        for timer in self._due_timers.values():
            timer.cancel()
        for request in list(self._open):
            if not request.is_waiting:
                self._setup.totals[request.kind].try_ended("aborted", None)
            self._forget(request)
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        self._on_end(self, reason)

    def _arm(self, kind: int, started_at: float) -> None:
        due_at = started_at + next(self._schedules[kind])
        self._due_timers[kind] = self._loop.call_at(due_at, self._come_due, kind, due_at, started_at)

    def _come_due(self, kind: int, due_at: float, started_at: float) -> None:
        if self._is_past_end() or self._tries_left == 0:
            return
        self._arm(kind, started_at)
        totals = self._setup.totals[kind]
        totals.due += 1
        if len(self._open) >= self._profile.max_in_flight_per_agent:
            totals.held_back += 1
            return
        request = _Request(kind, due_at)
        self._open.add(request)
        totals.lag.record(self._loop.time() - due_at)
        self._try(request)

    def _is_past_end(self) -> bool:
        """Asked before anything is sent: the runner's tick alone could be late."""
        if not self.is_over and self._setup.clock.monotonic_s() >= self.ends_at_s:
            self.end(DEADLINE)
        return self.is_over

    def _try_again(self, request: _Request) -> None:
        if self._is_past_end():
            return
        if self._tries_left:
            self._try(request)
        else:
            self._finish(request)

    def _try(self, request: _Request) -> None:
        self._tries_left -= 1
        totals = self._setup.totals[request.kind]
        totals.tries += 1
        totals.retries += request.tries > 0
        totals.in_flight += 1
        request.tries += 1
        request.is_waiting = False
        request.sent_at = self._loop.time()
        request.timer = self._loop.call_later(self._profile.request_timeout_s, self._time_out, request)
        connection = self._idle_connection()
        request.connection = connection or HttpConnection(self)
        self._busy[request.connection] = request
        if connection is not None:
            self._send(request, connection)
        else:
            request.connecting = self._loop.create_task(self._connect(request, request.connection))

    def _idle_connection(self) -> HttpConnection | None:
        while self._idle:
            # the one used last, as in Go's transport: the others may grow old and be closed by the server
            connection = self._idle.pop()
            if connection.is_reusable:
                return connection
        return None

    async def _connect(self, request: _Request, connection: HttpConnection) -> None:
        try:
            await self._setup.connect(connection, self._credentials)
        except OSError as error:
            request.connecting = None
            self._busy.pop(connection, None)
            request.connection = None
            self._conclude(request, of_socket_error(error))
        else:
            request.connecting = None
            if not self._is_past_end():
                self._send(request, connection)

    def _send(self, request: _Request, connection: HttpConnection) -> None:
        if connection.send(self._heads[request.kind]):
            totals = self._setup.totals[request.kind]
            totals.sent += 1
            totals.resent += request.was_sent
            request.was_sent = True

    def _time_out(self, request: _Request) -> None:
        self._release(request)
        self._conclude(request, "timeout")

    def bytes_received(self, connection: HttpConnection, count: int) -> None:
        """Count bytes of an answer, also against the budget (called by a connection)."""
        request = self._busy.get(connection)
        if request is not None:
            self._setup.totals[request.kind].received_bytes += count
        self._bytes_left -= count
        if self._bytes_left < 0:
            self.end(BUDGET)

    def try_ended(self, connection: HttpConnection, outcome: Outcome) -> None:
        """Take the connection back and conclude its request (called by the connection)."""
        request = self._busy.pop(connection)
        request.connection = None
        if connection.is_reusable:
            self._idle.append(connection)
        self._conclude(request, outcome, connection.retry_after)

    def idle_connection_lost(self, connection: HttpConnection) -> None:
        """Forget a connection that the server closed (called by it)."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _conclude(self, request: _Request, outcome: Outcome, retry_after: str | None = None) -> None:
        if request.timer is not None:
            request.timer.cancel()
        now = self._loop.time()
        totals = self._setup.totals[request.kind]
        totals.try_ended(outcome, now - request.sent_at)
        wait_s = retry_wait_s(self._profile.retry, request.tries, outcome, retry_after)
        if wait_s is None:
            totals.request_ended(outcome, now - request.due_at)
            self._finish(request)
        else:
            request.is_waiting = True
            request.timer = self._loop.call_later(wait_s, self._try_again, request)

    def _finish(self, request: _Request) -> None:
        self._open.discard(request)
        if not self._open and self._tries_left == 0:
            self.end(BUDGET)

    def _forget(self, request: _Request) -> None:
        if request.timer is not None:
            request.timer.cancel()
        self._release(request)
        self._open.discard(request)

    def _release(self, request: _Request) -> None:
        """Close what a request holds: HTTP/1.1 cannot take a request back, so its connection goes with it."""
        if request.connecting is not None:
            request.connecting.cancel()
            request.connecting = None
        if request.connection is not None:
            self._busy.pop(request.connection, None)
            request.connection.abort()
            request.connection = None
