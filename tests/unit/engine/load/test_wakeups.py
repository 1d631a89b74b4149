"""Long answers over real sockets and real TLS: few wake-ups, and nothing is left unread."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.channel import Channel, Credentials
from chaoslib_cp.engine.load.connection import HttpConnection
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.engine.load.process import loop_factory
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.wakeups import Wakeups
from chaoslib_cp.outcome import Outcome
from tests.fakes.certificates import Authority

RECORD = b"x" * 4000  # an API server hands out about so much at a time
LONG = 50
PAUSE_S = 0.001
Body = Callable[[asyncio.StreamWriter], Awaitable[None]]
FACTORIES = [asyncio.new_event_loop, loop_factory()]


@pytest.fixture(params=FACTORIES, ids=["asyncio", "uvloop"])
def factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Both event loops."""
    made: Callable[[], asyncio.AbstractEventLoop] = request.param
    return made


@dataclass
class Ear:
    """Owns a connection, and hears what it says."""

    pieces: list[int] = field(default_factory=list)
    ended: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def bytes_received(self, _channel: Channel, count: int) -> None:
        """Note a piece."""
        self.pieces.append(count)

    def try_ended(self, _channel: Channel, outcome: Outcome) -> None:
        """Note the end."""
        self.ended.set_result(outcome)

    def idle_connection_lost(self, _channel: Channel) -> None:
        """A connection may go."""


