"""One HTTP/1.1 connection with one request in flight, whose answers are counted and thrown away unread.

The parser copies a body only for a protocol that has an ``on_body`` method (httptools looks for it), so here it does
not: the engine's cost stays near that of TLS itself. Who needs the body subclasses and adds ``on_body``. All
connections of an event loop are read into one buffer, and in the middle of a long answer for large pieces only.
"""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, cast

import httptools

from chaoslib_cp.engine.load.wakeups import LONG_BYTES, Wakeups
from chaoslib_cp.outcome import Outcome, of_http_status, of_socket_error

_FIRST_FINAL_STATUS = 200
# More than the 256 KiB that a TLS transport of asyncio or uvloop holds at most, so that one call empties it.
_BUFFER_BYTES: Final = 320 * 1024


@dataclass(frozen=True)
class Target:
    """Where the requests go.

    Attributes:
        address: IP address, resolved beforehand: during an overload nothing may depend on DNS.
        port: TCP port.
        server_name: the name or address the server's certificate must carry; also the Host header.
        tls: context that trusts the cluster's CA; None speaks plain HTTP.
    """

    address: str
    port: int
    server_name: str
    tls: ssl.SSLContext | None


@dataclass(frozen=True)
class Credentials:
    """Who asks: a bearer token, or a context with a client certificate that replaces the target's.

    Nothing of it is shown by ``repr``.

    Attributes:
        token: bearer token.
        tls: context with a client certificate.
        headers: further headers as (name, value): whom to stand for, or an Authorization that is no bearer token.
    """

    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class Listener(Protocol):
    """Whoever owns a connection."""

    def bytes_received(self, connection: "HttpConnection", count: int) -> None:
        """Hear that ``count`` bytes of an answer arrived, headers and chunk framing included."""

    def try_ended(self, connection: "HttpConnection", outcome: Outcome) -> None:
        """Hear that the request in flight ended; the connection may be reused if ``is_reusable``."""

    def idle_connection_lost(self, connection: "HttpConnection") -> None:
        """Hear that the server closed a connection without a request in flight."""


Connect = Callable[["HttpConnection", Credentials], Awaitable[None]]


def read_buffer() -> memoryview:
    """Return a buffer for the connections of one event loop: each takes out what was read before the next is read."""
    return memoryview(bytearray(_BUFFER_BYTES))


