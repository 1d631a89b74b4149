"""A stream of an HTTP/2 connection: what one request is made over."""

from collections.abc import Callable
from typing import Final, Protocol

from chaoslib_cp.engine.load.channel import FIRST_FINAL_STATUS, Channel, Connect, Credentials
from chaoslib_cp.engine.load.http2_reader import Fields


class Session(Protocol):
    """The connection that it is part of."""

    async def open(self, connect: Connect, credentials: Credentials) -> None:
        """Wait until it is open."""

    def begin(self, stream: "Http2Stream", head: bytes, body: bytes) -> bool:
        """Send the request of a stream; whether it was written."""

    def take_back(self, stream: "Http2Stream") -> None:
        """End a request before its answer is there."""

    def fetch_rest(self) -> bool:
        """Read at once what is there; whether anything may lie unread."""


class Http2Stream(Channel):
    """One request of a session, from its begin to its end; another one needs another stream.

    Attributes:
        number: that it has in the session; 0 before it was sent.
        sent_at: when it was, in the event loop's time.
        answer_bytes: bytes that came of its answer, framing included.
        window_used: bytes of its body that came since the server was told to send on.
        look: called with each piece of the body; None where nobody looks at it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.number = 0
        self.sent_at = 0.0
        self.answer_bytes = 0
        self.window_used = 0
        # a body is copied only for who looks at it, as in HTTP/1.1
        self.look: Callable[[bytes], None] | None = getattr(self, "on_body", None)

    @property
    def is_reusable(self) -> bool:
        """Never."""
        return False

    def _send(self, message: bytes) -> bool:
        head, _, body = message.partition(b"\r\n\r\n")
        return self.session.begin(self, head, body)

    def fetch_rest(self) -> bool:
        """Read at once what is there of an answer; whether anything may lie unread."""
        return self.session.fetch_rest()

    async def open(self, connect: Connect, credentials: Credentials) -> None:
        """Wait until its session is open."""
        await self.session.open(connect, credentials)

    def abort(self) -> None:
        """Take the request back; the session stays."""
        self.session.take_back(self)

    def note_head(self, fields: Fields) -> None:
        """Note what an answer says of itself; behind a body it says nothing of that kind any more."""
        for name, value in fields:
            if name == b":status":
                self.status = int(value)
            else:
                self._note_header(name, value)
        if self.status < FIRST_FINAL_STATUS:
            return
        self.on_headers_complete()


class _Nobody(Http2Stream):
    """Stands for a stream whose request was taken back, while its answer still comes."""

    def __init__(self) -> None:
        self.answer_bytes = 0


NOBODY: Final = _Nobody()
