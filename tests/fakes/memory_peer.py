"""An HTTP server inside the event loop, without sockets, for tests on virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from chaoslib_cp.engine.load.channel import Credentials, IntoBuffer
from chaoslib_cp.engine.load.connector import read_buffer


@dataclass(frozen=True)
class MemoryAnswer:
    """What the peer says to one request, ``delay_s`` virtual seconds later; None hangs up."""

    data: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    delay_s: float = 0.01


OK = MemoryAnswer()
HANG = MemoryAnswer(delay_s=1e9)
HANG_UP = MemoryAnswer(data=None)


def status_answer(status: int, headers: str = "", delay_s: float = 0.01) -> MemoryAnswer:
    """Return an answer without a body; ``headers`` are whole lines."""
    return MemoryAnswer(f"HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\n\r\n".encode(), delay_s)


class _MemoryTransport(asyncio.Transport):
    def __init__(self, peer: "MemoryPeer", connection: IntoBuffer) -> None:
        super().__init__()
        self._peer = peer
        self._connection = connection
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a request and schedule its answer."""
        loop = self._peer.loop
        answer = self._peer.answer(bytes(data), loop.time())
        loop.call_later(answer.delay_s, self._deliver, answer.data)

    def is_closing(self) -> bool:
        """Say whether either side closed."""
        return self._is_closing

    def abort(self) -> None:
        """Close from our side."""
        self.lose(None)

    def lose(self, error: Exception | None) -> None:
        """Close from either side, once."""
        if not self._is_closing:
            self._is_closing = True
            self._peer.open -= 1
            self._peer.loop.call_soon(self._connection.connection_lost, error)

    def _deliver(self, data: bytes | None) -> None:
        if self._is_closing:
            return
        if data is None:
            self.lose(ConnectionResetError())
        else:
            lent = self._connection.get_buffer(-1)
            lent[: len(data)] = data
            self._connection.buffer_updated(len(data))


@dataclass
class MemoryPeer:
    """The server. ``script`` maps a request's number (from 0) and its bytes to an answer.

    Attributes:
        heads: all requests with the virtual second of their arrival.
        open: connections open now.
        connected: connections ever opened.
    """

    loop: asyncio.AbstractEventLoop
    script: Callable[[int, bytes], MemoryAnswer] = lambda _number, _head: OK
    connect_error: OSError | None = None
    heads: list[tuple[float, bytes]] = field(default_factory=list)
    open: int = 0
    connected: int = 0
    buffer: memoryview = field(default_factory=read_buffer)

    async def connect(self, connection: IntoBuffer, _credentials: Credentials) -> None:
        """Connect as ``connector`` would."""
        await asyncio.sleep(0.001)
        if self.connect_error is not None:
            raise self.connect_error
        self.open += 1
        self.connected += 1
        connection.buffer = self.buffer
        connection.connection_made(_MemoryTransport(self, connection))

    def answer(self, head: bytes, at_s: float) -> MemoryAnswer:
        """Record a request and return its answer."""
        self.heads.append((at_s, head))
        return self.script(len(self.heads) - 1, head)
