"""The server's URL, and which of several addresses of one API name takes connections.

As kubectl does, the next address is tried when one is dead.
"""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult, urlsplit

from chaoslib_cp.cluster.door.within import within
from chaoslib_cp.errors import TargetRefused, TargetUnreachable

_USUAL_PORTS = {"https": 443, "http": 80}
_RESOLVE_LIMIT_S = 5.0  # a resolver's own limit is 5 s for each server that it is told of, twice (resolv.conf(5))


def server_parts(server: str, place: str) -> SplitResult:
    """Take a server's URL apart.

    Args:
        server: The URL as configured.
        place: Where the user gave it.

    Raises:
        TargetRefused: It is no URL of a server, or holds more than that: it is written to undo log and permit, so it
            must hold no password. Nothing was changed; the URL is not repeated.
    """
    try:
        parts = urlsplit(server)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:  # UnicodeError is one
        raise _wrong_server(place, "has a host or a port that cannot be") from None
    if parts.scheme not in _USUAL_PORTS:
        raise _wrong_server(place, "does not begin with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _wrong_server(place, "holds a user name, a password or a query, which would be written to files")
    if not parts.hostname or port == 0 or " " in server or not server.isprintable():
        raise _wrong_server(place, "has a host or a port that cannot be")
    return parts


def addresses_of(parts: SplitResult, known: Sequence[str]) -> tuple[str, ...]:
    """The server as ``ip:port``, from its name or else from what was noted before the storm.

    Args:
        parts: From :func:`server_parts`.
        known: ``ip:port`` noted earlier; they come after those that the name resolves to.

    Raises:
        TargetUnreachable: The name does not resolve, and nothing was noted.
    """
    port = parts.port or _USUAL_PORTS[parts.scheme]
    try:
        found = within(
            _RESOLVE_LIMIT_S,
            f"resolving {parts.hostname}",
            lambda: socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM),
        )
    except (OSError, TargetUnreachable) as error:
        if known:
            return tuple(known)
        raise TargetUnreachable(
            f"{parts.geturl()}: the name does not resolve; nothing was changed; check it, or name the server by address"
        ) from error
    return tuple(dict.fromkeys([*(joined(str(entry[4][0]), port) for entry in found), *known]))


def accepts(address: str, timeout_s: float) -> bool:
    """Whether a connection to ``ip:port`` is taken within ``timeout_s`` seconds; nothing is sent over it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=max(0.05, timeout_s)).close()
    except OSError:
        return False
    return True


def can_be_reached(address: str, timeout_s: float) -> bool:
    """Whether somebody is at ``ip:port`` within ``timeout_s`` seconds; one who refuses the connection is there, too."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def all_reached(addresses: Sequence[str], timeout_s: float) -> tuple[str, ...]:
    """Those of the addresses (``ip:port``) at which somebody is, in their order; all are tried at once."""
    if not addresses:
        return ()
    with ThreadPoolExecutor(max_workers=len(addresses)) as threads:
        near = list(threads.map(lambda one: can_be_reached(one, timeout_s), addresses))
    return tuple(one for one, is_near in zip(addresses, near, strict=True) if is_near)


def first_that_accepts(addresses: Sequence[str], timeout_s: float) -> str:
    """The first address that takes a connection; the last one when none of those before it does.

    Args:
        addresses: ``ip:port``, at least one, in the order of preference.
        timeout_s: Seconds for all of them; each gets an equal share of what is left, one more for the call itself.
    """
    deadline_s = time.monotonic() + timeout_s
    for number, address in enumerate(addresses[:-1]):
        share_s = (deadline_s - time.monotonic()) / (len(addresses) - number + 1)
        if accepts(address, share_s):
            return address
    return addresses[-1]


def joined(address: str, port: int) -> str:
    """An address and a port as ``ip:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _wrong_server(place: str, what: str) -> TargetRefused:
    return TargetRefused(
        f"{place}: the URL of its server {what}; nothing was changed; write https://HOST:PORT, with a path if need be"
    )
