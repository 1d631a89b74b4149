"""The prober's one page: its last samples, and the last account of each agent, as JSON.

``GET /?after=SEQ`` returns the samples that came after number SEQ. A reader that could not reach us for a while asks
again with the last number it has, and misses nothing that is still in the ring. The first such request is what the
prober waits for before it asks anything. ``GET /``, as a kubelet asks, shows the page and begins nothing.

``POST /account`` is how agents tell what they did, and ``POST /result`` how a process of a load tells what it came to,
which ``GET /results/FAULT`` shows. Both are shown and change nothing else: the page takes no commands
(docs/decisions/0007-agents-tell-the-prober-their-account.md).
"""

import asyncio
import json
import re
import socket
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.agent.told_results import MAX_TOLD_BYTES, RESULTS_PATH, ToldResults
from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.load.account import MAX_ACCOUNT_BYTES, Account, parse_account
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.errors import ProfileInvalid

#: About 400 s of samples at fifteen a second, a minute while the most that can be watched is; all are some 1.8 MB.
RING_SAMPLES: Final = 6000
#: One agent on each node of the largest cluster that a rehearsal is made for; some 500 bytes each.
MAX_ACCOUNTS: Final = 1024
_MAX_HEAD_BYTES: Final = 4096
_PATIENCE_S: Final = 5.0
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (\S{1,256}) HTTP/1\.[01]")
_ACCOUNT: Final = b"/account"
_RESULT: Final = b"/result"
_RESULTS: Final = re.compile(RESULTS_PATH.encode() + rb"([a-z0-9_-]{1,63})")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_OURS: Final = re.compile(rb"/(?:\?after=(\d{1,18}))?")
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Headers Too Large",
}


@dataclass(frozen=True)
class _Heard:
    """An account, and when it came: by our clock, and after which sample."""

    account: Account
    at_s: float
    after: int

    def record(self) -> Record:
        """Return it as a sample."""
        return self.account.as_sample(self.at_s)


class Page:
    """The ring of samples, the last account of each source, and their JSON form.

    Accounts are running totals, so the last one says all. They stand beside the ring: however many come, no sample is
    lost for them.

    Args:
        prober: Name of this prober process; a new one means that samples of the old one are lost.
        time: The clock that stamped the samples.
        nameservers: What pods have in their resolv.conf, as this one sees it.
        node: The node that it runs on; empty where it does not know.

    Attributes:
        has_reader: Somebody has asked for what came after a sample.
        results: What processes of loads told of themselves at their end.
    """

    def __init__(self, prober: str, time: SteadyTime, nameservers: Sequence[str] = (), node: str = "") -> None:
        self._prober = prober
        self._node = node
        self._time = time
        self._nameservers = list(nameservers)
        self._samples: deque[Record] = deque(maxlen=RING_SAMPLES)
        self._last = 0
        self._accounts: OrderedDict[tuple[str, str], _Heard] = OrderedDict()
        self.has_reader = asyncio.Event()
        self.results = ToldResults()
        self._asks_since_s: float | None = None

    def begin(self) -> None:
        """Somebody reads it: let the prober begin to ask."""
        if not self.has_reader.is_set():
            self._asks_since_s = self._time.now_s()
            self.has_reader.set()

    def add(self, record: Record) -> None:
        """Number a sample and keep it until 6,000 newer ones have come."""
        self._last += 1
        self._samples.append({"seq": self._last, **record})

    def hear(self, account: Account) -> None:
        """Keep an account in place of its source's last one; of too many, the one that came first is forgotten."""
        key = (account.fault, account.source)
        self._accounts[key] = _Heard(account, self._time.now_s(), self._last)
        self._accounts.move_to_end(key)
        if len(self._accounts) > MAX_ACCOUNTS:
            self._accounts.popitem(last=False)

    def document(self, after: int) -> bytes:
        """Return everything newer than sample number ``after``, and each account that came after that sample."""
        newer = min(len(self._samples), max(0, self._last - after))
        page = {
            "prober": self._prober,
            "node": self._node,
            "now_s": self._time.now_s(),
            "asks_since_s": self._asks_since_s,
            "nameservers": self._nameservers,
            "samples": list(self._samples)[len(self._samples) - newer :],
            "accounts": [heard.record() for heard in self._accounts.values() if heard.after >= min(after, self._last)],
        }
        return json.dumps(page, separators=(",", ":")).encode()


async def serve(page: Page, address: str, port: int) -> asyncio.Server:
    """Listen on ``address``:``port`` and answer one request per connection.

    Args:
        page: What is shown.
        address: Where to listen; empty for every address there is, IPv6 and IPv4.
        port: 0 for any that is free.

    Raises:
        OSError: The port is taken.
    """

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

    if address:
        return await asyncio.start_server(answer, address, port, limit=_MAX_HEAD_BYTES)
    return await asyncio.start_server(answer, sock=_everywhere(port), limit=_MAX_HEAD_BYTES)


def _everywhere(port: int) -> socket.socket:
    """A socket for both families; for IPv4 alone on a node whose kernel has no IPv6, or keeps the two apart."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError):
        return socket.create_server(("0.0.0.0", port))  # noqa: S104 - a pod's page is asked from the node


async def _reply(page: Page, reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return _response(431)
    request = _REQUEST_LINE.match(head)
    if request is None:
        return _response(400)
    if request[2] in (_ACCOUNT, _RESULT):
        return _response(405, allow="POST") if request[1] != b"POST" else await _take(page, request[2], head, reader)
    ours, results = _OURS.fullmatch(request[2]), _RESULTS.fullmatch(request[2])
    if ours is None and results is None:
        return _response(404)
    if request[1] != b"GET":
        return _response(405, allow="GET")
    if results is not None:
        return _response(200, page.results.document(results[1].decode()))
    after = int(ours[1] or 0) if ours else 0
    if ours and ours[1]:
        page.begin()
    return _response(200, page.document(after))


async def _take(page: Page, what: bytes, head: bytes, reader: asyncio.StreamReader) -> bytes:
    length = _LENGTH.search(head)
    if length is None:
        return _response(400)
    if int(length[1]) > (MAX_ACCOUNT_BYTES if what == _ACCOUNT else MAX_TOLD_BYTES):
        return _response(413)
    body = await reader.readexactly(int(length[1]))
    try:
        if what == _ACCOUNT:
            page.hear(parse_account(body))
        else:
            page.results.hear(body)
    except ProfileInvalid:
        return _response(400)
    return _response(200)


def _response(status: int, body: bytes = b"{}", allow: str = "") -> bytes:
    head = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if allow:
        head.append(f"Allow: {allow}")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body
