"""How long a command says nothing."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Heard:
    """What a command said.

    Attributes:
        exit_code: How it ended.
        said: Its output and its errors, as they came.
        silence_s: The longest time between two lines, seconds; the start of the interpreter before the first is not
            counted.
    """

    exit_code: int
    said: str
    silence_s: float


def hear(
    command: Sequence[str], within_s: float, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Heard:
    """Run a command and listen to it; one that takes longer than ``within_s`` is killed."""
    lines: list[str] = []
    times_s: list[float] = []
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        limit = threading.Timer(within_s, process.kill)
        limit.start()
        for line in process.stdout or ():
            lines.append(line)
            times_s.append(time.monotonic())
        exit_code = process.wait()
        limit.cancel()
    gaps_s = [later_s - earlier_s for earlier_s, later_s in pairwise(times_s)]
    return Heard(exit_code, "".join(lines), max(gaps_s, default=0.0))
