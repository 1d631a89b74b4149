"""The runner is killed and the API is dead: the load ends all the same, by its deadline and a second at the latest."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaoslib_cp.clock import SystemClock
from tests.fakes.certificates import Authority
from tests.fakes.late_file import fill_late_file, make_late_file
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.waiting import until

pytestmark = pytest.mark.proof

KILLS = part.amount("runner killed: kills")
AT_ONCE = 10 if part.is_whole() else 4
DURATION_S = 6.0
GRACE_S = 1.0
PERIOD_S = 0.1
CLOCK = SystemClock()
# A runner: it starts the load as its child, with a pipe as its standard input, and waits for something else to do.
RUNNER = """
import subprocess, sys, time
stdin = int(sys.argv[1]) if sys.argv[1] != "own" else subprocess.PIPE
load = subprocess.Popen([sys.executable, "-m", "chaoslib_cp.agent", "load", *sys.argv[2:], "--until-stdin-eof"],
                        stdin=stdin, stdout=subprocess.DEVNULL, start_new_session=True)
print(load.pid, flush=True)
time.sleep(600)
"""


class DeadApi:
    """Listens, takes connections, never says a word; knows when the last one came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.first_s = self.last_s = 0.0
        self._taken: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while not self._is_over.is_set():
            for _ in self._selector.select(0.05):
                self._taken.append(self._listener.accept()[0])
                self.last_s = CLOCK.monotonic_s()
                self.first_s = self.first_s or self.last_s

    def close(self) -> None:
        """Stop listening."""
        self._is_over.set()
        self._thread.join()
        for taken in (*self._taken, self._listener):
            taken.close()
        self._selector.close()


@dataclass(frozen=True)
class Ending:
    """How one load ended.

    Attributes:
        killed_s: When the runner was killed.
        deadline_s: When the load had to be over.
        last_s: When the API saw it for the last time.
    """

    killed_s: float
    deadline_s: float
    last_s: float


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority; nobody gets as far as checking it."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def held_open() -> Iterator[int]:
    """The reading end of a pipe whose other end we hold: the end of the runner does not close it."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


def kill_a_runner(folder: Path, authority: Authority, after_s: float, stdin: int | None) -> Ending:
    """Start a runner with its load, kill the runner ``after_s`` after the first request, wait for the load's end."""
    api = DeadApi()
    deadline_s = 0.0

    def profile() -> str:
        """Draw the deadline once the load runs: how long two interpreters take to start is not the point."""
        nonlocal deadline_s
        deadline_s = CLOCK.monotonic_s() + DURATION_S
        return json.dumps({
            "schema": 1,
            "requests": [{"path": "/metrics", "period_s": PERIOD_S}],
            "request_timeout_s": PERIOD_S,
            "duration_s": DURATION_S,
            "deadline_epoch_s": CLOCK.epoch_s() + DURATION_S,
        })  # fmt: skip

    (folder / "state").mkdir(parents=True)
    (folder / "token").write_text("none")
    (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    make_late_file(folder / "profile.json")
    words: list[str | Path] = [
        "--profile",
        folder / "profile.json",
        "--state",
        folder / "state",
        "--service-account",
        folder,
    ]
    place = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, "own" if stdin is None else str(stdin), *words],
        stdout=subprocess.PIPE,
        env={**os.environ, **place},
        pass_fds=() if stdin is None else (stdin,),
    )
    with runner:
        assert runner.stdout is not None
        # by descriptor: the number may be somebody else's once the load has ended by itself
        load = os.pidfd_open(int(runner.stdout.readline()))
        try:
            fill_late_file(folder / "profile.json", profile)
            until(lambda: bool(api.first_s), "the first request")
            time.sleep(after_s)  # the moment of the kill is what is drawn, not a condition
            killed_s = CLOCK.monotonic_s()
            runner.kill()
            until(lambda: CLOCK.monotonic_s() > max(deadline_s, api.last_s) + GRACE_S, "the end")
        finally:
            with suppress(ProcessLookupError):  # it ends by itself when its standard input does
                signal.pidfd_send_signal(load, signal.SIGKILL)
            os.close(load)
            api.close()
    return Ending(killed_s, deadline_s, api.last_s)


@pytest.mark.parametrize("holds_stdin", [False, True], ids=["stdin-closes", "stdin-held-open"])
def test_the_load_ends_without_runner_and_api(
    tmp_path: Path, authority: Authority, held_open: int, holds_stdin: bool
) -> None:
    """At random moments: at once when its standard input closes, else by its own deadline."""
    draws = part.draws("runner killed")
    moments = [draws.uniform(0, DURATION_S / 2) for _ in range(KILLS // 2)]
    stdin = held_open if holds_stdin else None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        endings = list(
            pool.map(
                lambda numbered: kill_a_runner(tmp_path / str(numbered[0]), authority, numbered[1], stdin),
                enumerate(moments),
            )
        )
    overruns_s = [ending.last_s - ending.deadline_s for ending in endings]
    assert max(overruns_s) <= GRACE_S
    if not holds_stdin:
        assert max(ending.last_s - ending.killed_s for ending in endings) <= GRACE_S
    note("self-heal", kills=len(endings), worst_overrun_s=max(overruns_s))
