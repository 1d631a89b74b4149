"""Which of several addresses of one API name takes connections: as kubectl does, the next is tried when one is dead."""

import socket
import time
from collections.abc import Sequence


def accepts(address: str, timeout_s: float) -> bool:
    """Whether a connection to ``ip:port`` is taken within ``timeout_s`` seconds; nothing is sent over it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=max(0.05, timeout_s)).close()
    except OSError:
        return False
    return True


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
