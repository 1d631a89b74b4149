"""What a process that plays load needs of the machine."""

import asyncio
import math
import resource
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaoslib_cp.engine.load.profile import HTTP_2, LoadProfile
from chaoslib_cp.errors import ProfileInvalid

# Of stdin, stdout, the result, the timeline, the event loop, a plugin, with some to spare.
_OTHER_FILES: Final = 64


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop factory where it is installed, else asyncio's.

    uvloop halves the cost of a request and holds about 58 KB for each TLS connection instead of 310 KB.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def raise_open_files_limit() -> int:
    """Raise the soft limit on open files to the hard one, and return it: often 1,024, and each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def require_open_files(profile: LoadProfile, nodes: int) -> None:
    """Raise the limit on open files, and refuse a load that needs more: half of it would measure this machine.

    A hanging server leaves every request of every virtual node open.

    Raises:
        ProfileInvalid: the machine does not allow so many open files; nothing was sent.
    """
    allowed = raise_open_files_limit()
    most = profile.max_total_connections or math.inf
    needed = int(min(nodes * profile.connections_per_agent, most)) + _OTHER_FILES
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise ProfileInvalid(
            f"{nodes} virtual nodes with up to {profile.connections_per_agent} connections each need {needed} open "
            f"files, and this machine allows {allowed}; nothing was sent; raise the limit (ulimit -Hn), lower nodes or "
            f"max_total_connections, or give each fewer connections (max_in_flight_per_agent; protocol {HTTP_2!r})"
        )


def offering(context: ssl.SSLContext, profile: LoadProfile) -> ssl.SSLContext:
    """Return the context, which from now on offers the profile's protocol and no other."""
    context.set_alpn_protocols([profile.protocol])
    return context


def protocol_at(address: str, server_name: str, context: ssl.SSLContext, timeout_s: float) -> str:
    """Return the protocol that a server chooses of those that a context offers; empty where it chooses none.

    Args:
        address: ``ip:port``.
        server_name: what its certificate must carry.
        context: what is offered and trusted.
        timeout_s: limit of each wait.

    Raises:
        OSError: there was no handshake.
    """
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host.strip("[]"), int(port)), timeout_s) as raw,
        context.wrap_socket(raw, server_hostname=server_name) as tls,
    ):
        return tls.selected_alpn_protocol() or ""


def tls_context(ca_file: Path, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a context that trusts only the CA in ``ca_file``, with a client certificate and key if given.

    Raises:
        ProfileInvalid: a file cannot be read or is no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=str(ca_file))
        if certificate is not None:
            context.load_cert_chain(*map(str, certificate))
    except (OSError, ssl.SSLError) as error:
        raise ProfileInvalid(f"TLS files beside {ca_file}: {error}; no connection was opened; check them") from error
    return context
