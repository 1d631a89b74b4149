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

    def looks_at(self, stream: int) -> bool:
        """Whether the bodies of a stream are to be kept; asked once for frames of a body that came together."""

    def bytes_came(self, stream: int, count: int, of_body: int) -> None:
        """Hear that so many bytes came of a stream, and how many of them are of its body.

        Heads of frames count. Frames of one stream that came together are told together, before what they say.
        """

    def data_ended(self, stream: int, payload: bytes, is_last: bool) -> None:
        """Hear that a piece of a body is there: one that was kept, or the last one, which may be empty."""

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
        self._untold, self._untold_of_body = 0, 0
        self._is_kept = False
        self._payload = b""
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
                if not self._left:
                    at = self._take_head(data, at, end)
                if self._left:
                    at = self._take_payload(data, at, end)
                if not self._is_kept:
                    at = self._pass_over(data, at, end)
        except (hpack.HPACKError, IndexError, ValueError) as error:
            raise FrameError(str(error)) from error
        finally:
            self._tell_bytes()

    def _take_head(self, data: memoryview, at: int, end: int) -> int:
        """Read the head of a frame, or what is there of it; returns where that ends."""
        if self._head or end - at < HEAD_BYTES:
            missing = HEAD_BYTES - len(self._head)
            self._head += data[at : at + missing]
            if len(self._head) < HEAD_BYTES:
                return end
            head, self._head = self._head, b""
            self._begin_frame(*head_of_frame(head, 0))
            return at + missing
        self._begin_frame(*head_of_frame(data, at))
        return at + HEAD_BYTES

    def _begin_frame(self, length: int, kind: int, flags: int, stream: int) -> None:
        if length > MAX_FRAME:
            raise FrameError(f"a frame of {length} bytes, where {MAX_FRAME} are allowed")
        if stream != self._stream:
            self._tell_bytes()
        self._left, self._kind, self._flags, self._stream = length, kind, flags, stream
        self._untold += HEAD_BYTES
        self._is_kept = kind != DATA or self._listener.looks_at(stream)
        if not length:
            self._end_frame()

    def _take_payload(self, data: memoryview, at: int, end: int) -> int:
        """Read the rest of a frame, or what is there of it; returns where that ends."""
        taken = min(self._left, end - at)
        if self._is_kept:
            self._payload += data[at : at + taken]
        self._left -= taken
        self._untold += taken
        if self._kind == DATA:
            self._untold_of_body += taken
        if not self._left:
            self._end_frame()
        return at + taken

    def _pass_over(self, data: memoryview, at: int, end: int) -> int:
        """Count the frames that are all here and go on with the same body; returns where they end.

        A long answer is hundreds of them, so each costs a look at its head and no more.
        """
        stream = self._stream
        while end - at >= HEAD_BYTES and not (self._left or self._head):
            length, kind, flags, number = head_of_frame(data, at)
            whole = HEAD_BYTES + length
            if kind != DATA or flags & END_STREAM or number != stream or length > MAX_FRAME or at + whole > end:
                break
            at += whole
            self._untold += whole
            self._untold_of_body += length
        return at

    def _tell_bytes(self) -> None:
        count, of_body = self._untold, self._untold_of_body
        self._untold = self._untold_of_body = 0
        if count and self._stream:
            self._listener.bytes_came(self._stream, count, of_body)

    def _end_frame(self) -> None:
        if not self._is_kept and not self._flags & END_STREAM:
            return
        self._tell_bytes()
        payload, self._payload = self._payload, b""
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
