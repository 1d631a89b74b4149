"""Channels that look at what others throw away: the way to the next page, and the moment a watch begins."""

import re
from collections.abc import Callable
from typing import ClassVar, Final

from chaoslib_cp.engine.load.channel import Channel
from chaoslib_cp.engine.load.connection import HttpConnection
from chaoslib_cp.engine.load.http2_stream import Http2Stream

# A list says where its next page is in its metadata, which is a few hundred bytes: in front of the items where the kind
# is built in, behind them where it is a custom resource, whose keys are in alphabetical order (kubernetes/apimachinery:
# pkg/runtime/serializer/json/collections.go).
_WINDOW_BYTES: Final = 4096
_METADATA: Final = rb'"metadata":\{[^{}]*"continue":"([^"]+)"[^{}]*\}'
_IN_FRONT: Final = re.compile(rb'\{("kind":"[^"]*",|"apiVersion":"[^"]*",)*' + _METADATA)
_BEHIND: Final = re.compile(_METADATA + rb"\}\s*\Z")


class Paged(Channel):
    """Keeps both ends of an answer; costs one copy of its body."""

    _front = b""
    _back = b""

    @property
    def next_page(self) -> str:
        """Token of the page after the one that was answered last; empty when that was the last one."""
        found = _IN_FRONT.match(self._front)
        token = found[2] if found else None
        if token is None and (behind := _BEHIND.search(self._back)):
            token = behind[1]
        return token.decode("ascii", "replace") if token else ""

    def _forget_answer(self) -> None:
        super()._forget_answer()
        self._front = self._back = b""

    def on_body(self, body: bytes) -> None:
        """Keep what may hold the list's metadata (called for each piece)."""
        if len(self._front) < _WINDOW_BYTES:
            self._front += body[: _WINDOW_BYTES - len(self._front)]
        self._back = (self._back + body[-_WINDOW_BYTES:])[-_WINDOW_BYTES:]


class Watch(Channel):
    """Tells when the head of an answer is there: the rest of a watch comes for as long as it lasts.

    Attributes:
        on_answer: called once for each answer that is a success, before its body.
    """

    # what comes are single events, with long pauses
    reads_at_once: ClassVar[bool] = True
    on_answer: Callable[[Channel], None]

    def on_headers_complete(self) -> None:
        """Note the status, and pass the good news on."""
        super().on_headers_complete()
        if 200 <= self.status < 300:
            self.on_answer(self)


class PagedConnection(Paged, HttpConnection):
    """One page after the other over HTTP/1.1."""


class PagedStream(Paged, Http2Stream):
    """One page over HTTP/2."""


class WatchConnection(Watch, HttpConnection):
    """Watches over HTTP/1.1."""


class WatchStream(Watch, Http2Stream):
    """A watch over HTTP/2."""
