"""API calls on an event loop: the load engine's connections, with the bodies kept.

``api.py`` makes a handful of calls one after the other; this is for who makes thousands (filling a cluster) or holds
watches open beside other work (the agent farm).
"""

import asyncio
import http
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from chaoslib_cp.engine.load.channel import Channel, Connect, Credentials, Listener
from chaoslib_cp.engine.load.connection import HttpConnection
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.engine.load.head import USER_AGENT, head_of
from chaoslib_cp.outcome import Outcome, is_answer, of_socket_error
from chaoslib_cp.testbed.api import ApiAccess, Manifest

# the API server's own limit for a request (kube-apiserver --request-timeout)
REQUEST_TIMEOUT_S = 60.0
_HANDSHAKE_TIMEOUT_S = REQUEST_TIMEOUT_S
# A peer that vanished without a word is noticed after 30 + 3 * 5 s, as client-go's HTTP/2 pings do (30 s + 15 s).
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


class NoAnswerError(ConnectionError):
    """No complete answer came; whether a write happened is unknown. ``outcome`` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True)
class ApiAnswer:
    """A complete answer."""

    status: int
    retry_after: str | None
    body: bytes

    def json(self) -> Manifest:
        """Return the decoded body.

        Raises:
            ValueError: it is no JSON.
        """
        decoded: Manifest = json.loads(self.body)
        return decoded

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the API server asks to wait, if it does."""
        return float(self.retry_after) if self.retry_after and self.retry_after.isdecimal() else None

    def words(self) -> str:
        """Return what the API server said, as one short line: a Status' message, or the text."""
        try:
            text = str(self.json().get("message", ""))
        except (ValueError, AttributeError):
            text = self.body.decode(errors="replace")
        return " ".join(text.split())[:300]


_Sink = Callable[[int, bytes], None]


class _KeptConnection(HttpConnection):
    """A connection that hands over the body: httptools calls ``on_body`` where a protocol has it."""

    # somebody waits for every event of a watch
    reads_at_once: ClassVar[bool] = True

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self.sink: _Sink = lambda _status, _data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            raw.setsockopt(socket.IPPROTO_TCP, option, value)

    def on_body(self, data: bytes) -> None:
        self.sink(self.status, data)


def api_connect(access: ApiAccess, loop: asyncio.AbstractEventLoop) -> Connect:
    """Return a function that connects as an identity; its TLS context is made once, for many sessions."""
    target = Target(access.address, access.port, access.server_name, access.tls())
    return connector(target, loop, _HANDSHAKE_TIMEOUT_S)


class ApiSession:
    """One connection, opened when needed and kept; one request at a time.

    Args:
        connect: from ``api_connect``.
        host: the Host header.
    """

    def __init__(self, connect: Connect, host: str) -> None:
        self._connect = connect
        self._headers = {"Host": host, "User-Agent": USER_AGENT, "Accept": "application/json"}
        self._connection: _KeptConnection | None = None
        self._ended: asyncio.Future[Outcome] | None = None

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> ApiAnswer:
        """Send a request and return the whole answer.

        Args:
            method: HTTP method.
            path: path with query.
            body: JSON, or None.
            headers: beside or instead of the usual ones, for example those of impersonation.
            timeout_s: limit for all of it.

        Raises:
            NoAnswerError: none came.
        """
        pieces: list[bytes] = []
        connection = await self._send(method, path, body, lambda _, data: pieces.append(data), timeout_s, headers)
        return ApiAnswer(connection.status, connection.retry_after, b"".join(pieces))

    async def watch(
        self,
        path: str,
        on_event: Callable[[dict[str, Any]], None],
        timeout_s: float,
        headers: dict[str, str] | None = None,
    ) -> ApiAnswer:
        """Hand every event of a watch to ``on_event`` until the server ends the watch or refuses it.

        Args:
            path: path with query.
            on_event: called with each decoded event.
            timeout_s: give up after this long; the query's timeoutSeconds should be less.
            headers: as for ``request``.

        Returns:
            Status 200 when the server ended the watch, else the refusal with its body.

        Raises:
            NoAnswerError: the connection could not be made, or broke.
            ValueError: an event is no JSON.
        """
        pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        sending = asyncio.ensure_future(
            self._send("GET", path, None, lambda status, data: pieces.put_nowait((status, data)), timeout_s, headers)
        )
        sending.add_done_callback(lambda _: pieces.put_nowait(None))
        rest = b""
        try:
            while (piece := await pieces.get()) is not None:
                status, data = piece
                rest += data
                if status == http.HTTPStatus.OK:
                    *lines, rest = rest.split(b"\n")
                    for line in lines:
                        on_event(json.loads(line))
            connection = await sending
        finally:
            sending.cancel()
        return ApiAnswer(connection.status, connection.retry_after, rest)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _send(
        self, method: str, path: str, body: bytes | None, sink: _Sink, timeout_s: float, headers: dict[str, str] | None
    ) -> HttpConnection:
        framing = {} if body is None else {"Content-Type": "application/json", "Content-Length": str(len(body))}
        data = head_of(method, path, {**self._headers, **framing, **(headers or {})}.items()) + (body or b"")
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connected()
                connection.sink = sink
                outcome = await self._exchange(connection, data)
                if is_answer(outcome):
                    return connection
        except OSError as error:  # TimeoutError is one, too
            outcome = of_socket_error(error)
        except asyncio.CancelledError:
            self.close()
            raise
        self.close()
        raise NoAnswerError(outcome)

    async def _exchange(self, connection: HttpConnection, data: bytes) -> Outcome:
        self._ended = asyncio.get_running_loop().create_future()
        connection.send(data)
        return await self._ended

    async def _connected(self) -> _KeptConnection:
        if self._connection is None or not self._connection.is_reusable:
            self.close()
            connection = _KeptConnection(self)
            await self._connect(connection, Credentials())
            self._connection = connection
        return self._connection

    def bytes_received(self, channel: Channel, count: int) -> None:
        """Nothing is counted here (called by the connection)."""

    def try_ended(self, channel: Channel, outcome: Outcome) -> None:  # noqa: ARG002
        """Wake up the caller (called by the connection)."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(outcome)

    def idle_connection_lost(self, channel: Channel) -> None:
        """The next request opens a new one (called by the connection)."""
