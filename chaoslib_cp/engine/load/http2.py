"""One HTTP/2 connection, whose answers are counted and thrown away unread.

It takes back a request by itself (RST_STREAM), where HTTP/1.1 has to close the connection: what most agents do, since
Go's client speaks HTTP/2 with every API server. Of what it reads only heads are unpacked, as the protocol demands.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from chaoslib_cp.engine.load import http2_frames as frames
from chaoslib_cp.engine.load.channel import Connect, Credentials, IntoBuffer, Listener
from chaoslib_cp.engine.load.http2_flow import FlowControl
from chaoslib_cp.engine.load.http2_reader import Fields, FrameError, FrameReader
from chaoslib_cp.engine.load.http2_stream import NOBODY, Http2Stream
from chaoslib_cp.engine.load.profile import HTTP_2
from chaoslib_cp.engine.load.wakeups import Wakeups, is_long
from chaoslib_cp.outcome import Outcome, of_http_status, of_socket_error

# A peer that vanished without a word is noticed so (source: kubernetes/apimachinery, pkg/util/net/http.go,
# HTTP2_READ_IDLE_TIMEOUT_SECONDS and HTTP2_PING_TIMEOUT_SECONDS).
_IDLE_S: Final = 30.0
_PING_S: Final = 15.0
# Less is lost in what a clock can tell apart.
_LEAST_WAIT_S: Final = 0.1
# A server that says nothing of it takes so many at least (RFC 9113, section 6.5.2).
_MAX_STREAMS: Final = 100


class Http2Session(IntoBuffer):
    """The connection.

    Args:
        listener: hears of the streams.
        on_lost: called when it is closed, by whomever, before its streams end: who asks again needs another one.
        is_shared: whether it stays for the next request.

    Attributes:
        max_streams: how many requests the server takes at once.
    """

    def __init__(self, listener: Listener, on_lost: Callable[["Http2Session"], None], is_shared: bool) -> None:
        self.max_streams = _MAX_STREAMS
        self._listener = listener
        self._on_lost = on_lost
        self._is_shared = is_shared
        self._opening: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Http2Stream] = {}
        self._next_number = 1
        self._is_leaving = False
        self._reader = FrameReader(self)
        self._wakeups: Wakeups | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._read_at = 0.0
        self._flow = FlowControl()

    @property
    def is_coming(self) -> bool:
        """Whether it is still being opened, or will be."""
        return self._opening is None or not self._opening.done()

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent over it, if there are not too many already."""
        return self._transport is not None and not self._transport.is_closing() and not self._is_leaving

    @property
    def has_room(self) -> bool:
        """Whether the server takes one more request."""
        return len(self._streams) < self.max_streams

    async def open(self, connect: Connect, credentials: Credentials) -> None:
        """Wait until it is open; it goes on being opened when whoever asked first waits no more, as in Go's client.

        Raises:
            OSError: It could not be opened.
        """
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(connect, credentials))
            self._opening.add_done_callback(_hear_of)
        await asyncio.shield(self._opening)

    async def _open(self, connect: Connect, credentials: Credentials) -> None:
        try:
            await connect(self, credentials)
            if not self.is_open:
                raise ConnectionResetError("the server does not speak HTTP/2")
        except BaseException:
            self._on_lost(self)
            raise

    def begin(self, stream: Http2Stream, head: bytes, body: bytes) -> bool:
        """Send the request of a stream; a body waits until the server takes so many bytes.

        Returns:
            Whether it was written; if not, the listener has heard so.
        """
        if not self.is_open:
            self._listener.try_ended(stream, "reset")
            return False
        transport = cast(asyncio.Transport, self._transport)
        stream.number, stream.sent_at = self._next_number, self._loop.time()
        self._next_number += 2
        self._streams[stream.number] = stream
        opening, rest = frames.request_frames(stream.number, frames.block_of(head, self._scheme), body)
        transport.write(opening)
        if rest:
            self._write(self._flow.send(stream, rest, len(body)))
        return True

    def take_back(self, stream: Http2Stream) -> None:
        """End a request before its answer is there; nobody hears of it."""
        if self._streams.pop(stream.number, None) is None:
            if not self._is_shared:
                self.close()  # while it was being opened, for nobody else
            return
        self._flow.forget(stream)
        self._write(frames.cancelled(stream.number))
        self._close_if_done()

    def fetch_rest(self) -> bool:
        """Read at once what is there; whether anything may lie unread."""
        if self._wakeups is None or not self._wakeups.is_rare:
            return False
        self._wakeups.restore()
        return True

    def close(self) -> None:
        """Close at once; requests in flight are forgotten."""
        self._streams.clear()
        if self._opening is not None:
            self._opening.cancel()
        self._drop()
        self._on_lost(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk, if the server chose this protocol (asyncio calls this once)."""
        self._loop = asyncio.get_running_loop()
        made = cast(asyncio.Transport, transport)
        if self._opening is not None and self._opening.cancelling():
            made.abort()  # closed while it was being opened
            return
        tls = made.get_extra_info("ssl_object")
        self._scheme = b"https" if tls is not None else b"http"
        if tls is not None and tls.selected_alpn_protocol() != HTTP_2:
            made.abort()
            return
        self._transport = made
        self._read_at = self._loop.time()
        self._looking = self._loop.call_later(_IDLE_S, self._look)
        made.write(frames.first_words())

    def buffer_updated(self, nbytes: int) -> None:
        """Count, and read what the frames say."""
        self._read_at = self._loop.time()
        try:
            self._reader.feed(self.buffer[:nbytes])
        except FrameError:
            self._lose("error")
            return
        if self._wakeups is not None:
            self._wakeups.was_read()
        stream = self._streams.get(self._reader.stream)
        if stream is not None and not stream.reads_at_once:
            self._wait_for_more(stream.answer_bytes, self._read_at - stream.sent_at)

    def connection_lost(self, exc: Exception | None) -> None:
        """Turn the loss into the outcome of all requests in flight."""
        self._lose(of_socket_error(exc) if isinstance(exc, OSError) else "reset")

    @property
    def listens(self) -> bool:
        """Whether it is there still; as the next ones, its reader calls this."""
        return self._transport is not None

    def looks_at(self, stream: int) -> bool:
        """Whether somebody wants the body of an answer."""
        found = self._streams.get(stream)
        return found is not None and found.look is not None

    def bytes_came(self, stream: int, count: int, of_body: int) -> None:
        """Count them, also those of an answer that nobody waits for any more, and let the server send on."""
        found = self._streams.get(stream)
        self._write(self._flow.received(found, of_body))
        found = found or NOBODY
        found.answer_bytes += count
        self._listener.bytes_received(found, count)

    def data_ended(self, stream: int, payload: bytes, is_last: bool) -> None:
        """Show it to who looks at it."""
        found = self._streams.get(stream)
        if found is None:
            return
        if found.look is not None:
            found.look(payload)
        if is_last:
            self._end(found, of_http_status(found.status))

    def head_came(self, stream: int, fields: Fields, is_last: bool) -> None:
        """Note what it says."""
        found = self._streams.get(stream)
        if found is None:
            return
        found.note_head(fields)
        if is_last:
            self._end(found, of_http_status(found.status))

    def said(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Do as the server says; what is not for us to do is left."""
        if kind == frames.RST_STREAM and stream in self._streams:
            self._end(self._streams[stream], "reset")
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._take_settings(payload)
            self._write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        elif kind == frames.PING and not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.WINDOW_UPDATE and not stream:
            self._write(self._flow.allow(frames.number_in(payload)))
        elif kind == frames.GOAWAY:
            self._leave(frames.number_in(payload))

    def _leave(self, last: int) -> None:
        """Send no more here; what the server did not take will not be answered."""
        self._is_leaving = True
        for stream in [one for number, one in self._streams.items() if number > last]:
            self._end(stream, "reset")
        self._close_if_done()

    def _take_settings(self, payload: bytes) -> None:
        for name, value in frames.settings_in(payload):
            if name == frames.MAX_STREAMS:
                self.max_streams = value
            elif name == frames.INITIAL_WINDOW:
                self._write(self._flow.allow_each(value))

    def _end(self, stream: Http2Stream, outcome: Outcome) -> None:
        if self._streams.pop(stream.number, None) is None:
            return
        self._flow.forget(stream)
        if self._wakeups is not None:
            stream.lay_unread_s = self._wakeups.lay_unread_s()
            self._wakeups.restore()
        self._listener.try_ended(stream, outcome)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if not self._streams and (self._is_leaving or not self._is_shared):
            self._drop()

    def _wait_for_more(self, answer_bytes: int, taken_s: float) -> None:
        if self._transport is None or self._transport.is_closing() or not is_long(answer_bytes, taken_s):
            return
        if self._wakeups is None:
            self._wakeups = Wakeups(self._transport, self._loop)
        if not self._wakeups.is_rare:
            self._wakeups.make_rare(taken_s)

    def _look(self) -> None:
        """Ask whether the server is there, where nothing has come for long."""
        quiet_s = self._loop.time() - self._read_at
        if quiet_s < _IDLE_S:
            self._looking = self._loop.call_later(max(_IDLE_S - quiet_s, _LEAST_WAIT_S), self._look)
            return
        self._write(frames.frame(frames.PING, 0, 0, bytes(8)))
        self._looking = self._loop.call_later(_PING_S, self._look_again, self._read_at)

    def _look_again(self, read_at: float) -> None:
        if self._read_at == read_at:
            self._lose("reset")
        else:
            self._look()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _lose(self, outcome: Outcome) -> None:
        """It is gone: first for whoever asks next, then for the requests in flight."""
        self._drop()
        while self._streams:
            _, stream = self._streams.popitem()
            self._listener.try_ended(stream, outcome)

    def _drop(self) -> None:
        # first: the next connection may get the same file descriptor
        if self._wakeups is not None:
            self._wakeups.forget()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            self._on_lost(self)


def _hear_of(opening: "asyncio.Task[None]") -> None:
    """All who waited for it may be over; asyncio would complain that nobody did."""
    if not opening.cancelled():
        opening.exception()
