"""One HTTP/1.1 connection: httptools parses, asyncio carries, one answer at a time."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, cast

import httptools

# Where `struct tcp_info` counts all packets that were sent again, the first of the connection included (source: Linux,
# include/uapi/linux/tcp.h: eight bytes, then the 24th of its 32-bit numbers).
_SENT_AGAIN_AT: Final = 100
_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)  # Linux has it


class PeerHungUpError(Exception):
    """The peer closed the connection before its answer was complete."""


class Answer:
    """An HTTP answer as it arrives; httptools calls the ``on_*`` methods."""

    def __init__(self, keep_body_bytes: int, take_body: Callable[[bytes], None] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.first_byte: asyncio.Future[None] = loop.create_future()
        self.complete: asyncio.Future[None] = loop.create_future()
        self.status = 0
        self.body = bytearray()
        self.body_bytes = 0
        self.keep_alive = False
        self._keep_body_bytes = keep_body_bytes
        self._take_body = take_body
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take the bytes that have just come."""
        if not self.first_byte.done():
            self.first_byte.set_result(None)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End whatever the caller is waiting for with ``error``."""
        waited_for = self.complete if self.first_byte.done() else self.first_byte
        if not waited_for.done():
            waited_for.set_exception(error)

    def on_body(self, body: bytes) -> None:
        """Keep what was asked to be kept, hand on what somebody takes, drop the rest unread."""
        self.body_bytes += len(body)
        if self._take_body is not None:
            self._take_body(body)
        room = self._keep_body_bytes - len(self.body)
        if room > 0:
            self.body += body[:room]

    def on_headers_complete(self) -> None:
        """The status is known, even if the body never comes."""
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self.keep_alive = self._parser.should_keep_alive()
        if not self.complete.done():
            self.complete.set_result(None)


class Connection(asyncio.Protocol):
    """A TCP connection, later wrapped in TLS, that carries one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None

    @classmethod
    async def open(cls, address: str, port: int) -> "Connection":
        """Connect by TCP; TLS is a phase of its own."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, address, port)
        return connection

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Shake hands, without resuming an earlier session: a new kubectl has none either."""
        if self._transport is None:
            raise PeerHungUpError
        self._transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=server_name
        )

    def send(self, wire: bytes, keep_body_bytes: int, take_body: Callable[[bytes], None] | None = None) -> Answer:
        """Send a request and return its answer to be."""
        answer = Answer(keep_body_bytes, take_body)
        if self._transport is None:
            answer.fail(PeerHungUpError())
        else:
            self._answer = answer
            self._transport.write(wire)
        return answer

    def sent_again(self) -> int | None:
        """How many packets the kernel had to send again so far; None where it does not tell, or it is closed."""
        taken = self._transport.get_extra_info("socket") if self._transport is not None else None
        if taken is None or _TCP_INFO is None:
            return None
        try:
            told = taken.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SENT_AGAIN_AT + 4)
        except OSError:  # closed in this moment
            return None
        return struct.unpack_from("=I", told, _SENT_AGAIN_AT)[0] if len(told) >= _SENT_AGAIN_AT + 4 else None

    def is_open(self) -> bool:
        """Whether another request may be sent: nobody closed it and the last answer allowed it."""
        idle = self._answer is None or (self._answer.complete.done() and self._answer.keep_alive)
        return idle and self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """Close at once, whatever is in flight; nobody waits for its answer any more."""
        self._answer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there (asyncio calls this once, not again for TLS)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._answer is not None:
            self._answer.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer closed, or the network broke."""
        self._transport = None
        if self._answer is not None:
            self._answer.fail(exc or PeerHungUpError())
