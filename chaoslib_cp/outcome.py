"""How one attempt ended, in one word: the closed list that samples, agents and calls to the cluster share."""

import errno
import ssl
from typing import Final, Literal

Outcome = Literal[
    "ok",
    "timeout",
    "refused",
    "reset",
    "unreachable",
    "tls",
    "http_401",
    "http_403",
    "http_410",
    "http_429",
    "http_4xx",
    "http_5xx",
    "servfail",
    "nxdomain",
    "nodata",
    "wrong",  # an answer that never was the true one
    "stale",  # an answer that was the true one before
    "error",
    "aborted",  # by us, before it was over
]

_NO_WAY_THERE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
# 401 and 403 mean that the one who asks is not who it should be; 410 that a version is too old to be read; 429 is the
# server's fair queueing that speaks.
_STATUSES: Final[dict[int, Outcome]] = {401: "http_401", 403: "http_403", 410: "http_410", 429: "http_429"}
_NOT_LET_IN: Final = ("http_401", "http_403")

# RFC 1035 section 4.1.1. A DNS server that will not talk to us says REFUSED; the code in a sample tells it from a
# closed port.
_RCODES: Final[dict[int, Outcome]] = {0: "ok", 2: "servfail", 3: "nxdomain", 5: "refused"}
_DNS_ANSWERS: Final = ("servfail", "nxdomain", "nodata")


def of_socket_error(error: OSError) -> Outcome:
    """Name what a socket or TLS error means for the one who asked."""
    if isinstance(error, ssl.SSLError):  # first: it is an OSError too
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):  # reset, aborted or a broken pipe
        return "reset"
    return "unreachable" if error.errno in _NO_WAY_THERE else "error"


def of_http_status(status: int) -> Outcome:
    """Name an HTTP status; those that say more than their class have a word of their own."""
    if 200 <= status < 300:
        return "ok"
    if 400 <= status < 500:
        return _STATUSES.get(status, "http_4xx")
    return "http_5xx" if status >= 500 else "error"


def of_dns_rcode(rcode: int, has_answer: bool) -> Outcome:
    """Name a DNS response code; NOERROR without a record of the type asked for is NODATA (RFC 2308 section 2.2)."""
    outcome = _RCODES.get(rcode, "error")
    return "nodata" if outcome == "ok" and not has_answer else outcome


def was_let_in(outcome: str) -> bool:
    """Whether an attempt says anything of the server: one that was not let in (401, 403) tells of the credentials."""
    return outcome not in _NOT_LET_IN


def is_answer(outcome: str) -> bool:
    """Whether an outcome of an HTTP call or a DNS question says that the server answered it, well or not.

    ``refused`` does not: it is a closed port more often than a DNS server that will not.
    """
    return outcome == "ok" or outcome.startswith("http_") or outcome in _DNS_ANSWERS
