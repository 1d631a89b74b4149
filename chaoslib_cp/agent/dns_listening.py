"""Listening for DNS messages by UDP and TCP, each of which is answered by an asynchronous function."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

_MOST_AT_ONCE: Final = 4096  # messages by UDP that are not answered yet
_MOST_CONNECTIONS: Final = 512
_IDLE_S: Final = 15.0  # longer than CoreDNS keeps a connection that it does not use (10 s, plugin forward, expire)
Answer = Callable[[bytes, str, bool], Awaitable[bytes | None]]
"""Given a message, the address of whoever sent it, and whether it came by TCP."""


class _Datagrams(asyncio.DatagramProtocol):
    """Questions by UDP, each answered in a task of its own."""

    def __init__(self, answer: Answer, on_too_many: Callable[[], None]) -> None:
        self._answer_to = answer
        self._on_too_many = on_too_many
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport if isinstance(transport, asyncio.DatagramTransport) else None

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(self._tasks) >= _MOST_AT_ONCE:
            self._on_too_many()
            return
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[Any, ...]) -> None:
        said = await self._answer_to(data, _plain(addr[0]), False)
        if said and self._transport is not None:
            self._transport.sendto(said, addr)


@dataclass
class _Connections:
    """Questions by TCP, those of a connection one after the other (RFC 1035 section 4.2.2)."""

    answer: Answer
    on_too_many: Callable[[], None]
    open: int = 0

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            if self.open <= _MOST_CONNECTIONS:
                with suppress(OSError, asyncio.IncompleteReadError):  # whoever asks went away, or is silent
                    await self._answer_all(reader, writer)
            else:
                self.on_too_many()
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asker = _plain(writer.get_extra_info("peername")[0])
        while True:
            async with asyncio.timeout(_IDLE_S):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
            said = await self.answer(wire, asker, True)
            if said == b"":
                return
            if said is not None:
                writer.write(struct.pack("!H", len(said)) + said)
                await writer.drain()


def _plain(address: str) -> str:
    """An IPv4 address as such, where a socket for both families has it as IPv6."""
    return address.removeprefix("::ffff:").partition("%")[0]


@dataclass(frozen=True)
class Listening:
    """What listens; ``ports`` are those that were asked for, or that were free.

    Attributes:
        ports: One after the other.
        close: Stops all of it.
    """

    ports: tuple[int, ...]
    close: Callable[[], None]


async def serve(answer: Answer, on_too_many: Callable[[], None], address: str, ports: Sequence[int]) -> Listening:
    """Listen by UDP and TCP.

    Args:
        answer: Returns what is sent in answer to a message; None for nothing, empty to hang up.
        on_too_many: Called for each message that is dropped, because there are too many at once.
        address: Where; empty for every address there is.
        ports: On which; 0 for any that is free.

    Raises:
        OSError: A port is taken; nothing listens.
    """
    loop, connections = asyncio.get_running_loop(), _Connections(answer, on_too_many)
    closing: list[Callable[[], None]] = []
    found: list[int] = []

    def close() -> None:
        for one in closing:
            one()

    try:
        for port in ports:
            tcp = await asyncio.start_server(connections.hear, sock=_bound(socket.SOCK_STREAM, address, port))
            closing.append(tcp.close)
            found.append(int(tcp.sockets[0].getsockname()[1]))
            udp = _bound(socket.SOCK_DGRAM, address, found[-1])
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(answer, on_too_many), sock=udp)
            closing.append(transport.abort)
    except OSError:
        close()
        raise
    return Listening(tuple(found), close)


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A socket at an address, or at all of both families where the machine has both."""
    both = not address and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in address else socket.AF_INET
    own = socket.socket(family, kind)
    try:
        own.setblocking(False)
        if kind == socket.SOCK_STREAM:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if both:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        own.bind((address or ("::" if both else "0.0.0.0"), port))  # noqa: S104 - its pod has one address
    except OSError:
        own.close()
        raise
    return own
