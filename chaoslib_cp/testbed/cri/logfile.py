"""A container's log in the format the kubelet reads: ``<time> <stream> <F or P> <text>``.

Source: kubernetes design proposal "CRI: Log management for container stdout/stderr streams"; F ends a line, P is a
part of one that was too long.
"""

import datetime
import threading
from pathlib import Path
from typing import BinaryIO

from chaoslib_cp.testbed.cri.clock import now_ns

# containerd's and the kubelet's own limit of one record.
LONGEST_RECORD_BYTES = 16 * 1024


class LogFile:
    """The log of one container; may be reopened while it is written, after the kubelet has moved the file away.

    Args:
        path: the file; its folder is made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rest = {"stdout": b"", "stderr": b""}
        self._file = self._open()
        self.last_line = b""

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.open("ab", buffering=0)

    def write(self, stream: str, chunk: bytes) -> None:
        """Append what came from ``stream`` ("stdout" or "stderr"); an unfinished line waits for its end."""
        *lines, rest = (self._rest[stream] + chunk).split(b"\n")
        records = b"".join(self._records(stream, line, b"F") for line in lines)
        whole = len(rest) - len(rest) % LONGEST_RECORD_BYTES
        if whole:
            records += self._records(stream, rest[:whole], b"P")
        self._rest[stream] = rest[whole:]
        self._append(records)

    def finish(self) -> None:
        """Write out unfinished lines and close."""
        for stream, rest in self._rest.items():
            if rest:
                self._append(self._records(stream, rest, b"F"))
        self._rest = {"stdout": b"", "stderr": b""}
        with self._lock:
            self._file.close()

    def reopen(self) -> None:
        """Go on in a new file under the same name."""
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._file = self._open()

    def _records(self, stream: str, line: bytes, last_tag: bytes) -> bytes:
        prefix = f"{_timestamp()} {stream} ".encode()
        pieces = [line[at : at + LONGEST_RECORD_BYTES] for at in range(0, len(line), LONGEST_RECORD_BYTES)] or [b""]
        self.last_line = pieces[-1]
        tags = [b"P"] * (len(pieces) - 1) + [last_tag]
        return b"".join(prefix + tag + b" " + piece + b"\n" for tag, piece in zip(tags, pieces, strict=True))

    def _append(self, records: bytes) -> None:
        with self._lock:
            if records and not self._file.closed:
                self._file.write(records)


def _timestamp() -> str:
    seconds, nanoseconds = divmod(now_ns(), 1_000_000_000)
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
