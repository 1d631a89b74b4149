"""A DNS server inside the event loop, without sockets, for tests on virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from chaoslib_cp.engine.load.lookup_client import Client

ADDRESS = {"A": "192.0.2.7", "AAAA": "2001:db8::7"}


@dataclass
class MemoryDns:
    """Answers as its script says.

    Attributes:
        loop: The event loop.
        script: Told name and type of each question, says "ok", "nodata", "nxdomain", "servfail", "drop" or "closed".
        delay_s: Virtual seconds until an answer.
        asked: Names and types of all questions so far.
        ports: Sockets opened so far.
    """

    loop: asyncio.AbstractEventLoop
    script: Callable[[str, str], str]
    delay_s: float = 0.001
    asked: list[tuple[str, str]] = field(default_factory=list)
    ports: int = 0
    closed: int = 0

    async def connect(self, client: Client) -> "_Socket":
        """Open a socket for a client."""
        self.ports += 1
        return _Socket(self, client)

    def take(self, client: Client, wire: bytes) -> None:
        """Schedule the answer to a question."""
        query = dns.message.from_wire(wire)
        name, kind = query.question[0].name.to_text(omit_final_dot=True), query.question[0].rdtype
        self.asked.append((name, dns.rdatatype.to_text(kind)))
        said = self.script(*self.asked[-1])
        if said == "closed":
            self.loop.call_soon(client.error_received, ConnectionRefusedError())
        if said in ("closed", "drop"):
            return
        response = dns.message.make_response(query)
        if said in ("servfail", "nxdomain", "refused"):
            response.set_rcode(dns.rcode.from_text(said.upper()))
        elif said == "ok":
            text = ADDRESS[dns.rdatatype.to_text(kind)]
            response.answer.append(dns.rrset.from_text(f"{name}.", 30, "IN", kind, text))
        self.loop.call_later(self.delay_s, client.datagram_received, response.to_wire(), None)


class _Socket:
    def __init__(self, server: MemoryDns, client: Client) -> None:
        self._server = server
        self._client = client

    def sendto(self, data: bytes) -> None:
        """Ask."""
        self._server.take(self._client, data)

    def close(self) -> None:
        """Free the port."""
        self._server.closed += 1
