"""The undo log as a file: lines that cannot be changed, swapped or taken out of the middle unnoticed.

Each line carries a checksum over itself and over the checksum of the line before it. A file is read only when it is a
plain file of this user that nobody else may write to; a torn last line is what a crash leaves and is left out.
"""

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from chaoslib_cp.errors import UndoFailed

SCHEMA = 3
"""The one that is written and read; a log of another is for the version that wrote it."""
Record = dict[str, object]
_MAX_BYTES = 4_000_000  # a run makes tens of entries; more than this is not a log of ours
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # O_NONBLOCK: opening a FIFO must not wait for its other end
_NOTHING = "nothing was undone"


def make_folder(folder: Path) -> None:
    """Make the folder for this user alone, or refuse one that others could have planted.

    Raises:
        UndoFailed: It cannot be made, or it is not ours alone.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in reversed(missing):
            sync_folder(made.parent)
    except OSError as error:
        raise UndoFailed(f"cannot make undo folder {folder}: {error.strerror}; nothing was changed") from error
    check_folder(folder, "nothing was changed")


def check_folder(folder: Path, what_was_done: str = _NOTHING) -> None:
    """Refuse a folder that others could have planted, or planted something in.

    Raises:
        UndoFailed: It is a link, no folder, somebody else's, or others may write to it.
    """
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise UndoFailed(f"undo folder {folder} is a link or no folder; {what_was_done}; put a folder of yours there")
    if facts.st_uid != os.getuid():
        raise UndoFailed(f"undo folder {folder} belongs to user {facts.st_uid}; {what_was_done}; use it as that user")
    if facts.st_mode & 0o022:
        raise UndoFailed(f"others may write to undo folder {folder}; {what_was_done}; look into it, then chmod 700 it")


def make_file(path: Path, header: Record) -> None:
    """Make a log that has its whole header from the moment it has its name, and take no name that is taken.

    A crash leaves at most a hidden file that no one reads; the next log of that run writes over it.

    Raises:
        OSError: It cannot be made, or there is one already.
    """
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        _write_all(handle, _line(header, ""))
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(half, path)  # not a rename, which would replace a log that is there
    finally:
        half.unlink()
    sync_folder(path.parent)


def read(path: Path) -> list[Record]:
    """Every whole line, checked, the header first.

    Raises:
        UndoFailed: It is not a file of ours, is not whole, or is of another version; nothing was done.
    """
    handle = _open_own(path, os.O_RDONLY)
    try:
        content = _all_bytes(path, handle)
    finally:
        os.close(handle)
    return _records(path, content)[0]


def read_header(path: Path) -> Record:
    """The first line if it is a header, of whatever version; empty when nothing can be said.

    For those who must tell a person what to do by hand about a log that :func:`read` refuses.
    """
    try:
        handle = _open_own(path, os.O_RDONLY)
        with os.fdopen(handle, "rb") as reader:
            record, given = _decoded(path, 1, reader.readline(_MAX_BYTES))
    except UndoFailed:
        return {}
    return record if given == _checksum(record, "") and record.get("type") == "header" else {}


def append(path: Path, make: Callable[[list[Record]], Record], left: str) -> Record:
    """Add one line in a locked, synced write; a torn last line of an earlier crash is cut off first.

    Args:
        path: The log.
        make: Makes the new line of those that are there; nobody can add another in between.
        left: What is true when the line is not added, for the error.

    Returns:
        What was added.

    Raises:
        UndoFailed: It cannot be written, or is none that :func:`read` would read.
    """
    handle = _open_own(path, os.O_RDWR, left)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _refuse_moved(path, handle, left)
        content = _all_bytes(path, handle, left)
        whole = content.rfind(b"\n") + 1
        records, before = _records(path, content, left)
        record = make(records)
        line = _line(record, before)
        if whole + len(line) > _MAX_BYTES:
            raise UndoFailed(f"undo log {path} is full; {left}; run chaos cp recover")
        if whole != len(content):
            os.ftruncate(handle, whole)
        os.lseek(handle, whole, os.SEEK_SET)
        _write_all(handle, line)
        os.fsync(handle)
    except OSError as error:
        raise UndoFailed(
            f"cannot write undo log {path}: {error.strerror}; {left}; make room, then run chaos cp recover"
        ) from error
    finally:
        os.close(handle)
    return record


def _open_own(path: Path, flags: int, left: str = _NOTHING) -> int:
    """Open a plain file of this user that nobody else may write to."""
    try:
        handle = os.open(path, flags | _FLAGS)
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        what = "read" if flags == os.O_RDONLY else "write"
        raise UndoFailed(f"cannot {what} undo log {path}: {reason}; {left}; put the file itself there") from error
    facts = os.fstat(handle)
    problem = ""
    if not stat.S_ISREG(facts.st_mode):
        problem = "is no file; {}; move it away"
    elif facts.st_uid != os.getuid():
        problem = f"belongs to user {facts.st_uid}; {{}}; recover as that user"
    elif facts.st_mode & 0o022:
        problem = "may be written to by others; {}; look into it, then chmod 600 it"
    if problem:
        os.close(handle)
        raise UndoFailed(f"undo log {path} {problem.format(left)}")
    return handle


def _refuse_moved(path: Path, handle: int, left: str) -> None:
    """Refuse a file that lost its name while we waited for the lock: who looks for what is open would not see it."""
    ours, named = os.fstat(handle), os.stat(path, follow_symlinks=False)
    if (ours.st_dev, ours.st_ino) != (named.st_dev, named.st_ino):
        raise UndoFailed(f"undo log {path} was put aside in this moment; {left}; try again")


def _all_bytes(path: Path, handle: int, left: str = _NOTHING) -> bytes:
    with os.fdopen(os.dup(handle), "rb") as reader:
        content = reader.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise UndoFailed(f"undo log {path} has over {_MAX_BYTES} bytes, so it is none of ours; {left}; move it away")
    return content


def _records(path: Path, content: bytes, left: str = _NOTHING) -> tuple[list[Record], str]:
    """Every whole line, checked, and what the next one's checksum covers; the torn last line of a crash is left out."""
    records: list[Record] = []
    before = ""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        record, given = _decoded(path, number, line, left)
        if given != _checksum(record, before):
            raise UndoFailed(
                f"undo log {path} line {number}, or the one before it, was changed by somebody; {left}; "
                "restore the file"
            )
        records.append(record)
        if number == 1:
            _check_header(path, record, left)
        before = str(given)
    if not records:
        raise UndoFailed(f"undo log {path} has no header; {left}; look for label chaoslib-cp/run")
    return records, before


