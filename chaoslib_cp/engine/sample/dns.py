"""One DNS question to one server, over a socket of its own.

A fresh socket for each question, as a workload's C library does: a kept one would pin the question to one replica
behind a ClusterIP. Only ``dns.message`` of dnspython is used; ``dns.resolver`` costs 250 ms of import and would add
search lists and retries that hide what the server said.
"""

import asyncio
import secrets
import socket
import struct
from dataclasses import dataclass
from typing import Final

import dns.exception

from chaoslib_cp import outcome as outcomes
from chaoslib_cp.engine.sample.dns_message import MismatchError, Query, Said
from chaoslib_cp.outcome import Outcome

DNS_PORT: Final = 53
_MAX_DATAGRAM_BYTES: Final = 65_535


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


async def ask(server: str, query: Query, deadline_s: float, tcp: bool = False, port: int = DNS_PORT) -> DnsSample:
    """Ask one question and say what came of it; never raises for a sick server or network.

    Args:
        server: IP address of the server; a name here would be a lookup before the lookup.
        query: The question.
        deadline_s: Seconds for everything together, a repetition over TCP included.
        tcp: Ask over TCP at once. Over UDP, a truncated answer is asked for again over TCP (RFC 7766).
        port: The server's port.

    Returns:
        The sample; on a timeout its latency is the time really spent.
    """
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        async with asyncio.timeout(deadline_s):
            said, ttl_s = await (_over_tcp(server, port, query) if tcp else _over_udp(server, port, query))
            if not tcp and said.is_truncated:
                said, ttl_s = await _over_tcp(server, port, query)
    except OSError as error:  # asyncio's TimeoutError is one too
        return DnsSample(outcomes.of_socket_error(error), loop.time() - started_s)
    except asyncio.IncompleteReadError:
        return DnsSample("reset", loop.time() - started_s)
    except (dns.exception.DNSException, MismatchError):
        return DnsSample("error", loop.time() - started_s)
    return DnsSample(said.outcome, loop.time() - started_s, said.rcode, said.answers, ttl_s)


async def _over_udp(server: str, port: int, query: Query) -> tuple[Said, int | None]:
    """Ask from a port that the kernel picks; being connected, the socket hears this one server only."""
    loop = asyncio.get_running_loop()
    id_ = secrets.token_bytes(2)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.setblocking(False)
        own.connect((server, port))
        own.send(query.wire(id_))
        while True:
            try:
                return query.read(await loop.sock_recv(own, _MAX_DATAGRAM_BYTES), id_)
            except MismatchError:
                pass  # the true answer may still come


async def _over_tcp(server: str, port: int, query: Query) -> tuple[Said, int | None]:
    id_ = secrets.token_bytes(2)
    reader, writer = await asyncio.open_connection(server, port)
    try:
        wire = query.wire(id_)
        writer.write(struct.pack("!H", len(wire)) + wire)  # RFC 1035 section 4.2.2: two bytes of length
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return query.read(await reader.readexactly(length), id_)
    finally:
        writer.transport.abort()
