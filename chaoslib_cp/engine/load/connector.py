"""Opens connections to a target, as HTTP/1.1 or HTTP/2."""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.load.channel import Connect, Credentials, IntoBuffer

# More than the 256 KiB that a TLS transport of asyncio or uvloop holds at most, so that one call empties it.
_BUFFER_BYTES: Final = 320 * 1024


@dataclass(frozen=True)
class Target:
    """Where the requests go.

    Attributes:
        address: IP address, resolved beforehand: during an overload nothing may depend on DNS.
        port: TCP port.
        server_name: the name or address the server's certificate must carry; also the Host header.
        tls: context that trusts the cluster's CA; None speaks plain HTTP.
    """

    address: str
    port: int
    server_name: str
    tls: ssl.SSLContext | None


def read_buffer() -> memoryview:
    """Return a buffer for the connections of one event loop: each takes out what was read before the next is read."""
    return memoryview(bytearray(_BUFFER_BYTES))


def connector(target: Target, loop: asyncio.AbstractEventLoop, handshake_timeout_s: float) -> Connect:
    """Return a function that opens connections to ``target``.

    asyncio gives a TLS handshake 60 s; a request may have longer, so the limit is the caller's. The 256 KB that
    stdlib asyncio holds for each TLS connection cannot be changed in a public way: with more than about 1,000 agents
    install uvloop (the ``fast`` extra), which holds about 58 KB.
    """
    buffer = read_buffer()

    async def connect(connection: IntoBuffer, credentials: Credentials) -> None:
        connection.buffer = buffer
        tls = credentials.tls or target.tls
        await loop.create_connection(
            lambda: connection,
            target.address,
            target.port,
            ssl=tls,
            server_hostname=target.server_name if tls else None,
            ssl_handshake_timeout=handshake_timeout_s if tls else None,
        )

    return connect


def spread(connects: Sequence[Connect]) -> Connect:
    """Return a function that opens each new connection to the next of several servers, in turn."""
    turns = itertools.cycle(connects)

    def connect(connection: IntoBuffer, credentials: Credentials) -> Awaitable[None]:
        return next(turns)(connection, credentials)

    return connect
