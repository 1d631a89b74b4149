"""The bytes of HTTP/2: frames (RFC 9113), and the head of a request as a header block (RFC 7541).

A block here leaves the table of the other side alone and is not packed: that saves the client more than it costs, and
a server reads it like any other. What comes back is unpacked by the library hpack.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

HEAD_BYTES: Final = 9
"""Of each frame: length, type, flags, stream (section 4.1)."""
_HEAD: Final = struct.Struct("!HBBBL")
_NUMBER: Final = struct.Struct("!L")

# Types (section 6).
DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# Flags.
ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

# Settings (section 6.5.2).
_ENABLE_PUSH: Final = 2
MAX_STREAMS: Final = 3
INITIAL_WINDOW: Final = 4
_SETTING: Final = struct.Struct("!HL")

CANCEL: Final = 8  # error codes (section 7)
NO_ERROR: Final = 0

DEFAULT_WINDOW: Final = 65_535
"""Bytes that may be sent before the other side says more (section 6.9.2)."""
MAX_WINDOW: Final = 2**31 - 1
MAX_FRAME: Final = 16_384
"""Bytes of a payload that either side takes, where it says nothing else (section 6.5.2)."""
_NUMBER_MASK: Final = 0x7FFF_FFFF
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PRIORITY_BYTES: Final = 5
# An agent asks the same again and again. With a token, a head and its block are 3 kB.
_BLOCKS: Final = 1024
# What HTTP/2 has other means for, or that stands in front of the others (sections 8.2.2 and 8.3.1).
_NOT_SENT: Final = ("host", "connection")


def head_of_frame(data: bytes | memoryview, at: int) -> tuple[int, int, int, int]:
    """Length of the payload, type, flags and stream of the frame that begins there."""
    high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
    return (high << 8) | low, kind, flags, stream & _NUMBER_MASK


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    length = len(payload)
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def first_words() -> bytes:
    """What a client begins with: no pushes, and windows that no answer fills, since everything is read at once."""
    settings = ((_ENABLE_PUSH, 0), (INITIAL_WINDOW, MAX_WINDOW))
    payload = b"".join(_SETTING.pack(*one) for one in settings)
    return _PREFACE + frame(SETTINGS, 0, 0, payload) + more_window(0, MAX_WINDOW - DEFAULT_WINDOW)


def more_window(stream: int, count: int) -> bytes:
    """Allow the server so many bytes more; stream 0 stands for the whole connection."""
    return frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(count))


def cancelled(stream: int) -> bytes:
    """Take a request back."""
    return frame(RST_STREAM, 0, stream, _NUMBER.pack(CANCEL))


def number_in(payload: bytes) -> int:
    """The first number of a GOAWAY, RST_STREAM or WINDOW_UPDATE.

    Raises:
        ValueError: There is none.
    """
    if len(payload) < _NUMBER.size:
        raise ValueError("a frame is too short for its number")
    return int(_NUMBER.unpack_from(payload)[0]) & _NUMBER_MASK


def settings_in(payload: bytes) -> Iterator[tuple[int, int]]:
    """Each setting and its value.

    Raises:
        ValueError: One is cut off.
    """
    if len(payload) % _SETTING.size:
        raise ValueError("a setting is cut off")
    yield from _SETTING.iter_unpack(payload)


def unpadded(payload: bytes, flags: int) -> bytes:
    """What a DATA or HEADERS frame holds beside padding and priority."""
    front, back = 0, 0
    if flags & PADDED:
        front, back = 1, payload[0]
    if flags & PRIORITY:
        front += _PRIORITY_BYTES
    return payload[front : len(payload) - back]


def request_frames(stream: int, block: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The frames of a head, and those of a body, which are empty without one."""
    ends = 0 if body else END_STREAM
    pieces = _pieces(block)
    head = frame(HEADERS, ends | (END_HEADERS if len(pieces) == 1 else 0), stream, pieces[0])
    for number, piece in enumerate(pieces[1:], 2):
        head += frame(CONTINUATION, END_HEADERS if number == len(pieces) else 0, stream, piece)
    cut = _pieces(body) if body else []
    return head, b"".join(
        frame(DATA, END_STREAM if number == len(cut) else 0, stream, piece) for number, piece in enumerate(cut, 1)
    )


def _pieces(data: bytes) -> list[bytes]:
    """Cut to what fits into a frame that every server takes."""
    return [data[at : at + MAX_FRAME] for at in range(0, len(data), MAX_FRAME)]


@lru_cache(maxsize=_BLOCKS)
def block_of(head: bytes, scheme: bytes) -> bytes:
    """The header block of a request whose head is written as HTTP/1.1 writes it, without the empty line."""
    first, *lines = head.split(b"\r\n")
    method, path, _ = first.split(b" ")
    fields = [tuple(line.split(b": ", 1)) for line in lines]
    host = next(value for name, value in fields if name.lower() == b"host")
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", host), (b":path", path)]
    plain = [(name.lower(), value) for name, value in fields if name.lower().decode() not in _NOT_SENT]
    # a literal field with a literal name, which nobody puts into a table (RFC 7541, section 6.2.2)
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in (*pseudo, *plain))


def _text(text: bytes) -> bytes:
    """A text as it is, with its length in front (RFC 7541, sections 5.1 and 5.2)."""
    left = len(text) - 127
    if left < 0:
        return bytes((len(text),)) + text
    length = bytearray((127,))
    while left >= 128:
        length.append(left % 128 + 128)
        left //= 128
    length.append(left)
    return bytes(length) + text
