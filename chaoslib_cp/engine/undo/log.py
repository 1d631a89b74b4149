"""The undo log: append-only JSON lines, each checked by its own checksum, on disk before the change it tells of.

Lines: one ``header`` (which run, which cluster, how it was reached; no secrets), then ``intent`` (a change is about to
be made), ``note`` (a fact learned afterwards, such as the UID), ``done`` (taken back and verified, or never made).
An intent without a done is open. A torn last line is what a crash leaves and is ignored; damage anywhere else refuses.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.undo.entry import Entry, entry_as_dict, parse_entry
from chaoslib_cp.errors import UndoFailed

SCHEMA = 1
_MAX_BYTES = 4_000_000  # a run makes tens of entries; more than this is not a log of ours


@dataclass(frozen=True)
class Item:
    """One entry and what became of it.

    Attributes:
        number: Its number in the log.
        entry: What was about to be changed.
        intended_at_s: When the intent was written, seconds since 1970.
        notes: Facts learned afterwards, for example ``uid``.
        done: How it ended, empty while it is open.
    """

    number: int
    entry: Entry
    intended_at_s: float
    notes: Mapping[str, str]
    done: str

    @property
    def uid(self) -> str:
        """UID of the created object, empty while nobody knows it."""
        return self.notes.get("uid", "")


class UndoLog:
    """One run's undo log. Use :meth:`create` or :meth:`read`."""

    def __init__(self, path: Path, header: Mapping[str, object], clock: Clock) -> None:
        self.path = path
        self.header = header
        self._clock = clock

    @classmethod
    def create(cls, folder: Path, run: str, facts: Mapping[str, object], clock: Clock) -> "UndoLog":
        """Make the log of a new run, header on disk.

        Args:
            folder: Where logs live; made with mode 0700 if missing.
            run: Run id, also the file's name.
            facts: How the cluster is found again: UID, CA hash, kubeconfig path, contexts, addresses. No secrets.
            clock: Source of time.

        Raises:
            UndoFailed: The folder is not ours alone, or the log exists already.
        """
        _own_folder(folder)
        path = folder / f"{run}.jsonl"
        header = {"type": "header", "schema": SCHEMA, "run": run, "at_s": clock.epoch_s(), **facts}
        try:
            _make_whole(path, _line(header))
        except OSError as error:
            raise UndoFailed(
                f"cannot make undo log {path}: {error.strerror}; nothing was changed; run chaos cp recover"
            ) from error
        return cls(path, header, clock)

    @classmethod
    def read(cls, path: Path, clock: Clock) -> "UndoLog":
        """Open an existing log and check every line of it.

        Raises:
            UndoFailed: It cannot be read, is not whole, or is of a newer version; nothing was done.
        """
        records = _records(path)
        if not records or records[0].get("type") != "header":
            raise UndoFailed(f"undo log {path} has no header; nothing was undone; look for label chaoslib-cp/run")
        if records[0].get("schema") != SCHEMA:
            raise UndoFailed(
                f"undo log {path} has schema {records[0].get('schema')!r}, this version knows {SCHEMA}; "
                "nothing was undone; run recover of the version that wrote it"
            )
        log = cls(path, records[0], clock)
        log.items()
        return log

    @property
    def run(self) -> str:
        """Run id."""
        return str(self.header["run"])

    def intend(self, entry: Entry) -> int:
        """Put an entry on disk; only afterwards may the change be made. Returns its number."""
        number = len(self.items())
        self._append({"type": "intent", "number": number, "at_s": self._clock.epoch_s(), "entry": entry_as_dict(entry)})
        return number

    def note(self, number: int, **facts: str) -> None:
        """Add what was learned about an entry, for example ``uid="..."``."""
        self._append({"type": "note", "number": number, "facts": facts})

    def done(self, number: int, outcome: str) -> None:
        """Close an entry: it was taken back and that was verified, or the change was never made."""
        self._append({"type": "done", "number": number, "at_s": self._clock.epoch_s(), "outcome": outcome})

    def items(self) -> list[Item]:
        """All entries in the order they were written, read from disk."""
        intents: dict[int, tuple[Entry, float]] = {}
        notes: dict[int, dict[str, str]] = {}
        ends: dict[int, str] = {}
        for record in _records(self.path)[1:]:
            number = record.get("number")
            if not isinstance(number, int):
                raise UndoFailed(f"undo log {self.path} has a line without a number; nothing was undone")
            match record.get("type"), record:
                case "intent", {"entry": dict() as entry, "at_s": int() | float() as at_s}:
                    intents[number] = (parse_entry(entry), float(at_s))
                case "note", {"facts": dict() as facts}:
                    notes.setdefault(number, {}).update({str(k): str(v) for k, v in facts.items()})
                case "done", {"outcome": str() as outcome}:
                    ends[number] = outcome
                case kind, _:
                    raise UndoFailed(f"undo log {self.path} has a line of unknown type {kind!r}; nothing was undone")
        return [Item(n, e, at, notes.get(n, {}), ends.get(n, "")) for n, (e, at) in sorted(intents.items())]

    def open_items(self) -> list[Item]:
        """Entries that are not closed, last change first: the order of undoing."""
        return [item for item in reversed(self.items()) if not item.done]

    def _append(self, record: Mapping[str, object]) -> None:
        """One locked, synced write; a torn last line of an earlier crash is cut off first."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise UndoFailed(f"cannot write undo log {self.path}: {error.strerror}; nothing was changed") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            content = _all_bytes(handle)
            line = _line(record)
            whole = content.rfind(b"\n") + 1
            if whole + len(line) > _MAX_BYTES:
                raise UndoFailed(f"undo log {self.path} is full; nothing was changed; run chaos cp recover")
            if whole != len(content):
                os.ftruncate(handle, whole)
            os.lseek(handle, whole, os.SEEK_SET)
            _write_all(handle, line)
            os.fsync(handle)
        except OSError as error:
            raise UndoFailed(f"cannot write undo log {self.path}: {error.strerror}; nothing was changed") from error
        finally:
            os.close(handle)


def find_logs(folder: Path) -> list[Path]:
    """All undo logs of a folder, oldest first; none if the folder is not there."""
    if not folder.is_dir():
        return []
    return sorted(folder.glob("*.jsonl"), key=lambda path: path.lstat().st_mtime)


def _own_folder(folder: Path) -> None:
    """Make the folder for this user alone, or refuse one that others could have planted."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in reversed(missing):
            _sync_folder(made.parent)
        facts = folder.lstat()
    except OSError as error:
        raise UndoFailed(f"cannot make undo folder {folder}: {error.strerror}; nothing was changed") from error
    if folder.is_symlink() or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise UndoFailed(f"undo folder {folder} is a link or others may write to it; nothing was changed; chmod 700 it")


