"""The truth, as a DNS server that asks us tells it itself on another port: messages are passed on as they are."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Final

_MAX_DATAGRAM_BYTES: Final = 65_535
_DEADLINE_S: Final = 1.5
"""Before CoreDNS gives up on us, which it does after 2 s (source: CoreDNS, plugin/pkg/proxy, readTimeout)."""


@dataclass(frozen=True)
class Truth:
    """Where it is told.

    Attributes:
        port: At whoever asks.
    """

    port: int

    async def ask(self, wire: bytes, server: str, is_tcp: bool) -> bytes | None:
        """Pass a message on, and return the answer to it; None when none comes in time. Never raises for that.

        Args:
            wire: The message; its ID stays, so the answer has the same.
            server: Address of whoever knows.
            is_tcp: How to ask: an answer must fit into what it is sent by.
        """
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await (self._over_tcp(wire, server) if is_tcp else self._over_udp(wire, server))
        except (OSError, asyncio.IncompleteReadError):  # a TimeoutError is an OSError
            return None

    async def _over_udp(self, wire: bytes, server: str) -> bytes:
        """Ask from a port that the kernel picks; being connected, the socket hears this one server only."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.setblocking(False)
            own.connect((server, self.port))
            own.send(wire)
            while True:
                said = await loop.sock_recv(own, _MAX_DATAGRAM_BYTES)
                if said[:2] == wire[:2]:
                    return said

    async def _over_tcp(self, wire: bytes, server: str) -> bytes:
        reader, writer = await asyncio.open_connection(server, self.port)
        try:
            writer.write(struct.pack("!H", len(wire)) + wire)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            return await reader.readexactly(length)
        finally:
            writer.transport.abort()
