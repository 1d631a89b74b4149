"""Flow control of one HTTP/2 connection (RFC 9113, section 5.2): how many bytes each side may send before it waits."""

from typing import Final

from chaoslib_cp.engine.load import http2_frames as frames
from chaoslib_cp.engine.load.http2_stream import Http2Stream

# The server is told to send on long before it has to wait.
_WINDOW_LEFT: Final = frames.MAX_WINDOW // 2


class FlowControl:
    """Counts what was received, and keeps the bodies that the server does not take yet."""

    def __init__(self) -> None:
        self._received = 0
        self._send_window = frames.DEFAULT_WINDOW
        self._stream_window = frames.DEFAULT_WINDOW
        self._bodies: list[tuple[Http2Stream, bytes, int]] = []

    def received(self, stream: Http2Stream | None, length: int) -> bytes:
        """Count bytes of a body, also of one that nobody waits for; the frames that let the server send on."""
        said = b""
        self._received += length
        if self._received > _WINDOW_LEFT:
            said += frames.more_window(0, self._received)
            self._received = 0
        if stream is None:
            return said
        stream.window_used += length
        if stream.window_used > _WINDOW_LEFT:
            said += frames.more_window(stream.number, stream.window_used)
            stream.window_used = 0
        return said

    def allow(self, count: int) -> bytes:
        """The server takes so many bytes more; the frames that may be sent now."""
        self._send_window += count
        return self._sendable()

    def allow_each(self, count: int) -> bytes:
        """The server takes so many bytes of each stream from now on; the frames that may be sent now."""
        self._stream_window = count
        return self._sendable()

    def send(self, stream: Http2Stream, rest: bytes, length: int) -> bytes:
        """A body of that length is to be sent, as these frames; the frames that may be sent now."""
        self._bodies.append((stream, rest, length))
        return self._sendable()

    def forget(self, stream: Http2Stream) -> None:
        """Its body is not wanted any more."""
        if self._bodies:
            self._bodies = [one for one in self._bodies if one[0] is not stream]

    def _sendable(self) -> bytes:
        """Those that the server takes as a whole; one that is too large for now keeps no other waiting."""
        said, waiting = b"", []
        for one in self._bodies:
            _, rest, length = one
            if length > min(self._send_window, self._stream_window):
                waiting.append(one)
            else:
                self._send_window -= length
                said += rest
        self._bodies = waiting
        return said