@asynccontextmanager
async def serving(body: Body, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Answer every request of every connection with a body that is sent bit by bit."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk_task = asyncio.current_task()
        assert talk_task is not None
        talks.add(talk_task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await reader.readuntil(b"\r\n\r\n"):
                await body(writer)
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in talks:
            one.cancel()
        await asyncio.gather(*talks)
        await asyncio.sleep(0)  # what was aborted is closed in the next round of the loop


async def send_pieces(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    """Send each piece by itself, as a TLS record of its own."""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(PAUSE_S)


async def chunked(writer: asyncio.StreamWriter) -> None:
    """A list as an API server sends it."""
    chunks = [b"%x\r\n%s\r\n" % (len(RECORD), RECORD)] * LONG
    await send_pieces(writer, [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"])


async def of_known_length(writer: asyncio.StreamWriter) -> None:
    """An answer that says its length first."""
    await send_pieces(
        writer, [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(RECORD) * LONG), *[RECORD] * LONG]
    )


async def until_closed(writer: asyncio.StreamWriter) -> None:
    """An answer that ends with its connection."""
    await send_pieces(writer, [b"HTTP/1.1 200 OK\r\n\r\n", *[RECORD] * LONG])
    writer.close()


async def cut_off(writer: asyncio.StreamWriter) -> None:
    """A server that is killed in the middle of its answer."""
    await send_pieces(writer, [b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", *[RECORD] * 10])
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an orderly end
    writer.transport.abort()


async def hanging(writer: asyncio.StreamWriter) -> None:
    """A server that stops in the middle of its answer."""
    await send_pieces(writer, [b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", *[RECORD] * 10])
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Heard:
    """What became of the requests over one connection."""

    outcomes: list[Outcome]
    received_bytes: int
    pieces: int
    lay_unread_s: float


def ask(
    body: Body,
    factory: Callable[[], asyncio.AbstractEventLoop],
    authority: Authority | None,
    requests: int = 2,
    connection_type: type[HttpConnection] = HttpConnection,
) -> Heard:
    """Ask some times over one connection."""

    async def run() -> Heard:
        loop = asyncio.get_running_loop()
        async with serving(body, authority.server_context() if authority else None) as port:
            target = Target("127.0.0.1", port, "127.0.0.1", authority.client_context() if authority else None)
            ear = Ear()
            connection = connection_type(ear)
            await connector(target, loop, 5)(connection, Credentials())
            outcomes: list[Outcome] = []
            for _ in range(requests):
                ear.ended = loop.create_future()
                connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                outcomes.append(await asyncio.wait_for(ear.ended, 10))
            connection.abort()
            return Heard(outcomes, sum(ear.pieces), len(ear.pieces), connection.lay_unread_s)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run())


@pytest.mark.parametrize(("body", "with_tls"), [(chunked, True), (of_known_length, True), (chunked, False)])
def test_a_long_answer_is_read_to_its_end_in_few_pieces(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop], body: Body, with_tls: bool
) -> None:
    """200 kB in 50 records, twice over one connection: all of it, in far fewer pieces than records."""
    heard = ask(body, factory, Authority(tmp_path) if with_tls else None)
    assert heard.outcomes == ["ok", "ok"]
    assert heard.received_bytes >= 2 * LONG * len(RECORD)
    assert heard.pieces < 2 * LONG / 2
    assert 0 <= heard.lay_unread_s < 0.1


@pytest.mark.parametrize("with_tls", [True, False], ids=["tls", "plain"])
def test_an_answer_that_ends_with_its_connection_is_read_to_its_end(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop], with_tls: bool
) -> None:
    """The end of a connection wakes the reader, whatever lies below the mark."""
    heard = ask(until_closed, factory, Authority(tmp_path) if with_tls else None, requests=1)
    assert heard.outcomes == ["ok"]
    assert heard.received_bytes >= LONG * len(RECORD)


def test_a_reset_in_the_middle_is_heard_at_once(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """A server that is killed is no server that hangs."""
    heard = ask(cut_off, factory, Authority(tmp_path), requests=1)
    assert heard.outcomes == ["reset"]


def test_who_wants_every_byte_gets_it_as_it_comes(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The events of a watch are not kept waiting."""

    class Watching(HttpConnection):
        reads_at_once = True

    async def sparse(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (40_000, b"x" * 40_000))
        await asyncio.sleep(0.2)  # a wait of a tenth would be 20 ms from now on
        await send_pieces(writer, [b"1\r\nx\r\n"] * 10)
        writer.write(b"0\r\n\r\n")

    heard = ask(sparse, factory, Authority(tmp_path), requests=1, connection_type=Watching)
    assert heard.outcomes == ["ok"]
    assert heard.pieces >= 10


def test_a_server_that_hangs_in_its_answer_times_out_at_the_deadline(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """What was read before it hung counts, and the request ends at its own limit."""
    authority = Authority(tmp_path)
    spec = RequestSpec("/api/v1/pods", period_s=10)
    profile = LoadProfile((spec,), duration_s=10, max_requests=1, request_timeout_s=0.4, phase_ratio=0)

    async def run() -> LoadRunner:
        loop = asyncio.get_running_loop()
        async with serving(hanging, authority.server_context()) as port:
            tls = authority.client_context()
            connect = connector(Target("127.0.0.1", port, "127.0.0.1", tls), loop, 5)
            runner = LoadRunner(profile, "127.0.0.1", connect, SystemClock(), loop)
            runner.add_agent("one", Credentials())
            await runner.wait_until_over()
            return runner

    with asyncio.Runner(loop_factory=factory) as runner:
        totals = runner.run(run()).totals()
    assert totals.outcomes == {"timeout": 1}
    assert totals.received_bytes >= 10 * len(RECORD)
    assert totals.from_send["timeout"].max_s == pytest.approx(0.4, abs=0.15)


def test_the_mark_is_put_back_for_the_next_request(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """A short answer after a long one does not wait for 64 KiB that never come."""
    lengths = iter([100_000, 10])

    async def long_then_short(writer: asyncio.StreamWriter) -> None:
        length = next(lengths)
        pieces = re.findall(rb".{1,4000}", b"x" * length)
        await send_pieces(writer, [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, *pieces])

    heard = ask(long_then_short, factory, None)
    assert heard.outcomes == ["ok", "ok"]
    assert heard.lay_unread_s == 0


def test_a_slow_answer_is_read_in_few_pieces_from_its_begin(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """In an overload most answers are slow: what follows soon is worth a wait, which is no part of the latency."""

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2.0)  # a wait of a tenth is 200 ms from now on
        await send_pieces(writer, [b"HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n" + RECORD, RECORD, RECORD])

    heard = ask(slow, factory, Authority(tmp_path), requests=1)
    assert heard.outcomes == ["ok"]
    assert heard.pieces == 2
    assert 0.03 < heard.lay_unread_s < 1.0


@pytest.mark.parametrize("above_the_mark", [0, 100_000], ids=["the first bytes", "after some that woke the reader"])
def test_how_long_bytes_lay_unread_is_known(
    factory: Callable[[], asyncio.AbstractEventLoop], above_the_mark: int
) -> None:
    """Latencies end when the last byte was there, so that reading rarely does not lengthen them."""

    class Reader(asyncio.Protocol):
        def __init__(self) -> None:
            self.left = above_the_mark
            self.wakeups: Wakeups | None = None
            self.passed, self.read = asyncio.Event(), asyncio.Event()

        def data_received(self, data: bytes) -> None:
            self.left -= len(data)
            if self.left < 0:
                self.read.set()
            elif self.wakeups is not None:
                self.wakeups.was_read()
                self.passed.set()

    async def run() -> float:
        loop = asyncio.get_running_loop()
        greeted = loop.create_future()
        async with await asyncio.start_server(lambda _, writer: greeted.set_result(writer), "127.0.0.1", 0) as server:
            transport, reader = await loop.create_connection(Reader, "127.0.0.1", server.sockets[0].getsockname()[1])
            wakeups = reader.wakeups = Wakeups(transport, loop)
            wakeups.make_rare(taken_s=3.0)
            writer: asyncio.StreamWriter = await greeted
            if above_the_mark:
                writer.write(b"x" * above_the_mark)
                await reader.passed.wait()
            writer.write(b"x" * 100)
            await reader.read.wait()
            lay_s = wakeups.lay_unread_s()
            transport.abort()
            writer.transport.abort()
            await asyncio.sleep(0)
            return lay_s

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(run()) == pytest.approx(0.3, abs=0.25)