def _check_header(path: Path, header: Record, left: str) -> None:
    if header.get("type") != "header" or not isinstance(header.get("run"), str):
        raise UndoFailed(f"undo log {path} has no header; {left}; look for label chaoslib-cp/run")
    if header.get("schema") != SCHEMA:
        raise UndoFailed(
            f"undo log {path} has schema {header.get('schema')!r}, this version knows {SCHEMA}; {left}; run recover of "
            "the version that wrote it, or undo by hand"
        )


def _decoded(path: Path, number: int, line: bytes, left: str = _NOTHING) -> tuple[Record, object]:
    try:
        record = json.loads(line)
        given = record.pop("sum")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise UndoFailed(f"undo log {path} line {number} is damaged; {left}; restore the file") from error
    return record, given


def _checksum(record: Mapping[str, object], before: str) -> str:
    text = before + json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(record: Record, before: str) -> bytes:
    return json.dumps({**record, "sum": _checksum(record, before)}, sort_keys=True).encode() + b"\n"


def _write_all(handle: int, content: bytes) -> None:
    """A write may take only a part (source: write(2)), and a part of a line is no record."""
    while content:
        content = content[os.write(handle, content) :]


def sync_folder(folder: Path) -> None:
    """Make a new name in the folder durable (source: fsync(2), "a fsync of the directory is also needed")."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
