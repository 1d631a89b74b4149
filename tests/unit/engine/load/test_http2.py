"""Agents that speak HTTP/2, against a server of the library h2, over real sockets."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.channel import Channel, Credentials, IntoBuffer
from chaoslib_cp.engine.load.connector import Target, connector, read_buffer
from chaoslib_cp.engine.load.http2 import Http2Session
from chaoslib_cp.engine.load.http2_frames import (
    ACK,
    CANCEL,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    MAX_STREAMS,
    MAX_WINDOW,
    PING,
    SETTINGS,
    frame,
    more_window,
)
from chaoslib_cp.engine.load.http2_reader import Fields, FrameError, FrameReader
from chaoslib_cp.engine.load.http2_stream import Http2Stream
from chaoslib_cp.engine.load.process import loop_factory, offering
from chaoslib_cp.engine.load.profile import HTTP_2, LoadProfile, parse_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.outcome import Outcome
from tests.fakes.certificates import Authority
from tests.fakes.http2_server import Asked, Http2Server, Talk
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

FACTORIES = [asyncio.new_event_loop, loop_factory()]
LIST = {"path": "/api/v1/pods", "period_s": 0.1}
MARKS = {"chaoslib-cp/run": "r"}
JSON = {"content-type": "application/json"}
TOO_MANY: Final = b"\x08\x03429"  # `:status: 429`, by its name's place in the table (RFC 7541, appendix A)


def profile(*requests: dict[str, Any], **changes: Any) -> LoadProfile:
    """A profile of one agent that asks at once."""
    usual = {"protocol": HTTP_2, "duration_s": 20, "phase_ratio": 0, "request_timeout_s": 5, "jitter_ratio": 0}
    return parse_profile({"schema": 1, "requests": list(requests or [LIST]), **usual, **changes})


def play(
    server: Http2Server,
    played: LoadProfile,
    authority: Authority | None = None,
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Totals:
    """Let one agent play it, and return the counts."""

    async def run() -> Totals:
        loop = asyncio.get_running_loop()
        async with server.serving(authority.server_context() if authority else None):
            tls = offering(authority.client_context(), played) if authority else None
            connect = connector(Target("127.0.0.1", server.port, "127.0.0.1", tls), loop, 5)
            runner = LoadRunner(played, "127.0.0.1", connect, SystemClock(), loop)
            runner.add_agent("one", Credentials(token="secret"), {"node": "node-1"})
            await runner.wait_until_over()
            return runner.totals()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run())


def well(talk: Talk, asked: Asked) -> None:
    """Answer at once."""
    talk.answer(asked.stream)


@pytest.mark.parametrize("factory", FACTORIES, ids=["asyncio", "uvloop"])
def test_all_requests_of_an_agent_share_a_connection(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Long answers over TLS, which come in many frames: every byte is counted, and one connection is enough."""
    body = b"x" * 400_000
    server = Http2Server(lambda talk, asked: talk.answer(asked.stream, body))
    totals = play(server, profile(LIST, {"path": "/version"}, max_requests=6), Authority(tmp_path), factory=factory)
    assert totals.outcomes == {"ok": 6}
    assert 6 * len(body) < totals.received_bytes < 6 * (len(body) + 2000)
    assert len(server.talks) == 1
    assert {one.headers[":path"] for one in server.asked} == {"/api/v1/pods", "/version"}
    [told] = {tuple(sorted(one.headers.items())) for one in server.asked if one.headers[":path"] == "/version"}
    assert dict(told) == {
        ":authority": "127.0.0.1", ":method": "GET", ":path": "/version", ":scheme": "https",
        "accept": "application/json", "accept-encoding": "gzip", "authorization": "Bearer secret",
        "user-agent": dict(told)["user-agent"],
    }  # fmt: skip


