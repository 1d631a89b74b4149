"""What a process that plays load needs of the machine."""

import asyncio
import math
import resource
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaoslib_cp.engine.load.profile import LoadProfile
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

    A hanging server leaves every request of every virtual node open: each of them has a connection.

    Raises:
        ProfileInvalid: the machine does not allow so many open files; nothing was sent.
    """
    allowed = raise_open_files_limit()
    most = profile.max_total_connections or math.inf
    needed = int(min(nodes * profile.max_in_flight_per_agent, most)) + _OTHER_FILES
    if allowed != resource.RLIM_INFINITY and needed > allowed:
        raise ProfileInvalid(
            f"{nodes} virtual nodes with {profile.max_in_flight_per_agent} requests in flight each need {needed} open "
            f"files, and this machine allows {allowed}; nothing was sent; raise the limit (ulimit -Hn), or lower "
            "nodes, max_in_flight_per_agent or max_total_connections"
        )


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
