"""A small real DNS server on loopback (UDP and TCP on one port) that answers as its script says.

    async with FakeDnsServer() as server:
        server.says("sentinel.test.", Record(("192.0.2.1",), ttl_s=30))
        server.mode = "servfail"

A TTL counts down from the moment the record was set, as a cache's does.
"""

import asyncio
import contextlib
import re
import struct
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Record:
    """A or AAAA records of one name; the TTL counts down from ``set_at_s``."""

    addresses: tuple[str, ...]
    ttl_s: int = 30
    set_at_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def family(self) -> str:
        """Type of the records."""
        return "AAAA" if ":" in self.addresses[0] else "A"

    def left_s(self) -> int:
        """What is left of the TTL, as CoreDNS' cache shows it."""
        return self.ttl_s - int(asyncio.get_running_loop().time() - self.set_at_s)


class FakeDnsServer:
    """The server, in the running event loop while the ``async with`` block lasts.

    ``mode`` is one of "answer", "servfail", "refused", "nxdomain", "drop", "truncate" (UDP only), "noise" (somebody
    else's answer before the right one), "garbage" (right ID, no message) and "hang up" (TCP only). ``rules`` name
    another one for the questions ("NAME TYPE") that fit the whole of a pattern; the first that fits counts.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self.mode = "answer"
        self.rules: list[tuple[re.Pattern[str], str]] = []
        self.records: dict[str, Record] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self.unknown = dns.rcode.NOERROR

    def knows_all(self) -> None:
        """Answer from now on that a name without records does not exist."""
        self.unknown = dns.rcode.NXDOMAIN

    def says(self, name: str, record: Record) -> None:
        """Answer questions for ``name`` with ``record`` from now on."""
        self.records[name] = record

    async def __aenter__(self) -> "FakeDnsServer":
        while True:
            self._tcp = await asyncio.start_server(self._serve_tcp, "127.0.0.1", self._wanted_port)
            self.port = self._tcp.sockets[0].getsockname()[1]
            try:
                await self._listen_udp()
            except OSError:
                self._tcp.close()  # somebody has this number in UDP: try another
            else:
                return self

    async def _listen_udp(self) -> None:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", self.port))

    async def __aexit__(self, *_: object) -> None:
        self._udp.abort()
        self._tcp.close()
        await asyncio.sleep(0)

    def reply(self, wire: bytes, over: str) -> list[bytes]:
        """Return the messages to send for a question."""
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((over, name))
        mode = next((mode for pattern, mode in self.rules if pattern.fullmatch(f"{name} {kind}")), self.mode)
        if mode == "drop":
            return []
        if mode == "garbage":
            return [wire[:2] + b"\xff\xff\xff"]
        response = dns.message.make_response(query)
        if mode in ("servfail", "refused", "nxdomain"):
            response.set_rcode(dns.rcode.from_text(mode.upper()))
        elif mode == "truncate" and over == "udp":
            response.flags |= dns.flags.TC
        elif (record := self.records.get(name)) is not None and record.family == kind:
            response.answer.append(dns.rrset.from_text_list(name, record.left_s(), "IN", kind, record.addresses))
        elif name not in self.records:
            response.set_rcode(self.unknown)
        replies = [response.to_wire()]
        if mode == "noise":
            replies.insert(0, _of_another_question(wire))
        return replies

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            wire = await reader.readexactly(length)
            for reply in [] if self.mode == "hang up" else self.reply(wire, "tcp"):
                writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: FakeDnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        for reply in self._server.reply(data, "udp"):
            self._transport.sendto(reply, addr)  # type: ignore[attr-defined] # a datagram transport, by construction


def _of_another_question(wire: bytes) -> bytes:
    query = dns.message.from_wire(wire)
    other = dns.message.make_query("somebody-else.test.", "A", id=query.id)
    response = dns.message.make_response(other)
    response.answer.append(dns.rrset.from_text_list("somebody-else.test.", 9, "IN", "A", ["198.51.100.9"]))
    return response.to_wire()