class HttpConnection(asyncio.BufferedProtocol):
    """The protocol. ``status``, ``retry_after`` and ``media_type`` hold what the last answer said.

    Attributes:
        buffer: what it is read into; set by whoever connects it.
        lay_unread_s: seconds for which the end of the last answer was there before it was read.
        reads_at_once: whether every byte is wanted as it comes, also in the middle of a long answer.
    """

    reads_at_once: ClassVar[bool] = False
    buffer: memoryview

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._wakeups: Wakeups | None = None
        self._sent_at = 0.0
        self._answer_bytes = 0
        self.lay_unread_s = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._is_busy = False
        self._is_complete = False
        self._is_framed = False
        self._is_kept = False
        self.status = 0
        self.retry_after: str | None = None
        self.media_type = b""

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: connected, idle, and not being closed by either side."""
        return self._transport is not None and not self._is_busy and not self._transport.is_closing()

    def send(self, head: bytes) -> bool:
        """Send a request without a body, or with one already joined to its head.

        Returns:
            Whether it was written; if not, the listener has heard so.
        """
        self._is_busy, self._is_complete, self._is_framed = True, False, False
        self.status, self.retry_after, self.media_type = 0, None, b""
        self._answer_bytes, self.lay_unread_s = 0, 0.0
        transport = self._transport
        if transport is None or transport.is_closing():
            self._end("reset")
            return False
        transport.write(head)
        self._sent_at = self._loop.time()
        return True

    def fetch_rest(self) -> bool:
        """Read at once what is there of an answer; whether anything may lie unread. The listener hears of it soon."""
        if self._wakeups is None or not self._wakeups.is_rare:
            return False
        self._wakeups.restore()
        return True

    def abort(self) -> None:
        """Close at once, without a word to the listener; a request in flight is forgotten."""
        self._is_busy = False
        self._drop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this once)."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - larger than any hint
        """Lend the buffer (asyncio calls this before it reads)."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count and parse; the listener hears the end only once the parser has returned."""
        self._listener.bytes_received(self, nbytes)
        if not self._is_busy:
            # nobody asked, or the listener has just given up on us because of these bytes
            self._drop()
            return
        try:
            self._parser.feed_data(self.buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._drop()
            self._end("error")
            return
        if self._is_complete:
            self._restore_wakeups()
            if not self._is_kept:
                self._drop()
            self._end(of_http_status(self.status))
            return
        self._answer_bytes += nbytes
        if self._answer_bytes > LONG_BYTES and not self.reads_at_once:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._wakeups is None:
            self._wakeups = Wakeups(self._transport, self._loop)
        if not self._wakeups.is_rare:
            self._wakeups.make_rare(self._loop.time() - self._sent_at)

    def _restore_wakeups(self) -> None:
        if self._wakeups is not None and self._answer_bytes > LONG_BYTES:
            self.lay_unread_s = self._wakeups.lay_unread_s()
            self._wakeups.restore()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the few headers that matter (httptools calls this for each)."""
        name = name.lower()
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()
        elif name == b"content-type":
            self.media_type = value.partition(b";")[0].strip().lower()
        elif name in (b"content-length", b"transfer-encoding"):
            self._is_framed = True

    def on_headers_complete(self) -> None:
        """Note the status."""
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """Note the end of the answer; an informational one (1xx) is followed by the real one."""
        self._is_complete = self.status >= _FIRST_FINAL_STATUS
        # only here: the parser forgets what it knew of the answer when this returns
        self._is_kept = self._parser.should_keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        """Turn the loss into the outcome of the request in flight."""
        self._transport = None
        self._forget_wakeups()
        if not self._is_busy:
            self._listener.idle_connection_lost(self)
        elif exc is None and self.status >= _FIRST_FINAL_STATUS and not self._is_framed:
            # RFC 9112, section 6.3: an answer without a length ends with its connection
            self._end(of_http_status(self.status))
        else:
            self._end(of_socket_error(exc) if isinstance(exc, OSError) else "reset")

    def _drop(self) -> None:
        # first: the next connection may get the same file descriptor
        self._forget_wakeups()
        if self._transport is not None:
            self._transport.abort()

    def _forget_wakeups(self) -> None:
        if self._wakeups is not None:
            self._wakeups.forget()

    def _end(self, outcome: Outcome) -> None:
        if self._is_busy:
            self._is_busy = False
            self._listener.try_ended(self, outcome)


def connector(target: Target, loop: asyncio.AbstractEventLoop, handshake_timeout_s: float) -> Connect:
    """Return a function that connects an ``HttpConnection`` to ``target``.

    asyncio gives a TLS handshake 60 s; a request may have longer, so the limit is the caller's. The 256 KB that
    stdlib asyncio holds for each TLS connection cannot be changed in a public way: with more than about 1,000 agents
    install uvloop (the ``fast`` extra), which holds about 58 KB.
    """
    buffer = read_buffer()

    async def connect(connection: HttpConnection, credentials: Credentials) -> None:
        connection.buffer = buffer
        tls = credentials.tls or target.tls
        await loop.create_connection(
            lambda: connection,
            target.address,
            target.port,
            ssl=tls,
            server_hostname=target.server_name if tls else None,
            ssl_handshake_timeout=handshake_timeout_s if tls else None,
        )

    return connect


def spread(connects: Sequence[Connect]) -> Connect:
    """Return a function that opens each new connection to the next of several servers, in turn."""
    turns = itertools.cycle(connects)

    def connect(connection: HttpConnection, credentials: Credentials) -> Awaitable[None]:
        return next(turns)(connection, credentials)

    return connect