@pytest.mark.parametrize("factory", FACTORIES, ids=["asyncio", "uvloop"])
def test_what_lay_unread_is_no_part_of_the_latency(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """What follows the first piece of a slow answer is read 0.2 s later, and with it the answer to somebody else."""

    def slow(talk: Talk, asked: Asked) -> None:
        call_later = asyncio.get_running_loop().call_later
        if asked.headers[":path"] == "/version":
            call_later(2.05, talk.answer, asked.stream)
            return
        call_later(2.0, talk.begin, asked.stream)
        call_later(2.0, talk.say, asked.stream, b"x" * 8_000)
        call_later(2.03, talk.say, asked.stream, b"x", True)

    asks = ({**LIST, "period_s": 9}, {"path": "/version", "period_s": 9})
    totals = play(Http2Server(slow), profile(*asks, max_requests=2), Authority(tmp_path), factory=factory)
    assert totals.outcomes == {"ok": 2}
    assert 1.95 < totals.from_send["ok"].min_s <= totals.from_send["ok"].max_s < 2.15


def test_a_request_that_is_given_up_is_taken_back_and_the_connection_stays() -> None:
    """What HTTP/1.1 cannot do: no handshake is needed for the next one."""

    def hang_first(talk: Talk, asked: Asked) -> None:
        if asked.stream > 1:
            talk.answer(asked.stream)

    server = Http2Server(hang_first)
    totals = play(server, profile(max_requests=9, request_timeout_s=0.3))
    assert totals.outcomes == {"timeout": 1, "ok": 8}
    assert (len(server.talks), server.taken_back) == (1, [(1, CANCEL)])


def test_bytes_of_an_answer_that_nobody_waits_for_count_against_the_budget() -> None:
    """A server that goes on sending is no reason to receive more than the profile allows."""

    def go_on(talk: Talk, asked: Asked) -> None:
        late = frame(DATA, 0, asked.stream, b"x" * 16_000) * 5
        asyncio.get_running_loop().call_later(0.4, talk.writer.write, late)

    asks = {**LIST, "period_s": 1}
    totals = play(Http2Server(go_on), profile(asks, request_timeout_s=0.2, max_bytes=60_000, duration_s=4))
    assert (totals.outcomes, totals.tries) == ({"timeout": 1}, 1)


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, "ok"),
        (429, {"retry-after": "1"}, "http_429"),
        (403, JSON, "http_403"),
        (503, JSON, "http_5xx"),
    ],
)
def test_an_answer_is_counted_by_its_status(status: int, headers: dict[str, str], outcome: str) -> None:
    """As in HTTP/1.1."""
    server = Http2Server(lambda talk, asked: talk.answer(asked.stream, status=status, headers=[*headers.items()]))
    assert play(server, profile(max_requests=2)).outcomes == {outcome: 2}


def test_a_watch_cache_that_is_not_ready_is_told_from_fair_queueing() -> None:
    """By the media type of its answer."""
    server = Http2Server(lambda talk, asked: talk.answer(asked.stream, status=429, headers=[*JSON.items()]))
    assert play(server, profile(max_requests=2)).not_initialized == 2


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    """And an informational one is followed by the real one."""

    def answer(talk: Talk, asked: Asked) -> None:
        talk.h2.send_headers(asked.stream, [(":status", "103")])
        talk.h2.send_headers(asked.stream, [(":status", "200")], end_stream=True)

    assert play(Http2Server(answer), profile(max_requests=2)).outcomes == {"ok": 2}


def test_who_is_asked_to_leave_ends_what_was_begun_and_connects_anew() -> None:
    """GOAWAY: what the server did not take is asked again by whoever does so, what it took is answered."""
    waiting: list[int] = []

    def answer(talk: Talk, asked: Asked) -> None:
        if talk.number:
            talk.answer(asked.stream)
        elif not waiting:
            waiting.append(asked.stream)
        else:
            first = waiting[0]
            talk.begin(first)
            talk.leave(first)
            talk.writer.write(frame(DATA, END_STREAM, first, b"{}"))  # h2 itself says no more once it said GOAWAY

    server = Http2Server(answer)
    totals = play(server, profile(LIST, {"path": "/version"}, max_requests=4, retry="client-go"))
    assert totals.outcomes == {"ok": 3, "reset": 1}
    assert len(server.talks) == 2


def test_a_server_that_resets_a_stream_or_dies_is_one_that_resets() -> None:
    """All requests in flight end with their connection, and the next one opens another."""

    def answer(talk: Talk, asked: Asked) -> None:
        if asked.stream == 1 and not talk.number:
            talk.h2.reset_stream(asked.stream)
        elif not talk.number:
            talk.writer.transport.abort()
        else:
            talk.answer(asked.stream)

    server = Http2Server(answer)
    totals = play(server, profile(max_requests=4))
    assert totals.outcomes == {"reset": 2, "ok": 2}
    assert len(server.talks) == 2


