"""Any child process of the supervisor: started with its limits, its output kept, its end told in its own words.

There is no way to stop one in order: everything a testbed has is volatile, so it ends as a whole, by SIGKILL.

This file knows nothing of Kubernetes; ``components.py`` says what is started.
"""

import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaoslib_cp.clock import Clock
from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.cgroups import UNLIMITED, Limits
from chaoslib_cp.testbed.namespaces import unshare_uts

LAST_WORDS_LINES = 5
# A kubelet restarts a dead container at once, then waits 10 s, doubling up to 5 min, and forgets after 10 min of life
# (source: kubelet, MaxContainerBackOff and backOffPeriod).
FIRST_BACKOFF_S = 10.0
LONGEST_BACKOFF_S = 300.0
FORGET_BACKOFF_AFTER_S = 600.0


@dataclass(frozen=True)
class Component:
    """A program of the testbed, as data.

    Args:
        name: also the name of its log file and its cgroup.
        argv: program and arguments.
        limits: applied by the supervisor once the cluster is filled.
        environment: added to what every process of the testbed inherits.
        hostname: a host name of its own, where the program takes its identity from it; "" for the testbed's.
    """

    name: str
    argv: tuple[str, ...]
    limits: Limits = UNLIMITED
    environment: Mapping[str, str] = field(default_factory=dict)
    hostname: str = ""


class Process:
    """A component that runs, or ran.

    Args:
        component: what to run.
        log: file its output is appended to.
        cgroup_files: files by which it joins its cgroups before it runs.
        clock: for the restart back-off.
    """

    def __init__(self, component: Component, log: Path, cgroup_files: list[Path], clock: Clock) -> None:
        self.component = component
        self.restarts = 0
        self._log = log
        self._cgroup_files = cgroup_files
        self._clock = clock
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0
        self._died_at_s: float | None = None
        self._backoff_s = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._popen.pid if self._popen and self._popen.poll() is None else None

    def start(self) -> None:
        """Start it, inside its cgroups from the first instruction on."""
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.component.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._before_exec,  # safe: the supervisor has no threads
                **handed_to(Kind.TESTBED, self.component.environment),
            )
        self._started_at_s = self._clock.monotonic_s()
        self._died_at_s = None

    def _before_exec(self) -> None:
        for file in self._cgroup_files:
            file.write_text("0")
        if self.component.hostname:
            unshare_uts()
            socket.sethostname(self.component.hostname)

    def is_alive(self) -> bool:
        """Say whether it runs now."""
        return self.pid is not None

    def last_words(self) -> str:
        """Return how it ended and the last lines of its log, as one line."""
        status = self._popen.poll() if self._popen else None
        ended = "is running" if status is None else how_it_ended(status)
        lines = self._log.read_text(errors="replace").splitlines()[-LAST_WORDS_LINES:] if self._log.exists() else []
        return f"{self.component.name} {ended}; its last words: {' | '.join(lines) or 'none'}"

    def restart_if_due(self) -> bool:
        """Restart it when it is dead and its back-off is over, as a kubelet would; say whether it was restarted."""
        if self.is_alive():
            return False
        now_s = self._clock.monotonic_s()
        if self._died_at_s is None:
            self._died_at_s = now_s
            if now_s - self._started_at_s > FORGET_BACKOFF_AFTER_S:
                self._backoff_s = 0.0
        if now_s - self._died_at_s < self._backoff_s:
            return False
        self._backoff_s = min(max(FIRST_BACKOFF_S, 2 * self._backoff_s), LONGEST_BACKOFF_S)
        self.restarts += 1
        self.start()
        return True


def how_it_ended(status: int) -> str:
    """Say it in words, from what ``subprocess`` calls the return code."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
