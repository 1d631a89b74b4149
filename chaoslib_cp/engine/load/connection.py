"""One HTTP/1.1 connection with one request in flight, whose answers are counted and thrown away unread.

The parser copies a body only for a protocol that has an ``on_body`` method (httptools looks for it), so here it does
not: the engine's cost stays near that of TLS itself. Who needs the body subclasses and adds ``on_body``. All
connections of an event loop are read into one buffer, and in the middle of a long answer for large pieces only.
"""

import asyncio
from typing import cast

import httptools

from chaoslib_cp.engine.load.channel import FIRST_FINAL_STATUS, Channel, Connect, Credentials, IntoBuffer, Listener
from chaoslib_cp.engine.load.wakeups import Wakeups, is_long
from chaoslib_cp.outcome import Outcome, of_http_status, of_socket_error


class HttpConnection(Channel, IntoBuffer):
    """The protocol."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._wakeups: Wakeups | None = None
        self._sent_at = 0.0
        self._answer_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        self._is_busy = False
        self._is_complete = False
        self._is_framed = False
        self._is_kept = False

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: connected, idle, and not being closed by either side."""
        return self._transport is not None and not self._is_busy and not self._transport.is_closing()

    async def open(self, connect: Connect, credentials: Credentials) -> None:
        """Wait until it is connected."""
        await connect(self, credentials)

    def _send(self, message: bytes) -> bool:
        self._is_busy, self._is_complete, self._is_framed = True, False, False
        self._answer_bytes = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            self._end("reset")
            return False
        transport.write(message)
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
        if not self.reads_at_once:
            self._wait_for_more(self._loop.time() - self._sent_at)

    def _wait_for_more(self, taken_s: float) -> None:
        if self._wakeups is not None:
            self._wakeups.was_read()
        if self._transport is None or self._transport.is_closing() or not is_long(self._answer_bytes, taken_s):
            return
        if self._wakeups is None:
            self._wakeups = Wakeups(self._transport, self._loop)
        if not self._wakeups.is_rare:
            self._wakeups.make_rare(taken_s)

    def _restore_wakeups(self) -> None:
        if self._wakeups is not None:
            self.lay_unread_s = self._wakeups.lay_unread_s()
            self._wakeups.restore()
            self._wakeups.was_read()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the few headers that matter (httptools calls this for each)."""
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._is_framed = True
        else:
            self._note_header(name, value)

    def on_headers_complete(self) -> None:
        """Note the status."""
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """Note the end of the answer; an informational one (1xx) is followed by the real one."""
        self._is_complete = self.status >= FIRST_FINAL_STATUS
        # only here: the parser forgets what it knew of the answer when this returns
        self._is_kept = self._parser.should_keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        """Turn the loss into the outcome of the request in flight."""
        self._transport = None
        self._forget_wakeups()
        if not self._is_busy:
            self._listener.idle_connection_lost(self)
        elif exc is None and self.status >= FIRST_FINAL_STATUS and not self._is_framed:
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
