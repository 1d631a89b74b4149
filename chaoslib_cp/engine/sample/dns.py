"""One DNS question to one server, over a socket of its own.

A fresh socket for each question, as a workload's C library does: a kept one would pin the question to one replica
behind a ClusterIP. Only ``dns.message`` of dnspython is used; ``dns.resolver`` costs 250 ms of import and would add
search lists and retries that hide what the server said.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from chaoslib_cp import outcome as outcomes
from chaoslib_cp.outcome import Outcome

DNS_PORT: Final = 53
# A DNS server that will not talk to us says REFUSED; `rcode` in the sample tells it from a closed port.
_RCODES: Final[dict[int, Outcome]] = {
    dns.rcode.NOERROR: "ok",
    dns.rcode.SERVFAIL: "servfail",
    dns.rcode.NXDOMAIN: "nxdomain",
    dns.rcode.REFUSED: "refused",
}


@dataclass(frozen=True)
class DnsSample:
    """What one question brought.

    Attributes:
        outcome: One word, see ``outcome.py``. ``ok`` says that records came, not that they are the right ones.
        latency_s: From the socket's creation to the decoded answer, or to giving up.
        rcode: The response code by name ("NOERROR", "SERVFAIL", ...); None when nothing came back.
        answers: Record data of the type asked for, sorted: servers shuffle them.
        ttl_s: The smallest TTL among them.
    """

    outcome: Outcome
    latency_s: float
    rcode: str | None = None
    answers: tuple[str, ...] = ()
    ttl_s: int | None = None

    def extras(self) -> dict[str, object]:
        """What a timeline line adds for a DNS sample."""
        return {"rcode": self.rcode, "answers": list(self.answers), "ttl_s": self.ttl_s}


class _MismatchError(Exception):
    """A message that does not answer our question: somebody else's, or noise."""


class _OneAnswer(asyncio.DatagramProtocol):
    """Collects the first datagram that answers the question; RFC 5452 section 9.1 says which ones do."""

    def __init__(self, query: dns.message.QueryMessage) -> None:
        self._query = query
        self.response: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002 - asyncio's name
        if self.response.done():
            return
        try:
            self.response.set_result(_decode(data, self._query))
        except _MismatchError:
            pass  # the true answer may still come
        except dns.exception.DNSException as error:
            self.response.set_exception(error)

    def error_received(self, exc: Exception) -> None:
        if not self.response.done():
            self.response.set_exception(exc)


async def ask(
    server: str, qname: str, qtype: str, deadline_s: float, tcp: bool = False, port: int = DNS_PORT
) -> DnsSample:
    """Ask one question and say what came of it; never raises for a sick server or network.

    Args:
        server: IP address of the server; a name here would be a lookup before the lookup.
        qname: Name to ask for, taken as absolute (no search list), with or without the final dot.
        qtype: Record type, such as "A".
        deadline_s: Seconds for everything together, a repetition over TCP included.
        tcp: Ask over TCP at once. Over UDP, a truncated answer is asked for again over TCP (RFC 7766).
        port: The server's port.

    Returns:
        The sample; on a timeout its latency is the time really spent.
    """
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    query = dns.message.make_query(qname, qtype)
    try:
        async with asyncio.timeout(deadline_s):
            response = await (_over_tcp(server, port, query) if tcp else _over_udp(server, port, query))
            if not tcp and response.flags & dns.flags.TC:
                response = await _over_tcp(server, port, query)
    except OSError as error:  # asyncio's TimeoutError is one too
        return DnsSample(outcomes.of_socket_error(error), loop.time() - started_s)
    except asyncio.IncompleteReadError:
        return DnsSample("reset", loop.time() - started_s)
    except (dns.exception.DNSException, _MismatchError):
        return DnsSample("error", loop.time() - started_s)
    return _read(response, query, loop.time() - started_s)


async def _over_udp(server: str, port: int, query: dns.message.QueryMessage) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _OneAnswer(query), remote_addr=(server, port))
    try:
        transport.sendto(query.to_wire())
        return await protocol.response
    finally:
        transport.abort()


async def _over_tcp(server: str, port: int, query: dns.message.QueryMessage) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)  # RFC 1035 section 4.2.2: two bytes of length
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return _decode(await reader.readexactly(length), query)
    finally:
        writer.transport.abort()


def _decode(wire: bytes, query: dns.message.QueryMessage) -> dns.message.Message:
    """Parse ``wire`` if it carries our ID and question, otherwise raise ``_MismatchError``."""
    if wire[:2] != query.id.to_bytes(2, "big"):
        raise _MismatchError
    response = dns.message.from_wire(wire, raise_on_truncation=False, ignore_trailing=True)
    if not query.is_response(response):
        raise _MismatchError
    return response


def _read(response: dns.message.Message, query: dns.message.QueryMessage, latency_s: float) -> DnsSample:
    wanted = query.question[0].rdtype
    # CNAME chains: the records asked for may stand under another owner, with the chain's smallest TTL deciding.
    found = [rrset for rrset in response.answer if rrset.rdtype == wanted]
    answers = tuple(sorted(rdata.to_text() for rrset in found for rdata in rrset))
    return DnsSample(
        outcome=_outcome_of(response.rcode(), bool(answers)),
        latency_s=latency_s,
        rcode=dns.rcode.to_text(response.rcode()),
        answers=answers,
        ttl_s=min((rrset.ttl for rrset in response.answer), default=None) if found else None,
    )


def _outcome_of(rcode: int, has_answer: bool) -> Outcome:
    """Name a DNS response code; NOERROR without a record of the type asked for is NODATA (RFC 2308 section 2.2)."""
    outcome = _RCODES.get(rcode, "error")
    return "nodata" if outcome == "ok" and not has_answer else outcome
