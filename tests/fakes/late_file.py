"""A file whose content is made when somebody reads it: for deadlines that must not begin before a program runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 60.0


def make_late_file(path: Path) -> None:
    """Put the file there; whoever opens it waits until it is filled."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def fill_late_file(path: Path, content: Callable[[], str]) -> None:
    """Wait for its reader, then make what it reads: 4 KiB at most, which a pipe takes at once."""
    with open(_wait_for_reader(path), "w", encoding="utf-8") as pipe:
        pipe.write(content())


def _wait_for_reader(path: Path) -> int:
    ends_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet (fifo(7): ENXIO)
            assert time.monotonic() < ends_s, f"nobody read {path} within {PATIENCE_S:g} s"
            time.sleep(0.01)
