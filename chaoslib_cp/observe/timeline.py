"""The timeline of a run: one JSON object per line, appended as it happens, readable after a crash.

Two processes write it, the observer and the control. Each line is a single ``write`` to a file opened with O_APPEND,
so lines never mix (source: open(2), O_APPEND). Lines stand in the order in which things ended; ``at_s`` orders them by
when they began.
"""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

TIMELINE_FILE: Final = "timeline.jsonl"
_MAX_LINE_BYTES: Final = 4096
_IDENTIFYING: Final = ("kind", "at_s", "vantage", "event", "name", "status", "target", "ok", "outcome")


class Timeline:
    """Appends lines to ``path``; creates the file if it is not there."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        self._end_torn_line()

    def append(self, record: Mapping[str, object]) -> None:
        """Write one line now; no buffer holds it back.

        A record of 4 kB or more is cut down to the keys that identify it, with ``"truncated": true``. What JSON does
        not know, such as the dates of an experiment in YAML, is written as its text.

        Raises:
            OSError: It could not be written, or only a part of it: the disk is full.
        """
        line = _line(record)
        if len(line) >= _MAX_LINE_BYTES:
            kept = {key: str(value)[:200] if isinstance(value, str) else value for key, value in record.items()}
            line = _line({**{key: kept[key] for key in _IDENTIFYING if key in kept}, "truncated": True})
        if os.write(self._descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, "only a part of a line found room")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _end_torn_line(self) -> None:
        """A writer that was killed in mid-line must not swallow the first line of the next writer."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")


def read_timeline(path: Path) -> list[dict[str, Any]]:
    """Return all lines of a timeline in file order.

    A line that is not a whole JSON object (torn by a crash) is left out.

    Raises:
        FileNotFoundError: There is no such file.
    """
    return parse_lines(path.read_bytes())


def parse_lines(text: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects among the lines of ``text``."""
    found = []
    for line in text.split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":"), default=str).encode() + b"\n"
