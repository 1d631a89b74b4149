"""A real CoreDNS on loopback, with a Corefile of a test's own."""

import os
import random
import socket
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dns.message
import dns.query
import pytest

from chaoslib_cp.testbed.programs import find_programs
from tests.scaffold.waiting import until

ADDRESS = "127.0.0.1"
_STARTS_WITHIN_S = _ANSWERS_WITHIN_S = 10.0

_given: deque[int] = deque(maxlen=1000)
"""Ports that :func:`free_port` gave last: nobody may listen there yet, so asking the kernel is not enough."""


def program() -> Path:
    """The program; a test with the marker ``programs`` is skipped where it was not got, and fails in CI."""
    found = find_programs()
    if found is None:
        pytest.skip("there is no CoreDNS: `make programs` gets it")
    return found.path("coredns")


def free_port() -> int:
    """A port that nobody listens on at this moment, for UDP and TCP, and that was not given just before.

    Below those that the kernel gives to whoever connects: such a one may be taken before CoreDNS listens.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # Hypothesis seeds the other one
        if port in _given:
            continue
        with suppress(OSError), ExitStack() as held:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                held.enter_context(socket.socket(socket.AF_INET, kind)).bind((ADDRESS, port))
            _given.append(port)
            return port


@contextmanager
def running(corefile: Path, port: int = 0, environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Run it for the block; what it says is in a file beside the Corefile.

    Args:
        corefile: The file.
        port: Of keys without one; 0 for the usual one.
        environment: Variables for it.

    Yields:
        The file with what it says.
    """
    log, own = corefile.with_suffix(".log"), ["-dns.port", str(port)] if port else []
    variables = {"PATH": os.environ["PATH"], **(environment or {})}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(program()), "-conf", str(corefile), *own], cwd=corefile.parent, env=variables, stdout=said, stderr=said
        )
    try:
        until(lambda: b"CoreDNS-" in log.read_bytes() or process.poll() is not None, "CoreDNS", _STARTS_WITHIN_S)
        assert process.poll() is None, log.read_text()
        yield log
    finally:
        process.kill()
        process.wait(5)


def ask(name: str, type_: str, port: int, at: str = ADDRESS, client: str | None = None) -> dns.message.Message:
    """Ask one question at an address, as the client with another one where it is given; return the whole answer."""
    return dns.query.udp(dns.message.make_query(name, type_), at, port=port, timeout=_ANSWERS_WITHIN_S, source=client)


def said(answer: dns.message.Message) -> tuple[str, dict[str, int]]:
    """The code of an answer, and each record's data in its answer section with its TTL."""
    records = {str(data): rrset.ttl for rrset in answer.answer for data in rrset}
    return dns.rcode.to_text(answer.rcode()), records
