"""How one attempt ended, in one word: the closed list that every sample of a timeline uses."""

import errno
import ssl
from typing import Final, Literal

import dns.rcode

Outcome = Literal[
    "ok",
    "timeout",
    "refused",
    "reset",
    "unreachable",
    "tls",
    "http_429",
    "http_4xx",
    "http_5xx",
    "servfail",
    "nxdomain",
    "nodata",
    "wrong_answer",
    "error",
]

_NO_WAY_THERE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_HUNG_UP: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
# A DNS server that will not talk to us says REFUSED; `rcode` in the sample tells it from a closed port.
_RCODES: Final[dict[int, Outcome]] = {
    dns.rcode.NOERROR: "ok",
    dns.rcode.SERVFAIL: "servfail",
    dns.rcode.NXDOMAIN: "nxdomain",
    dns.rcode.REFUSED: "refused",
}


def of_socket_error(error: OSError) -> Outcome:
    """Name what a socket or TLS error means for the one who asked."""
    if isinstance(error, ssl.SSLError):  # first: it is an OSError too
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, _HUNG_UP):
        return "reset"
    return "unreachable" if error.errno in _NO_WAY_THERE else "error"


def of_http_status(status: int) -> Outcome:
    """Name an HTTP status. 429 has its own word: it is the server's fair queueing that speaks, not a fault."""
    if 200 <= status < 300:
        return "ok"
    if status == 429:
        return "http_429"
    if 400 <= status < 500:
        return "http_4xx"
    return "http_5xx" if status >= 500 else "error"


def of_dns_rcode(rcode: int, has_answer: bool) -> Outcome:
    """Name a DNS response code; NOERROR without a record of the type asked for is NODATA (RFC 2308 section 2.2)."""
    outcome = _RCODES.get(rcode, "error")
    return "nodata" if outcome == "ok" and not has_answer else outcome
