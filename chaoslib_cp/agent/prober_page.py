"""The prober's one page: its last samples as JSON, read-only.

``GET /?after=SEQ`` returns the samples that came after number SEQ. A reader that could not reach us for a while asks
again with the last number it has, and misses nothing that is still in the ring.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from typing import Final

from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.sample.pace import Record

#: About 280 s of samples at seven a second; a page of all of them is some 600 kB.
RING_SAMPLES: Final = 2000
_MAX_HEAD_BYTES: Final = 4096
_PATIENCE_S: Final = 5.0
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (\S{1,256}) HTTP/1\.[01]")
_OURS: Final = re.compile(rb"/(?:\?after=(\d{1,18}))?")
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Headers Too Large"}


class Page:
    """The ring of samples and its JSON form.

    Args:
        prober: Name of this prober process; a new one means that samples of the old one are lost.
        time: The clock that stamped the samples.
        settled_s: Returns the moment before which every attempt has been recorded.
    """

    def __init__(self, prober: str, time: SteadyTime, settled_s: Callable[[], float]) -> None:
        self._prober = prober
        self._time = time
        self._settled_s = settled_s
        self._samples: deque[Record] = deque(maxlen=RING_SAMPLES)
        self._last = 0

    def add(self, record: Record) -> None:
        """Number a sample and keep it until 2,000 newer ones have come."""
        self._last += 1
        self._samples.append({"seq": self._last, **record})

    def document(self, after: int) -> bytes:
        """Return everything newer than sample number ``after``."""
        newer = min(len(self._samples), max(0, self._last - after))
        page = {
            "prober": self._prober,
            "now_s": self._time.now_s(),
            "settled_s": self._settled_s(),
            "samples": list(self._samples)[len(self._samples) - newer :],
        }
        return json.dumps(page, separators=(",", ":")).encode()


async def serve(page: Page, address: str, port: int) -> asyncio.Server:
    """Listen on ``address``:``port`` and answer one request per connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                writer.write(await _reply(page, reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the reader went away, or was too slow (a TimeoutError is an OSError): it will ask again
        finally:
            writer.transport.abort()

    return await asyncio.start_server(answer, address, port, limit=_MAX_HEAD_BYTES)


async def _reply(page: Page, reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return _response(431)
    request = _REQUEST_LINE.match(head)
    if request is None:
        return _response(400)
    ours = _OURS.fullmatch(request[2])
    if ours is None:
        return _response(404)
    if request[1] != b"GET":
        return _response(405)
    return _response(200, page.document(int(ours[1] or 0)))


def _response(status: int, body: bytes = b"{}") -> bytes:
    head = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status == 405:
        head.append("Allow: GET")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body
