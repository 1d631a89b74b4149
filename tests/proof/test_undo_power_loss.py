"""The undo log after a power loss: whatever the disk kept of what was not synced, no finished intent is lost.

As in ALICE (Pillai and others, "All File Systems Are Not Created Equal", OSDI 2014): the calls to the operating system
are traced once, and every state is built that a file system may show after a crash at any moment. What was synced is
there; of the rest any part may be, a write may be torn, or its blocks may be empty.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete
from tests.scaffold.figures import note

pytestmark = pytest.mark.proof

CLOCK = ManualClock()
ENTRIES = [
    to_delete("ConfigMap", "kube-system", "ours", "run-1"),
    Entry("restore_object", "poison-1", "ConfigMap kube-system/coredns: data.Corefile", {"fields": ["lies", "truth"]}),
    Entry("driver", "squeeze-1", "setting api_server_cpu_cores", {"before": 0.4, "ours": 0.1}),
]


@dataclass(frozen=True)
class Call:
    """One call that changes or syncs something.

    Attributes:
        kind: ``mkdir``, ``create``, ``link``, ``unlink``: a name; ``write``, ``truncate``: a content; ``sync``;
            ``returned``: an intent was promised to be on disk.
        path: the name, or the file or folder that is synced.
        inode: the file, where it matters.
        offset: where a write begins, or the length after a truncate.
        content: what is written.
    """

    kind: str
    path: Path
    inode: int = 0
    offset: int = 0
    content: bytes = b""


class Trace:
    """What the log asks of the operating system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Call] = []
        self._open: dict[int, tuple[Path, int]] = {}
        for name in ("mkdir", "open", "write", "fsync", "ftruncate", "link", "unlink"):
            monkeypatch.setattr(os, name, self._traced(name, getattr(os, name)))

    def _traced(self, name: str, real: Any) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            there = isinstance(arguments[0], str | Path) and os.path.lexists(arguments[0])
            offset = os.lseek(arguments[0], 0, os.SEEK_CUR) if name == "write" else 0
            result = real(*arguments, **named)
            self._note(name, arguments, result, offset, there)
            return result

        return called

    def _note(self, name: str, given: tuple[Any, ...], result: Any, offset: int, was_there: bool) -> None:
        add = self.calls.append
        if name == "open":
            self._open[result] = (Path(given[0]), os.fstat(result).st_ino)
            if given[1] & os.O_CREAT and not was_there:
                add(Call("create", Path(given[0]), self._open[result][1]))
        elif name == "mkdir":
            add(Call("mkdir", Path(given[0])))
        elif name == "link":
            add(Call("link", Path(given[1]), Path(given[1]).stat().st_ino))
        elif name == "unlink":
            add(Call("unlink", Path(given[0])))
        else:
            path, inode = self._open[given[0]]
            content = bytes(given[1][:result]) if name == "write" else b""
            kind = {"write": "write", "ftruncate": "truncate", "fsync": "sync"}[name]
            add(Call(kind, path, inode, given[1] if name == "ftruncate" else offset, content))


def is_durable(call: Call, later: list[Call]) -> bool:
    """Whether a sync of its file (contents) or of its folder (names) came after it."""
    if call.kind in ("write", "truncate"):
        return any(one.kind == "sync" and one.inode == call.inode for one in later)
    return any(one.kind == "sync" and one.path == call.path.parent for one in later)


def variants(call: Call) -> list[Call | None]:
    """What may be left of a call that was not synced."""
    if call.kind != "write":
        return [None, call]
    torn = Call("write", call.path, call.inode, call.offset, call.content[: len(call.content) // 2])
    empty = Call("write", call.path, call.inode, call.offset, b"\0" * len(call.content))
    return [None, torn, empty, call]


def images(calls: list[Call]) -> Iterator[list[Call]]:
    """Every set of calls that may be on disk if the power goes after the last of ``calls``."""
    changes = [(n, call) for n, call in enumerate(calls) if call.kind not in ("sync", "returned")]
    choices = [[call] if is_durable(call, calls[n + 1 :]) else variants(call) for n, call in changes]
    for chosen in itertools.product(*choices):
        yield [call for call in chosen if call is not None]


def build(image: list[Call], old: Path, new: Path) -> None:
    """Make the files that an image shows."""
    contents: dict[int, bytearray] = {}
    names: dict[Path, int] = {}
    folders = {old}
    for call in image:
        if call.kind == "mkdir":
            folders |= {call.path} if call.path.parent in folders else set()
        elif call.kind in ("create", "link"):
            names[call.path] = call.inode
        elif call.kind == "unlink":
            names.pop(call.path, None)
        else:
            content = contents.setdefault(call.inode, bytearray())
            if call.kind == "truncate":
                del content[call.offset :]
            else:
                content.extend(b"\0" * max(0, call.offset - len(content)))
                content[call.offset : call.offset + len(call.content)] = call.content
    for folder in sorted(folders):
        (new / folder.relative_to(old)).mkdir(parents=True, exist_ok=True)
    for path, inode in names.items():
        if path.parent in folders:
            (new / path.relative_to(old)).write_bytes(contents.get(inode, bytearray()))


def use_a_log(folder: Path, trace: Trace) -> None:
    """Three intents, each learned about, the second taken back."""
    log = UndoLog.create(folder, "run-1", {"cluster_uid": "u"}, CLOCK)
    for number, entry in enumerate(ENTRIES):
        log.intend(entry)
        trace.calls.append(Call("returned", log.path, number))
        log.note(number, uid=f"uid-{number}")
        if number == 1:
            log.done(number, "deleted")


def test_no_finished_intent_is_lost_by_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any moment, whatever was kept: a log that has its name is readable, with every promised intent in it."""
    old = tmp_path / "old"
    old.mkdir()
    with monkeypatch.context() as patched:
        trace = Trace(patched)
        use_a_log(old / "state" / "undo", trace)
    built = readable = 0
    for end in range(len(trace.calls) + 1):
        promised = [ENTRIES[call.inode] for call in trace.calls[:end] if call.kind == "returned"]
        for number, image in enumerate(images(trace.calls[:end])):
            built += 1
            new = tmp_path / f"{end}-{number}"
            new.mkdir()
            build(image, old, new)
            found = find_logs(new / "state" / "undo")
            assert found or not promised, f"the log is gone at call {end}: {image}"
            for path in found:
                kept: list[Entry] = [item.entry for item in UndoLog.read(path, CLOCK).items()]
                readable += 1
                assert kept[: len(promised)] == promised
    assert readable > 40
    note("power", images=built, readable=readable)