def test_a_server_that_speaks_no_http2_is_never_asked(tmp_path: Path) -> None:
    """A load balancer, perhaps. Nobody is asked in another protocol than the profile says."""
    authority = Authority(tmp_path)

    async def run() -> Totals:
        loop = asyncio.get_running_loop()
        context = authority.server_context()
        old = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=context)
        played = profile(max_requests=2)
        tls = offering(authority.client_context(), played)
        connect = connector(Target("127.0.0.1", old.sockets[0].getsockname()[1], "127.0.0.1", tls), loop, 5)
        runner = LoadRunner(played, "127.0.0.1", connect, SystemClock(), loop)
        runner.add_agent("one", Credentials())
        await runner.wait_until_over()
        old.close()
        return runner.totals()

    totals = asyncio.run(run())
    assert totals.outcomes == {"reset": 2}
    assert totals.sent == 0


def test_connections_of_their_own_are_closed_after_each_answer() -> None:
    """Policy per-request: a handshake each time, as failing clients do."""
    server = Http2Server(well)
    totals = play(server, profile({**LIST, "connection": "per-request"}, max_requests=3))
    assert totals.outcomes == {"ok": 3}
    assert [one.connection for one in server.asked] == [0, 1, 2]


def test_a_full_connection_gets_a_second_one_beside_it() -> None:
    """The server takes one request at a time: as Go's client, the agent opens another connection."""

    def answer(talk: Talk, asked: Asked) -> None:
        asyncio.get_running_loop().call_later(0.3, talk.answer, asked.stream)

    server = Http2Server(answer, {MAX_STREAMS: 1})
    totals = play(server, profile({**LIST, "period_s": 0.2}, max_requests=4))
    assert totals.outcomes == {"ok": 4}
    assert len(server.talks) > 1


def test_a_list_is_read_page_by_page() -> None:
    """The way to the next page stands in the body."""
    pages = iter(["next", ""])

    def answer(talk: Talk, asked: Asked) -> None:
        token = next(pages)
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "continue": token}}
        talk.answer(asked.stream, json.dumps({**body, "items": []}, separators=(",", ":")).encode())

    server = Http2Server(answer)
    paged = {"path": "/api/v1/pods", "query": {"limit": "5"}, "gzip": False, "paged": True, "period_s": 60}
    totals = play(server, profile(paged, duration_s=1.5))
    assert (totals.outcomes, totals.pages) == ({"ok": 2}, 1)
    assert [one.headers[":path"] for one in server.asked] == [
        "/api/v1/pods?limit=5",
        "/api/v1/pods?limit=5&continue=next",
    ]


def test_a_watch_is_read_for_its_time_beside_other_requests() -> None:
    """It is answered with its head, and ended when it is over; the connection goes on."""

    def answer(talk: Talk, asked: Asked) -> None:
        if "watch=1" in asked.headers[":path"]:
            talk.begin(asked.stream)
            talk.say(asked.stream, b"{}")
        else:
            talk.answer(asked.stream)

    server = Http2Server(answer)
    watch = {"path": "/api/v1/pods", "query": {"watch": "1"}, "watch_s": 1, "period_s": 60}
    totals = play(server, profile(watch, {"path": "/version", "period_s": 0.5}, duration_s=4, request_timeout_s=1))
    assert set(totals.outcomes) == {"ok"}
    assert len(server.talks) == 1
    assert len(server.taken_back) == 1


def test_bodies_wait_until_the_server_takes_them() -> None:
    """Writes of 8 kB each, against a server that takes 65 kB in all until it has read some."""
    server = Http2Server(well)
    write = {"pattern": "patch-node-status", "period_s": 0.1}
    totals = play(server, profile(write, max_requests=20, marks=MARKS))
    assert totals.outcomes == {"ok": 20}
    assert {len(body) > 7000 and bool(json.loads(body)) for body in server.bodies.values()} == {True}
    assert len(server.bodies) == 20