def _make_whole(path: Path, content: bytes) -> None:
    """Make a file that has its whole content from the moment it has its name, and take no name that is taken.

    A crash leaves at most a hidden file that no one reads; the next log of that run writes over it.
    """
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(half, path)  # not a rename, which would replace a log that is there
    finally:
        half.unlink()
    _sync_folder(path.parent)


def _write_all(handle: int, content: bytes) -> None:
    """A write may take only a part (source: write(2)), and a part of a line is no record."""
    while content:
        content = content[os.write(handle, content) :]


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder durable (source: fsync(2), "a fsync of the directory is also needed")."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checksum(record: Mapping[str, object]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps({**record, "sum": _checksum(record)}, sort_keys=True).encode() + b"\n"


def _all_bytes(handle: int) -> bytes:
    with os.fdopen(os.dup(handle), "rb") as reader:
        reader.seek(0)
        return reader.read(_MAX_BYTES + 1)


def _records(path: Path) -> list[dict[str, object]]:
    """Every whole line, checked; the torn last one of a crash is left out."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UndoFailed(f"cannot read undo log {path}: {error.strerror}; nothing was undone") from error
    try:
        content = _all_bytes(handle)
    finally:
        os.close(handle)
    if len(content) > _MAX_BYTES:
        raise UndoFailed(f"undo log {path} is larger than a log of ours; nothing was undone; restore the file")
    return [_record(path, number, line) for number, line in enumerate(content.split(b"\n")[:-1], start=1)]


def _record(path: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        record = json.loads(line)
        given = record.pop("sum")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UndoFailed(f"undo log {path} line {number} is damaged; nothing was undone; restore the file") from error
    if not isinstance(record, dict) or given != _checksum(record):
        raise UndoFailed(f"undo log {path} line {number} was changed by somebody; nothing was undone")
    return record
