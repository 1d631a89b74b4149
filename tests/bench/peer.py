"""A small HTTP server as a process of its own, quick enough that a client's own cost shows.

``python -m tests.bench.peer BEHAVIOUR [CERT KEY]`` prints its port and ends when its stdin does. Over TLS it speaks
HTTP/2 with whoever offers that.
"""

import asyncio
import ssl
import sys
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from chaoslib_cp.engine.load.process import loop_factory
from chaoslib_cp.engine.load.profile import HTTP_2

BODY = b'{"kind":"PodList","items":[]}' + b" " * 900
_LENGTH = f"Content-Length: {len(BODY)}\r\n\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + _LENGTH + BODY
FULL = b"HTTP/1.1 429 X\r\nContent-Type: text/plain\r\nRetry-After: 1\r\n" + _LENGTH + BODY
FAILING = b"HTTP/1.1 503 X\r\nContent-Type: text/plain\r\n" + _LENGTH + BODY
# What it says, after how many seconds, and whether the connection ends with it. Nothing at all is a hang.
BEHAVIOURS = {
    "quick": (OK, 0.0, False),
    "quick, a connection for each": (OK, 0.0, True),
    "slow (2 s)": (OK, 2.0, False),
    "full (429)": (FULL, 0.0, False),
    "failing (503)": (FAILING, 0.0, False),
    "resetting": (b"", 0.0, True),
    "hanging": (b"", 0.0, False),
}


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, behaviour: str) -> None:
        self._answer, self._after_s, self._closes = BEHAVIOURS[behaviour]
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request; one may come in pieces."""
        *whole, self._seen = (self._seen + data).split(b"\r\n\r\n")
        for _ in whole:
            if self._after_s:
                asyncio.get_running_loop().call_later(self._after_s, self._say)
            else:
                self._say()

    def _say(self) -> None:
        if self._transport.is_closing():  # its client left while it waited
            return
        if self._answer:
            self._transport.write(self._answer)
        if self._closes:
            self._transport.abort() if not self._answer else self._transport.close()


class Http2Peer(asyncio.Protocol):
    """One connection over HTTP/2; it answers at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk."""
        self._transport = cast(asyncio.Transport, transport)
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._h2.initiate_connection()
        self._transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Answer each request."""
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._h2.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                self._h2.send_data(event.stream_id, BODY, end_stream=True)
        self._transport.write(self._h2.data_to_send())


class AsChosen(asyncio.Protocol):
    """One connection, in the protocol that its handshake has chosen."""

    def __init__(self, behaviour: str) -> None:
        self._behaviour = behaviour

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it to whoever speaks that."""
        made = cast(asyncio.Transport, transport)
        tls = made.get_extra_info("ssl_object")
        is_http2 = tls is not None and tls.selected_alpn_protocol() == HTTP_2
        chosen: asyncio.Protocol = Http2Peer() if is_http2 else Peer(self._behaviour)
        made.set_protocol(chosen)
        chosen.connection_made(made)


async def _serve(behaviour: str, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: AsChosen(behaviour), "127.0.0.1", 0, ssl=tls, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[2:])
        context.set_alpn_protocols([HTTP_2])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(sys.argv[1], context))