def test_a_server_with_a_small_window_gets_no_body_beyond_it() -> None:
    """The request waits until its time is over; smaller ones go on."""
    server = Http2Server(well, {INITIAL_WINDOW: 1000})
    write = {"pattern": "patch-node-status", "period_s": 60}
    small = {"pattern": "create-events", "period_s": 0.1}
    played = profile(write, small, max_requests=5, marks=MARKS, request_timeout_s=1)
    totals = play(server, played)
    assert totals.outcomes["ok"] == 4


class _Outcomes:
    """Writes down how requests end."""

    def __init__(self) -> None:
        self.ended: list[Outcome] = []

    def bytes_received(self, channel: Channel, count: int) -> None:
        pass

    def try_ended(self, channel: Channel, outcome: Outcome) -> None:  # noqa: ARG002
        self.ended.append(outcome)

    def idle_connection_lost(self, channel: Channel) -> None:
        pass


def test_a_body_is_not_sent_after_its_answer() -> None:
    """A server may say no before it has read a body; of a stream that has ended it wants nothing more."""
    silent, outcomes = _Silent(), _Outcomes()
    wide = INITIAL_WINDOW.to_bytes(2) + MAX_WINDOW.to_bytes(4)

    async def run() -> None:
        session = Http2Session(outcomes, lambda _session: None, is_shared=True)
        session.buffer = read_buffer()
        session.connection_made(silent)
        session.begin(Http2Stream(session), b"POST /api HTTP/1.1\r\nHost: h", b"x" * (DEFAULT_WINDOW + 1))
        answer = frame(HEADERS, END_STREAM | END_HEADERS, 1, TOO_MANY)
        for said in (frame(SETTINGS, 0, 0, wide), answer, more_window(0, DEFAULT_WINDOW)):
            session.buffer[: len(said)] = said
            session.buffer_updated(len(said))
        session.close()

    asyncio.run(run())
    assert outcomes.ended == ["http_429"]
    assert b"xxx" not in silent.written


def test_a_connection_of_its_own_that_nobody_waits_for_any_more_is_closed() -> None:
    """A request that was given up in mid-handshake leaves no connection behind."""
    opened: list[asyncio.Task[None]] = []

    async def connect(_connection: IntoBuffer, _credentials: Credentials) -> None:
        task = asyncio.current_task()
        assert task is not None
        opened.append(task)
        await asyncio.Event().wait()

    async def run() -> Totals:
        loop = asyncio.get_running_loop()
        played = profile({**LIST, "connection": "per-request"}, max_requests=3, request_timeout_s=0.3)
        runner = LoadRunner(played, "127.0.0.1", connect, SystemClock(), loop)
        runner.add_agent("one", Credentials())
        await runner.wait_until_over()
        await asyncio.sleep(0.01)
        return runner.totals()

    assert asyncio.run(run()).outcomes == {"timeout": 3}
    assert [task.cancelled() for task in opened] == [True] * 3


