"""dnsmasq on loopback: a cache that is not CoreDNS, as a workload's machine may have one."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scaffold import coredns
from tests.scaffold.waiting import until

_STARTS_WITHIN_S = 10.0


@contextmanager
def in_front_of(server_port: int, folder: Path) -> Iterator[int]:
    """Run it for the block, in front of a DNS server on loopback; nothing of the machine's own settings is read.

    A test with the marker ``programs`` is skipped where it is not installed, and fails in CI.

    Args:
        server_port: Port of that server.
        folder: Where its log goes.

    Yields:
        Its port.
    """
    found = shutil.which("dnsmasq", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip("there is no dnsmasq: `scripts/system-packages dev` installs it")
    port, log = coredns.free_port(), folder / "dnsmasq.log"
    options = [
        "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user", "--group", "--log-facility=-",
        "--no-resolv", "--no-hosts", "--bind-interfaces", f"--listen-address={coredns.ADDRESS}", f"--port={port}",
        f"--server={coredns.ADDRESS}#{server_port}",
    ]  # fmt: skip
    with log.open("wb") as said:
        process = subprocess.Popen([found, *options], cwd=folder, stdout=said, stderr=said)
    try:
        started = lambda: b"started" in log.read_bytes() or process.poll() is not None  # noqa: E731
        until(started, "dnsmasq", _STARTS_WITHIN_S)
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.kill()
        process.wait(5)
