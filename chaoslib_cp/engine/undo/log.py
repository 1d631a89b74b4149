"""The undo log: what a run changed, append-only, on disk before the change it tells of.

Lines: one ``header`` (which run, which cluster, how it was reached; no secrets), then ``fault`` (one begins, under this
id), ``intent`` (a change is about to be made), ``note`` (a fact learned afterwards, such as the UID), ``done`` (taken
back and verified, or never made). An intent without a done is open. ``lines.py`` keeps the lines from being changed.
"""

import itertools
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.undo import lines
from chaoslib_cp.engine.undo.aside import where_is
from chaoslib_cp.engine.undo.entry import Entry, entry_as_dict, is_fault_id, kind_of_fault, parse_entry
from chaoslib_cp.errors import UndoFailed

_NOTHING = "nothing was undone"


@dataclass(frozen=True)
class Item:
    """One entry and what became of it.

    Attributes:
        number: Its number in the log.
        entry: What was about to be changed.
        intended_at_s: When the intent was written, seconds since 1970.
        intended_at_boot_s: The same in seconds since the machine's start.
        notes: Facts learned afterwards, for example ``uid``.
        done: How it ended, empty while it is open.
    """

    number: int
    entry: Entry
    intended_at_s: float
    intended_at_boot_s: float
    notes: Mapping[str, str]
    done: str

    def age_s(self, clock: Clock) -> float:
        """How many seconds ago the intent was written, at least: setting the machine's clock changes nothing in it."""
        now_s = clock.monotonic_s()
        # a machine that was started again since counts anew; it has run for now_s at the least
        return now_s - self.intended_at_boot_s if now_s >= self.intended_at_boot_s else now_s

    @property
    def fault(self) -> str:
        """Id of the fault that it belongs to."""
        return self.entry.fault

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
        lines.make_folder(folder)
        path = folder / f"{run}.jsonl"
        header = {"type": "header", "schema": lines.SCHEMA, "run": run, "at_s": clock.epoch_s(), **facts}
        try:
            lines.make_file(path, header)
        except OSError as error:
            raise UndoFailed(
                f"cannot make undo log {path}: {error.strerror}; nothing was changed; run chaos cp recover"
            ) from error
        return cls(path, header, clock)

    @classmethod
    def read(cls, path: Path, clock: Clock) -> "UndoLog":
        """Open an existing log, also one that was put aside, and check every line of it.

        Raises:
            UndoFailed: It cannot be read, is not whole, is of another version, or has another run's name while
                something is open in it; nothing was done.
        """
        log = cls(path, lines.read(where_is(path))[0], clock)
        if log.open_items() and path.stem != log.run:
            raise UndoFailed(
                f"undo log {path} is that of run {log.run} under another name; nothing was undone; name it "
                f"{log.run}.jsonl, or delete it if that one is there: then it is a copy"
            )
        return log

    @property
    def run(self) -> str:
        """Run id."""
        return str(self.header["run"])

    def next_fault(self, kind: str) -> str:
        """Give a new fault its id, the kind and a number, and put that on disk: no other one of this run has it.

        Args:
            kind: Which kind of fault begins, for example ``agent_rollout``.

        Raises:
            UndoFailed: The log cannot be written, or ``kind`` is no name of a kind; nothing was changed.
        """

        def fault(records: list[lines.Record]) -> lines.Record:
            taken = {one.get("fault") for one in records if one.get("type") == "fault"}
            number = next(number for number in itertools.count(1) if f"{kind}-{number}" not in taken)
            if not is_fault_id(f"{kind}-{number}"):
                raise UndoFailed(f"{kind!r} is no name of a kind of fault; nothing was changed; use a-z, 0-9 and _")
            return {"type": "fault", "fault": f"{kind}-{number}", "at_s": self._clock.epoch_s()}

        return str(lines.append(self.path, fault, "nothing was changed")["fault"])

    def faults(self, kind: str | None = None) -> list[str]:
        """Ids of the faults of this run, oldest first; those of one kind if it is named."""
        begun = [str(one.get("fault")) for one in lines.read(where_is(self.path)) if one.get("type") == "fault"]
        ids = dict.fromkeys([*begun, *(item.fault for item in self.items())])
        return [one for one in ids if kind in (None, kind_of_fault(one))]

    def intend(self, entry: Entry) -> int:
        """Put an entry on disk; only afterwards may the change be made. Returns its number."""
        times = {"at_s": self._clock.epoch_s(), "boot_s": self._clock.monotonic_s()}
        facts = {**times, "entry": entry_as_dict(entry)}

        def intent(records: list[lines.Record]) -> lines.Record:
            return {"type": "intent", "number": sum(one.get("type") == "intent" for one in records), **facts}

        return int(str(lines.append(self.path, intent, "nothing was changed")["number"]))

    def note(self, number: int, **facts: str) -> None:
        """Add what was learned about an entry, for example ``uid="..."``."""
        left = "the change it is about was made and stays on record"
        lines.append(self.path, lambda _: {"type": "note", "number": number, "facts": facts}, left)

    def done(self, number: int, outcome: str) -> None:
        """Close an entry: it was taken back and that was verified, or the change was never made."""
        at_s = self._clock.epoch_s()
        done: lines.Record = {"type": "done", "number": number, "at_s": at_s, "outcome": outcome}
        lines.append(self.path, lambda _: done, "the entry stays open, though nothing may be left to undo")

    def uids(self) -> set[str]:
        """UIDs that were learned for any entry, done or not."""
        return {item.uid for item in self.items() if item.uid}

    def items(self) -> list[Item]:
        """All entries in the order they were written, read from disk."""
        items: list[Item] = []
        for record in lines.read(where_is(self.path))[1:]:
            if record.get("type") != "fault":
                self._add(items, record)
        return items

    def open_items(self, faults: Collection[str] | None = None) -> list[Item]:
        """Entries that are not closed, last change first: the order of undoing.

        Args:
            faults: Only those of these faults.
        """
        return [item for item in reversed(self.items()) if not item.done and (faults is None or item.fault in faults)]

    def _add(self, items: list[Item], record: lines.Record) -> None:
        """Add what one line tells.

        Raises:
            UndoFailed: It does not fit what was told before, or is of no type that we write; nothing was undone.
        """
        number = record.get("number")
        is_new = record.get("type") == "intent"
        if not isinstance(number, int) or not (number == len(items) if is_new else 0 <= number < len(items)):
            raise UndoFailed(f"undo log {self.path} has a line with number {number!r} that does not fit; {_NOTHING}")
        match record:
            case {
                "type": "intent",
                "entry": dict() as entry,
                "at_s": int() | float() as at_s,
                "boot_s": int() | float() as boot_s,
            }:
                items.append(Item(number, parse_entry(entry), float(at_s), float(boot_s), {}, ""))
            case {"type": "note", "facts": dict() as facts}:
                notes = {**items[number].notes, **{str(key): str(value) for key, value in facts.items()}}
                items[number] = replace(items[number], notes=notes)
            case {"type": "done", "outcome": str() as outcome}:
                items[number] = replace(items[number], done=outcome)
            case _:
                raise UndoFailed(f"undo log {self.path} has a line of unknown type {record.get('type')!r}; {_NOTHING}")


def find_logs(folder: Path) -> list[Path]:
    """All undo logs of a folder, oldest first; none if the folder is not there.

    Raises:
        UndoFailed: The folder is not this user's alone, or cannot be looked into; nothing was done.
    """
    try:
        if not os.path.lexists(folder):
            return []
        lines.check_folder(folder)
        changed: dict[Path, float] = {}
        for entry in os.scandir(folder):
            if entry.name.endswith(".jsonl"):
                with suppress(FileNotFoundError):  # a finished log that is being put aside has its new name by now
                    changed[Path(entry.path)] = entry.stat(follow_symlinks=False).st_mtime
    except OSError as error:
        raise UndoFailed(f"cannot look into undo folder {folder}: {error.strerror}; {_NOTHING}") from error
    return sorted(changed, key=lambda path: changed[path])