class _Silent(asyncio.Transport):
    """A peer that vanished without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


def test_a_peer_that_vanished_is_noticed_after_as_long_as_with_client_go() -> None:
    """30 s without a word, then 15 s without an answer to a ping."""
    loop = VirtualLoop()
    silent = _Silent()

    async def connect(connection: IntoBuffer, _credentials: Credentials) -> None:
        connection.buffer = read_buffer()
        connection.connection_made(silent)

    async def run() -> tuple[float, Totals]:
        played = profile({**LIST, "period_s": 60}, max_requests=1, request_timeout_s=100, duration_s=200)
        runner = LoadRunner(played, "127.0.0.1", connect, VirtualClock(loop), loop)
        runner.add_agent("one", Credentials())
        await runner.wait_until_over()
        return loop.time(), runner.totals()

    ended_s, totals = run_virtual(loop, run())
    assert totals.outcomes == {"reset": 1}
    assert ended_s == pytest.approx(45, abs=0.5)
    assert frame(PING, 0, 0, bytes(8)) in silent.written


@dataclass
class _Notes:
    """Writes down what it hears; of the bytes only how many there were, since pieces differ."""

    heard: list[tuple[object, ...]] = field(default_factory=list)
    counted: Counter[int] = field(default_factory=Counter)
    of_bodies: Counter[int] = field(default_factory=Counter)
    listens: bool = True

    def looks_at(self, stream: int) -> bool:
        return bool(stream % 4)

    def bytes_came(self, stream: int, count: int, of_body: int) -> None:
        self.counted[stream] += count
        self.of_bodies[stream] += of_body

    def data_ended(self, stream: int, payload: bytes, is_last: bool) -> None:
        self.heard.append((stream, payload, is_last))

    def head_came(self, stream: int, fields: Fields, is_last: bool) -> None:
        self.heard.append((stream, tuple(fields), is_last))

    def said(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.heard.append((kind, flags, stream, payload))


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=40))))
def test_whatever_a_server_sends_is_read_or_called_wrong(sent: list[tuple[int, int, int, bytes]]) -> None:
    """Never any other error, and never a difference by where the pieces are cut."""
    whole = b"".join(frame(*one) for one in sent)
    notes = [_Notes(), _Notes(), _Notes()]
    for note, size in zip(notes, (1, 7, len(whole) or 1), strict=True):
        reader = FrameReader(note)
        with suppress(FrameError):
            for at in range(0, len(whole), size):
                reader.feed(memoryview(whole)[at : at + size])
    assert notes[0] == notes[1] == notes[2]


def test_a_server_that_answers_in_another_protocol_is_no_server() -> None:
    """`HTTP/1.1 400 Bad Request` would be the begin of a frame of 4.7 MB, and the request would wait for it."""
    reader = FrameReader(_Notes())
    with pytest.raises(FrameError, match="a frame of 4740180 bytes, where 16384 are allowed"):
        reader.feed(memoryview(b"HTTP/1.1 400 Bad Request"))


class _Answering(_Silent):
    """A peer that answers everything with the answer to a ping, soon."""

    def __init__(self, connection: IntoBuffer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._connection, self._loop = connection, loop

    def write(self, data: bytes | bytearray | memoryview) -> None:  # noqa: ARG002
        self._loop.call_later(0.01, self._answer)

    def _answer(self) -> None:
        answer = frame(PING, ACK, 0, bytes(8))
        self._connection.buffer[: len(answer)] = answer
        self._connection.buffer_updated(len(answer))


@pytest.mark.parametrize("delay_s", [0.001, 0.01, 0.1, 0.3, 0.7])
def test_a_connection_that_is_quiet_is_looked_at_now_and_then(delay_s: float) -> None:
    """What is left of 30 s may be less than a clock can tell apart: it must not be waited for again and again."""
    loop = VirtualLoop()

    async def connect(connection: IntoBuffer, _credentials: Credentials) -> None:
        await asyncio.sleep(delay_s)
        connection.buffer = read_buffer()
        connection.connection_made(_Answering(connection, loop))

    async def run() -> Totals:
        played = profile({**LIST, "period_s": 60}, max_requests=1, request_timeout_s=100, duration_s=99)
        runner = LoadRunner(played, "127.0.0.1", connect, VirtualClock(loop), loop)
        runner.add_agent("one", Credentials())
        await runner.wait_until_over()
        return runner.totals()

    assert run_virtual(loop, run()).outcomes == {"aborted": 1}


@given(st.binary(min_size=1, max_size=400))
def test_a_session_that_is_sent_rubbish_ends(rubbish: bytes) -> None:
    """Its requests are over with it, or wait for more."""
    loop = VirtualLoop()
    made: list[IntoBuffer] = []

    async def connect(connection: IntoBuffer, _credentials: Credentials) -> None:
        connection.buffer = read_buffer()
        connection.connection_made(_Silent())
        made.append(connection)

    async def run() -> Totals:
        played = profile({**LIST, "period_s": 60}, max_requests=1, request_timeout_s=10, duration_s=200)
        runner = LoadRunner(played, "127.0.0.1", connect, VirtualClock(loop), loop)
        runner.add_agent("one", Credentials())
        await asyncio.sleep(1)
        made[0].buffer[: len(rubbish)] = rubbish
        made[0].buffer_updated(len(rubbish))
        await runner.wait_until_over()
        return runner.totals()

    [(outcome, count)] = run_virtual(loop, run()).outcomes.items()
    assert (outcome in ("error", "timeout", "reset"), count) == (True, 1)
