"""Running a compiler or an installer: no shell, its output kept in memory, dead when we are."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import exactly
from chaoslib_cp.testbed.namespaces import die_with_parent

_TICK_S = 1.0
_SHORT = 300


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        status: Exit status; negative when a signal ended it.
        output: What it wrote to standard output and error.
    """

    status: int
    output: str

    def reason(self) -> str:
        """Return the line of the output that best says why it failed, shortened to 300 characters."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        for telling in (_names_full_disk, _names_cause):
            found = [line for line in lines if telling(line)]
            if found:
                return found[-1][:_SHORT]
        return (lines or [f"exit status {self.status} without a word"])[-1][:_SHORT]


@dataclass(frozen=True)
class Child:
    """A command to run to its end.

    Attributes:
        argv: Program and arguments.
        folder: Working directory.
        environment: The whole environment.
        limit_s: Seconds after which it is killed: nothing here may hang for ever.
        keep_open: File descriptors it inherits.
    """

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    limit_s: float
    keep_open: Sequence[int] = field(default=())

    def run(self, tick: Callable[[int], None]) -> Ended:
        """Run it and wait.

        However this ends, by an exception in ``tick`` or a signal too, no process of it is left.
        The output goes to memory: on a full disk a log file would lose the very line that says so.

        Args:
            tick: Called about once a second meanwhile with the number of lines written so far.

        Returns:
            How it ended.

        Raises:
            TestbedFailed: It could not be started, or took longer than ``limit_s``.
        """
        with os.fdopen(os.memfd_create("output"), "w+b") as output:
            process = self._start(output.fileno())
            try:
                return self._wait(process, output.fileno(), tick)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that all it starts can be killed as one group
                pass_fds=self.keep_open,
                preexec_fn=die_with_parent,
                **exactly(self.environment),
            )
        except OSError as error:
            raise TestbedFailed(f"{self.argv[0]} cannot be started: {error.strerror}") from error

    def _wait(self, process: subprocess.Popen[bytes], output: int, tick: Callable[[int], None]) -> Ended:
        for _ in range(max(1, int(self.limit_s / _TICK_S))):
            try:
                status = process.wait(timeout=_TICK_S)
            except subprocess.TimeoutExpired:
                tick(_content(output).count(b"\n"))
                continue
            return Ended(status, _content(output).decode(errors="replace"))
        raise TestbedFailed(f"{' '.join(self.argv[:3])} took longer than {self.limit_s:.0f} s and was stopped")


def _content(descriptor: int) -> bytes:
    """Read all that was written, without moving the writer's position."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _names_full_disk(line: str) -> bool:
    return "no space left" in line.lower() or "quota exceeded" in line.lower()


def _names_cause(line: str) -> bool:
    """Tell a reason from progress lines and hints: go and pip put one of these words into a reason."""
    words = ("error", "cannot", "fail", "do not match", "no matching", "lookup", "refused", "denied", "requires go")
    return any(word in line.lower() for word in words)
