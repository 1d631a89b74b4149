"""One client of a load of lookups: a source port, the questions asked from it, and whose they are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from chaoslib_cp.engine.load.question import qname_of, question, read_header
from chaoslib_cp.engine.load.search_list import SearchList
from chaoslib_cp.outcome import Outcome

IDS: Final = 65_536
_ANY: Final = "any."  # stands for a label that is drawn for each lookup


class Sender(Protocol):
    """The part of asyncio's datagram transport that is used."""

    def sendto(self, data: bytes) -> None:
        """Send one datagram to the server."""

    def close(self) -> None:
        """Free the port."""


Connect = Callable[["Client"], Awaitable[Sender]]
"""Opens a socket of its own for a client, and gives it what it hears."""


def connector(nameserver: str, port: int, loop: asyncio.AbstractEventLoop) -> Connect:
    """What opens connected UDP sockets to one server: each is a source port, and hears that server alone."""

    async def connect(client: "Client") -> Sender:
        transport, _ = await loop.create_datagram_endpoint(lambda: client, remote_addr=(nameserver, port))
        return transport

    return connect


class Takes(Protocol):
    """Who is told what became of questions."""

    def answered(self, lookup: "Lookup", kind: int, qname: bytes, outcome: Outcome, wire: bytes) -> None:
        """An answer came."""

    def question_failed(self, lookup: "Lookup", kind: int, outcome: Outcome) -> None:
        """None will come."""


class Asked:
    """What one name is asked for as: wire forms, and which of them is the name as it stands."""

    def __init__(self, search_list: SearchList, written: str, new_label: bool = False) -> None:
        # one more dot may put the name as it stands in front of the search list
        names, self.as_it_stands = search_list.asked_for(f"{_ANY}{written}" if new_label else written)
        self.wires = tuple(qname_of(name.removeprefix(_ANY) if new_label else name) for name in names)


class Names:
    """One hot name, and names below it that nobody asked for before."""

    def __init__(self, search_list: SearchList, name: str, way: str) -> None:
        written = search_list.written(name, way)
        self.hot, self.new = Asked(search_list, written), Asked(search_list, written, new_label=True)


class Lookup:
    """One lookup under way."""

    __slots__ = ("at", "attempt", "began_at", "client", "due_at", "failed", "failure", "found", "label", "names",
                 "negative", "number", "open")  # fmt: skip

    def __init__(self, number: int, due_at: float, names: Asked, label: str) -> None:
        self.number = number
        self.due_at = self.began_at = due_at
        self.names = names
        self.label = label
        self.at = self.attempt = 0
        self.open: dict[int, int] = {}  # ID by kind
        self.failed: list[int] = []
        self.found = False
        self.failure: Outcome | None = None
        self.negative: Outcome = "nxdomain"
        self.client: Client | None = None


class Client(asyncio.DatagramProtocol):
    """One source port, and the questions that were asked from it."""

    def __init__(self, takes: "Takes", first_id: int) -> None:
        self._takes = takes
        self._next_id = first_id
        self.waiting: dict[int, tuple[Lookup, int, bytes]] = {}
        self.sender: Sender | None = None

    def ask(self, lookup: Lookup, kind: int, qname: bytes) -> None:
        """Send one question."""
        while self._next_id in self.waiting:
            self._next_id = (self._next_id + 1) % IDS
        id_ = self._next_id
        self._next_id = (id_ + 1) % IDS
        self.waiting[id_] = (lookup, kind, qname)
        lookup.open[kind] = id_
        if self.sender is not None:
            self.sender.sendto(question(id_, qname, kind))

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002 - a connected socket hears one server
        """Take an answer; what is none, or comes too late, is nobody's."""
        read = read_header(data)
        asked = self.waiting.pop(read[0], None) if read else None
        if read and asked:
            self._takes.answered(*asked, read[1], data)

    def error_received(self, exc: Exception) -> None:
        """The port is closed: whatever waits will wait for nothing."""
        if isinstance(exc, ConnectionRefusedError):
            for lookup, kind, _ in [self.waiting.pop(id_) for id_ in list(self.waiting)]:
                self._takes.question_failed(lookup, kind, "refused")
