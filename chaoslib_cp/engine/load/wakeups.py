"""When the kernel wakes the engine in the middle of a long answer: for large pieces, not for every few bytes.

An API server hands out some 4 kB at a time, each as a TLS record of its own. What a client pays is less for reading
them than for being woken for each one. SO_RCVLOWAT lets the kernel wait until more is there, and wakes us all the same
when the connection ends or its window is full, so the server is never kept waiting. What lies below that mark at the
end of an answer is fetched after a wait that is short against what the answer has taken so far.
"""

import asyncio
import socket
import sys
from typing import Final

# A TLS connection of uvloop reads 64 KiB at once, and a new socket's window holds as much.
_MARK_BYTES: Final = 64 * 1024
# Answers shorter than this are read as they come. Of a slow server that is less than the 4 kB of its first piece.
_LONG_BYTES: Final = 16 * 1024
_SLOW_LONG_BYTES: Final = 2 * 1024
_SLOW_S: Final = 0.1
# What lies unread is fetched after this share of the time that the answer has taken so far, within these limits.
_WAIT_SHARE: Final = 0.1
_MIN_WAIT_S: Final = 0.002
_MAX_WAIT_S: Final = 1.0
# tcpi_last_data_recv, ms since the last data arrived, 32 bits (Linux: include/uapi/linux/tcp.h, struct tcp_info)
_LAST_DATA_AT: Final = slice(52, 56)
_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)


def is_long(answer_bytes: int, taken_s: float) -> bool:
    """Whether the rest of an answer is to be read in large pieces.

    Args:
        answer_bytes: what came of it so far.
        taken_s: seconds since it was asked for.
    """
    return answer_bytes > (_SLOW_LONG_BYTES if taken_s > _SLOW_S else _LONG_BYTES)


class Wakeups:
    """Sets the mark of one connection; as it was made, it is woken for every byte.

    Attributes:
        is_rare: whether it is woken for large pieces only.
        has_waited: whether what is read next may have lain there for a while.
    """

    def __init__(self, transport: asyncio.BaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._socket = transport.get_extra_info("socket")
        self._timer: asyncio.TimerHandle | None = None
        self.is_rare = self.has_waited = False

    def make_rare(self, taken_s: float) -> None:
        """Be woken for large pieces, and for whatever is there after a wait.

        Args:
            taken_s: seconds that the answer has taken so far.
        """
        if self._socket is None or _TCP_INFO is None:
            return  # no socket, or not Linux: a mark that nobody may reach would need its own ways there
        self.is_rare = self.has_waited = True
        self._set_mark(_MARK_BYTES)
        wait_s = min(max(taken_s * _WAIT_SHARE, _MIN_WAIT_S), _MAX_WAIT_S)
        self._timer = self._loop.call_later(wait_s, self.restore)

    def restore(self) -> None:
        """Be woken for every byte again, at once for what is there already."""
        if self.is_rare:
            self.forget()
            self._set_mark(1)

    def forget(self) -> None:
        """Do nothing any more: the connection is closed."""
        self.is_rare = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def was_read(self) -> None:
        """Hear that what was there is read."""
        self.has_waited = self.is_rare

    def lay_unread_s(self) -> float:
        """Seconds for which what is read now was there before; the kernel counts in 1 to 10 ms."""
        if not self.has_waited or self._socket is None or _TCP_INFO is None:
            return 0.0
        try:
            told = self._socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_AT.stop)
        except OSError:
            return 0.0
        return int.from_bytes(told[_LAST_DATA_AT], sys.byteorder) / 1000

    def _set_mark(self, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        except OSError:
            self.forget()  # closed meanwhile: the loop says so next
