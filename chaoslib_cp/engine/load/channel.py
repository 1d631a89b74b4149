"""What a request is made over: an HTTP/1.1 connection, or a stream of an HTTP/2 connection. One request at a time."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import ClassVar, Final, Protocol

from chaoslib_cp.outcome import Outcome

FIRST_FINAL_STATUS: Final = 200
"""An answer with a lower status is informational: the real one follows."""


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
    tls: SSLContext | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class IntoBuffer(asyncio.BufferedProtocol):
    """A connection that is read into a buffer which others use, too.

    Attributes:
        buffer: what it is read into; set by whoever connects it.
    """

    buffer: memoryview

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - larger than any hint
        """Lend the buffer (asyncio calls this before it reads)."""
        return self.buffer


Connect = Callable[[IntoBuffer, Credentials], Awaitable[None]]


class Channel(ABC):
    """It stays with its request until that has ended.

    Attributes:
        status: what the last answer said, as the next two.
        retry_after: value of that header; None without one.
        media_type: that of the answer, in lower case.
        lay_unread_s: seconds for which the end of the last answer was there before it was read.
        reads_at_once: whether every byte is wanted as it comes, also in the middle of a long answer.
    """

    reads_at_once: ClassVar[bool] = False
    status: int = 0
    retry_after: str | None = None
    media_type: bytes = b""
    lay_unread_s: float = 0.0

    @property
    @abstractmethod
    def is_reusable(self) -> bool:
        """Whether another request may be sent over it."""

    @abstractmethod
    async def open(self, connect: Connect, credentials: Credentials) -> None:
        """Wait until there is a connection.

        Raises:
            OSError: There will be none.
        """

    def send(self, message: bytes) -> bool:
        """Send a request: its head as HTTP/1.1 writes it, an empty line, and a body if it has one.

        Returns:
            Whether it was written; if not, the listener has heard so.
        """
        self._forget_answer()
        return self._send(message)

    @abstractmethod
    def _send(self, message: bytes) -> bool:
        """Send a request, of whose answer nothing is known."""

    @abstractmethod
    def fetch_rest(self) -> bool:
        """Read at once what is there of an answer; whether anything may lie unread. The listener hears of it soon."""

    @abstractmethod
    def abort(self) -> None:
        """End it at once, without a word to the listener; a request in flight is forgotten."""

    def on_headers_complete(self) -> None:  # noqa: B027 - most have nothing to do
        """Hear that the head of an answer is there."""

    def _forget_answer(self) -> None:
        self.status, self.retry_after, self.media_type = 0, None, b""
        self.lay_unread_s = 0.0

    def _note_header(self, name: bytes, value: bytes) -> None:
        """Note the few that matter; the name is in lower case."""
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()
        elif name == b"content-type":
            self.media_type = value.partition(b";")[0].strip().lower()


class Listener(Protocol):
    """Whoever owns a channel."""

    def bytes_received(self, channel: Channel, count: int) -> None:
        """Hear that ``count`` bytes of an answer arrived, headers and framing included."""

    def try_ended(self, channel: Channel, outcome: Outcome) -> None:
        """Hear that the request in flight ended; the channel may be used again if ``is_reusable``."""

    def idle_connection_lost(self, channel: Channel) -> None:
        """Hear that the server closed an HTTP/1.1 connection without a request in flight."""
