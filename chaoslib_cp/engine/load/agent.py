"""One agent: its schedule, its connections, its budgets, its end.

Callbacks on the event loop instead of a task per request: a request costs a timer and a dictionary entry.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from chaoslib_cp.engine.load.agent_setup import AgentSetup
from chaoslib_cp.engine.load.channel import Channel, Credentials
from chaoslib_cp.engine.load.due_request import DueRequest
from chaoslib_cp.engine.load.due_times import DueTimes
from chaoslib_cp.engine.load.head import NOWHERE, request_head, words_of
from chaoslib_cp.engine.load.own_connections import OwnConnections
from chaoslib_cp.engine.load.own_streams import OwnStreams
from chaoslib_cp.engine.load.profile import HTTP_2
from chaoslib_cp.engine.load.retry import retry_wait_s
from chaoslib_cp.engine.load.special_channels import Paged
from chaoslib_cp.engine.load.write import writes_of
from chaoslib_cp.outcome import Outcome, is_answer, of_socket_error

BUDGET = "budget"
DEADLINE = "deadline"
# A 429 of priority and fairness is plain text (kubernetes/apiserver: pkg/server/filters/maxinflight.go,
# tooManyRequests); one of a watch cache that is not ready is a Status object (KEP-4568).
_DOCUMENTS = (b"application/json", b"application/vnd.kubernetes.protobuf", b"application/yaml")
# A server that is told to end a watch ends it itself, so that its connection can be used again; this long after that
# moment we do.
_WATCH_GRACE_S: Final = 1.0
# Before a request times out whose answer is on its way, what lies unread of it is read: one round of the event loop.
_LAST_LOOK_S: Final = 0.005


class Agent:
    """The agent. Started by its constructor's caller, ended by its limits or by ``end``.

    Args:
        agent_id: names it; part of the schedule's seed.
        credentials: who it is.
        setup: shared with the other agents.
        ends_at_s: monotonic second of its end.
        on_end: called once with the reason.
        place: where it is: what its requests leave open (``head.PLACES``).

    Raises:
        ProfileInvalid: a request leaves open what ``place`` does not have. Nothing was sent.
    """

    def __init__(
        self,
        agent_id: str,
        credentials: Credentials,
        setup: AgentSetup,
        ends_at_s: float,
        on_end: Callable[["Agent", str], None],
        place: Mapping[str, str] = NOWHERE,
    ) -> None:
        self.agent_id = agent_id
        self.ends_at_s = ends_at_s
        self.is_over = False
        self._setup = setup
        self._profile = setup.profile
        self._loop = setup.loop
        self._budget = setup.budget
        self._on_end = on_end
        self._place = {**place, **words_of(setup.profile)}
        self._writes = writes_of(setup.profile, self._place)
        self._tries_left = setup.profile.max_requests
        self._bytes_left = setup.profile.max_bytes
        own = OwnStreams if setup.profile.protocol == HTTP_2 else OwnConnections
        self._channels = own(setup.profile.requests, setup.budget, self, self._watch_began)
        self._busy: dict[Channel, DueRequest] = {}
        self._open: set[DueRequest] = set()
        self._due_times = DueTimes(setup.profile, agent_id, setup.loop, self._come_due)
        self.replace_credentials(credentials)

    def start(self, started_at: float) -> None:
        """Put the first request of each kind on the event loop, from a moment of its time on."""
        self._due_times.start(started_at)

    def replace_credentials(self, credentials: Credentials) -> None:
        """Use other credentials from the next try on; open connections stay, as in a real client."""
        self._credentials = credentials
        self._heads = [self._head(kind) for kind in range(len(self._profile.requests))]

    def _head(self, kind: int, next_page: str = "") -> bytes:
        setup = self._setup
        spec = self._profile.requests[kind]
        return request_head(spec, setup.host, self._credentials, setup.base_path, self._place, next_page)

    def end(self, reason: str) -> None:
        """Send nothing more, close every connection, count what was under way as aborted. Only the first call acts."""
        if self.is_over:
            return
        self.count_held_back()
        self.is_over = True
        self._due_times.stop()
        for request in list(self._open):
            if not request.is_waiting:
                self._setup.totals[request.kind].try_ended("aborted", None)
            self._forget(request)
        self._channels.close_idle()
        self._on_end(self, reason)

    def open_for_s(self) -> list[float]:
        """How long each request has been waiting for its answer since it came due, seconds; begun watches left out."""
        now = self._loop.time()
        return [now - request.due_at for request in self._open if not request.answered_at]

    def count_held_back(self) -> None:
        """Count what came due since it had as many requests in flight as it may, up to now or to its end.

        Once no more may be sent at all, nothing comes due any more.
        """
        late_s = max(self._setup.clock.monotonic_s() - self.ends_at_s, 0.0)
        for kind, count in self._due_times.passed(self._loop.time() - late_s) if self._has_tries else ():
            self._setup.totals[kind].due += count
            self._setup.totals[kind].held_back += count

    def _come_due(self, kind: int, due_at: float) -> None:
        if self._is_past_end() or not self._has_tries:
            return
        totals = self._setup.totals[kind]
        totals.due += 1
        if len(self._open) >= self._profile.max_in_flight_per_agent:
            totals.held_back += 1
            self._due_times.pause(kind)
            return
        self._due_times.wait_for_next(kind)
        if not self._channels.can_serve(kind):
            totals.held_back += 1
            return
        request = DueRequest(kind, due_at)
        self._open.add(request)
        now, per_second = self._loop.time(), self._setup.per_second
        totals.lag.record(now - due_at)
        per_second.count(per_second.due, due_at)
        per_second.count(per_second.begun, now)
        self._try(request)

    @property
    def _has_tries(self) -> bool:
        return self._tries_left > 0 and self._budget.has_tries

    def _is_past_end(self) -> bool:
        """Asked before anything is sent: the runner's tick alone could be late."""
        if not self.is_over and self._setup.clock.monotonic_s() >= self.ends_at_s:
            self.end(DEADLINE)
        self.end_if_spent()
        return self.is_over

    def end_if_spent(self) -> None:
        """End when all agents together have received what they may, or sent it and this one waits for nothing."""
        if not self._budget.has_bytes or not (self._open or self._has_tries):
            self.end(BUDGET)

    def _try_again(self, request: DueRequest) -> None:
        if self._is_past_end():
            return
        if self._has_tries and self._channels.can_serve(request.kind):
            self._try(request)
        else:
            self._finish(request)

    def _try(self, request: DueRequest) -> None:
        self._tries_left -= 1
        self._budget.take_try(makes=self._profile.requests[request.kind].makes)
        totals = self._setup.totals[request.kind]
        totals.tries += 1
        totals.retries += request.tries > 0
        totals.pages += request.tries == 0 and request.next_page != ""
        totals.in_flight += 1
        request.tries += 1
        request.is_waiting = False
        request.sent_at, request.answered_at = self._loop.time(), 0.0
        request.timer = self._loop.call_later(self._profile.request_timeout_s, self._time_out, request)
        channel = self._channels.take_idle(request.kind)
        request.channel = channel or self._channels.make(request.kind)
        self._busy[request.channel] = request
        if channel is not None:
            self._send(request, channel)
        else:
            request.connecting = self._loop.create_task(self._connect(request, request.channel))

    async def _connect(self, request: DueRequest, channel: Channel) -> None:
        try:
            await channel.open(self._setup.connect, self._credentials)
        except asyncio.CancelledError:
            self._channels.lost(channel)
            raise
        except OSError as error:
            request.connecting = None
            self._busy.pop(channel, None)
            self._channels.lost(channel)
            request.channel = None
            self._conclude(request, of_socket_error(error))
        else:
            request.connecting = None
            if not self._is_past_end():
                self._send(request, channel)

    def _send(self, request: DueRequest, channel: Channel) -> None:
        if channel.send(self._message(request)):
            totals = self._setup.totals[request.kind]
            totals.sent += 1
            totals.resent += request.was_sent
            request.was_sent = True
            hang_up_s = self._profile.requests[request.kind].abort_after_s
            if hang_up_s and request.timer is not None:
                request.timer.cancel()
                request.timer = self._loop.call_later(hang_up_s, self._break_off, request, "aborted")

    def _message(self, request: DueRequest) -> bytes:
        if request.next_page:
            return self._head(request.kind, request.next_page)
        head, write = self._heads[request.kind], self._writes[request.kind]
        return head if write is None else write.message(head, self._setup.clock.epoch_s())

    def _watch_began(self, channel: Channel) -> None:
        request = self._busy.get(channel)
        if request is None or request.timer is None:
            return
        request.answered_at = self._loop.time()
        request.timer.cancel()
        lasts_s = self._profile.requests[request.kind].watch_s + _WATCH_GRACE_S
        request.timer = self._loop.call_later(lasts_s, self._break_off, request, "ok")

    def _time_out(self, request: DueRequest) -> None:
        if request.channel is not None and request.channel.fetch_rest():
            request.timer = self._loop.call_later(_LAST_LOOK_S, self._break_off, request, "timeout")
        else:
            self._break_off(request, "timeout")

    def _break_off(self, request: DueRequest, outcome: Outcome) -> None:
        self._release(request)
        self._conclude(request, outcome)

    def bytes_received(self, channel: Channel, count: int) -> None:
        """Count bytes of an answer, also against the budget (called by a channel)."""
        request = self._busy.get(channel)
        if request is not None:
            self._setup.totals[request.kind].received_bytes += count
        self._bytes_left -= count
        self._budget.take_bytes(count)
        if self._bytes_left < 0 or not self._budget.has_bytes:
            self.end(BUDGET)

    def try_ended(self, channel: Channel, outcome: Outcome) -> None:
        """Take the channel back and conclude its request (called by the channel)."""
        request = self._busy.pop(channel)
        request.channel = None
        if not request.answered_at:
            request.answered_at = self._loop.time() - channel.lay_unread_s
        if outcome == "http_429" and channel.media_type in _DOCUMENTS:
            self._setup.totals[request.kind].not_initialized += 1
        self._channels.give_back(channel, request.kind)
        if outcome == "ok" and isinstance(channel, Paged) and channel.next_page:
            self._turn_page(request, channel.next_page)
        else:
            self._conclude(request, outcome, channel.retry_after)

    def _turn_page(self, request: DueRequest, next_page: str) -> None:
        if request.timer is not None:
            request.timer.cancel()
        self._setup.totals[request.kind].try_ended("ok", request.answered_at - request.sent_at)
        request.next_page, request.tries, request.is_waiting = next_page, 0, True
        self._try_again(request)

    def idle_connection_lost(self, channel: Channel) -> None:
        """Forget a connection that is closed (called by it)."""
        self._channels.lost(channel)

    def _conclude(self, request: DueRequest, outcome: Outcome, retry_after: str | None = None) -> None:
        if request.timer is not None:
            request.timer.cancel()
        ended_at = request.answered_at or self._loop.time()
        is_timed = outcome != "aborted"
        totals = self._setup.totals[request.kind]
        totals.try_ended(outcome, ended_at - request.sent_at if is_timed else None)
        if is_answer(outcome):
            self._setup.per_second.count(self._setup.per_second.answered, ended_at)
        wait_s = retry_wait_s(self._profile.retry, request.tries, outcome, retry_after)
        if wait_s is None:
            if is_timed:
                totals.request_ended(outcome, ended_at - request.due_at)
            self._finish(request)
        else:
            request.is_waiting = True
            request.timer = self._loop.call_later(wait_s, self._try_again, request)

    def _finish(self, request: DueRequest) -> None:
        if self._due_times.is_paused:
            self.count_held_back()
            self._due_times.resume()
        self._open.discard(request)
        self.end_if_spent()

    def _forget(self, request: DueRequest) -> None:
        if request.timer is not None:
            request.timer.cancel()
        self._release(request)
        self._open.discard(request)

    def _release(self, request: DueRequest) -> None:
        """Take a request back: HTTP/1.1 can do that only by closing its connection."""
        if request.connecting is not None:
            request.connecting.cancel()
            request.connecting = None
        if request.channel is not None:
            self._busy.pop(request.channel, None)
            request.channel.abort()
            request.channel = None
