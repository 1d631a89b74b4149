"""Cuts what comes over an HTTP/2 connection into frames, and throws away unread what nobody looks at."""

from typing import Protocol

import hpack

from chaoslib_cp.engine.load.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD_BYTES,
    HEADERS,
    MAX_FRAME,
    head_of_frame,
    unpadded,
)

Fields = list[tuple[bytes, bytes]]


class FrameError(Exception):
    """The server sent what is no HTTP/2."""


class FrameListener(Protocol):
    """Hears of frames."""

    @property
    def listens(self) -> bool:
        """Whether anything more is wanted."""

    def data_begins(self, stream: int, length: int) -> bool:
        """Hear that so many bytes of a body come; whether they are to be kept."""

    def bytes_came(self, stream: int, count: int) -> None:
        """Hear that so many bytes came of frames of a stream; the head of a frame counts with what follows it."""

    def data_ended(self, stream: int, payload: bytes, is_last: bool) -> None:
        """Hear that a piece of a body is there, which is empty where it was not kept."""

    def head_came(self, stream: int, fields: Fields, is_last: bool) -> None:
        """Hear the head of an answer, or what follows its body."""

    def said(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Hear any other frame."""


class FrameReader:
    """Reads piece by piece; a frame may begin in one and end in another."""

    def __init__(self, listener: FrameListener) -> None:
        self._listener = listener
        self._unpack = hpack.Decoder()
        self._head = b""
        self._kind, self._flags, self._stream, self._left = 0, 0, 0, 0
        self._uncounted = 0
        self._payload: bytearray | None = None
        self._block = b""
        self._is_last = False

    @property
    def stream(self) -> int:
        """Whose frame came last, or is being read."""
        return self._stream

    def feed(self, data: memoryview) -> None:
        """Read a piece.

        Raises:
            FrameError: It is no HTTP/2.
        """
        at, end = 0, len(data)
        try:
            while at < end and self._listener.listens:
                at += self._take_payload(data[at:]) if self._left else self._take_head(data[at:])
        except (hpack.HPACKError, IndexError, ValueError) as error:
            raise FrameError(str(error)) from error

    def _take_head(self, data: memoryview) -> int:
        """Read the head of a frame, or what is there of it; returns how many bytes that was."""
        missing = HEAD_BYTES - len(self._head)
        self._head += bytes(data[:missing])
        if len(data) < missing:
            return len(data)
        self._left, self._kind, self._flags, self._stream = head_of_frame(self._head)
        if self._left > MAX_FRAME:
            raise FrameError(f"a frame of {self._left} bytes, where {MAX_FRAME} are allowed")
        self._head, self._uncounted = b"", HEAD_BYTES
        is_kept = self._kind != DATA or self._listener.data_begins(self._stream, self._left)
        self._payload = bytearray() if is_kept else None
        if not self._left:
            self._count(0)
            self._end_frame()
        return missing

    def _take_payload(self, data: memoryview) -> int:
        taken = min(self._left, len(data))
        if self._payload is not None:
            self._payload += data[:taken]
        self._left -= taken
        self._count(taken)
        if not self._left:
            self._end_frame()
        return taken

    def _count(self, count: int) -> None:
        if self._stream:
            self._listener.bytes_came(self._stream, count + self._uncounted)
        self._uncounted = 0

    def _end_frame(self) -> None:
        payload, self._payload = bytes(self._payload or b""), None
        if self._kind == DATA:
            body = unpadded(payload, self._flags) if payload else b""
            self._listener.data_ended(self._stream, body, bool(self._flags & END_STREAM))
        elif self._kind == HEADERS:
            self._block, self._is_last = unpadded(payload, self._flags), bool(self._flags & END_STREAM)
            self._end_block()
        elif self._kind == CONTINUATION:
            self._block += payload
            self._end_block()
        else:
            self._listener.said(self._kind, self._flags, self._stream, payload)

    def _end_block(self) -> None:
        """Unpack it, whoever it is for: the next one may refer to it."""
        if self._flags & END_HEADERS:
            fields = [(bytes(name), bytes(value)) for name, value in self._unpack.decode(self._block, raw=True)]
            self._listener.head_came(self._stream, fields, self._is_last)
