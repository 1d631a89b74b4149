"""The undo log as a file: what is planted, left by a crash, too open or on a full disk changes and leaks nothing."""

import errno
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.undo import lines
from chaoslib_cp.engine.undo.lines import make_folder, read_header
from chaoslib_cp.engine.undo.log import Item, UndoLog, find_logs
from chaoslib_cp.errors import UndoFailed
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import observed

CLOCK = ManualClock()


def log_in(folder: Path, **facts: object) -> UndoLog:
    """A log with one open entry."""
    log = UndoLog.create(folder / "undo", "r", {"cluster_uid": "u", **facts}, CLOCK)
    log.intend(observed("x"))
    return log


def test_the_header_is_told_of_whatever_version_it_is(tmp_path: Path) -> None:
    """Somebody who must undo by hand needs to know the cluster, not the version."""
    log = log_in(tmp_path)
    assert read_header(log.path)["cluster_uid"] == "u"
    newer = UndoLog.create(tmp_path / "undo", "newer", {"schema": 99}, CLOCK)
    assert read_header(newer.path)["schema"] == 99


@pytest.mark.parametrize("damage", ["another cluster", "no header", "garbage", "empty", "gone", "a link"])
def test_a_header_that_may_be_somebody_elses_says_nothing(tmp_path: Path, damage: str) -> None:
    """Better no advice than advice for the wrong cluster."""
    path = log_in(tmp_path).path
    text = path.read_text()
    path.unlink()
    if damage == "a link":
        (tmp_path / "there").write_text(text)
        path.symlink_to(tmp_path / "there")
    elif damage != "gone":
        texts = {
            "another cluster": text.replace('"u"', '"v"'),
            "no header": UndoLog.create(tmp_path / "undo", "q", {"type": "intent"}, CLOCK).path.read_text(),
            "garbage": "x\n" + text,
            "empty": "",
        }
        path.write_text(texts[damage])
        path.chmod(0o600)
    assert read_header(path) == {}


@pytest.mark.parametrize("planted", ["file", "link"])
def test_a_log_is_made_whatever_lies_where_its_half_will_be(tmp_path: Path, planted: str) -> None:
    """A crash left it, or somebody put a link there: nothing is written through it."""
    folder = tmp_path / "undo"
    make_folder(folder)
    half = folder / ".r.jsonl.new"
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    if planted == "link":
        half.symlink_to(theirs)
    else:
        half.write_text("{" * 9000)
    log = log_in(tmp_path)
    assert len(UndoLog.read(log.path, CLOCK).items()) == 1
    assert [path.name for path in folder.iterdir()] == ["r.jsonl"]
    assert theirs.read_text() == "theirs"


def test_others_may_look_and_not_write(tmp_path: Path) -> None:
    """0755 and 0644 are what a careless copy has; one bit more is refused, in folder and file."""
    log = log_in(tmp_path)
    log.path.parent.chmod(0o755)
    log.path.chmod(0o644)
    assert len(UndoLog.read(log.path, CLOCK).items()) == 1
    make_folder(log.path.parent)
    log.path.chmod(0o711)
    log.path.parent.chmod(0o711)
    assert find_logs(log.path.parent) == [log.path]
    assert len(UndoLog.read(log.path, CLOCK).items()) == 1
    for mode in (0o620, 0o602):
        log.path.chmod(mode)
        with pytest.raises(UndoFailed, match="written to by others"):
            UndoLog.read(log.path, CLOCK)
        log.path.parent.chmod(0o100 | mode)
        with pytest.raises(UndoFailed, match="others may write to undo folder"):
            make_folder(log.path.parent)
        log.path.parent.chmod(0o700)


def full(*_: Any) -> int:
    """What write(2) says on a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_stops_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before stays readable."""
    log = log_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(UndoFailed, match=r"cannot write undo log .*No space left.*nothing was changed; make room"):
            log.intend(observed("y"))
        with pytest.raises(UndoFailed, match=r"cannot make undo log .*No space left.*nothing was changed"):
            UndoLog.create(tmp_path / "undo", "q", {}, CLOCK)
    assert len(UndoLog.read(log.path, CLOCK).open_items()) == 1


LINES: dict[str, tuple[Callable[[UndoLog], object], str]] = {
    "intent": (lambda log: log.intend(observed("y")), "nothing was changed"),
    "note": (lambda log: log.note(0, uid="u"), "the change it is about was made and stays on record"),
    "done": (lambda log: log.done(0, "deleted"), "the entry stays open, though nothing may be left to undo"),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "trouble", ["full", "too long", "gone", "a link", "open to all", "damaged", "changed", "headless", "newer", "huge"]
)
def test_a_line_that_cannot_be_added_says_what_is_true_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, trouble: str
) -> None:
    """After a delete it would be a lie that nothing was changed, or undone."""
    add, left = LINES[line]
    log = log_in(tmp_path)
    text = log.path.read_text()
    match trouble:
        case "full":
            monkeypatch.setattr(os, "write", full)
        case "too long":
            monkeypatch.setattr(lines, "_MAX_BYTES", len(text))
        case "huge":
            monkeypatch.setattr(lines, "_MAX_BYTES", len(text) - 1)
        case "gone" | "a link":
            moved = log.path.rename(tmp_path / "moved")
            if trouble == "a link":
                log.path.symlink_to(moved)
        case "open to all":
            log.path.chmod(0o666)
        case "newer":
            newer = UndoLog.create(tmp_path / "undo", "newer", {"schema": 99}, CLOCK)
            newer.path.replace(log.path)
        case _:
            log.path.write_text({"damaged": "x\n", "changed": text.replace('"u"', '"v"')}.get(trouble, ""))
    with pytest.raises(UndoFailed) as caught:
        add(log)
    assert f"; {left}" in str(caught.value)
    assert sum(words in str(caught.value) for words in ("nothing was changed", "nothing was undone")) == (
        line == "intent"
    )


def test_no_file_stays_open(tmp_path: Path) -> None:
    """A storm of retries must not run out of them, also when each is refused."""
    log = log_in(tmp_path)
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        log.note(0, fact=str(number))
        UndoLog.read(log.path, CLOCK)
        read_header(log.path)
        UndoLog.create(tmp_path / "undo", f"r{number}", {}, CLOCK)
        with pytest.raises(UndoFailed):
            UndoLog.create(tmp_path / "undo", "r", {}, CLOCK)
    log.path.chmod(0o666)
    with pytest.raises(UndoFailed):
        log.done(0, "deleted")
    log.path.chmod(0o600)
    log.path.write_text("x\n")
    with pytest.raises(UndoFailed):
        log.done(0, "deleted")
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("facts", [{"run": 5}, {"run": None}, {"type": "intent"}])
def test_a_first_line_that_names_no_run_is_no_header(tmp_path: Path, facts: dict[str, object]) -> None:
    """Its checksum may be right all the same."""
    log = UndoLog.create(tmp_path / "undo", "r", facts, CLOCK)
    with pytest.raises(UndoFailed, match="has no header"):
        UndoLog.read(log.path, CLOCK)


@pytest.mark.parametrize("line", ["5", "[]", "null", '"x"', "{}", "{", "[" * 100_000])
def test_a_line_of_any_other_kind_is_damage(tmp_path: Path, line: str) -> None:
    """Whatever JSON it is, it is told in one clear error."""
    log = log_in(tmp_path)
    log.path.write_text(line + "\n")
    with pytest.raises(UndoFailed, match="line 1 is damaged"):
        UndoLog.read(log.path, CLOCK)


@pytest.mark.parametrize(
    ("epoch_s", "boot_s", "passed_s", "age_s"),
    [(100.0, 5.0, 12.0, 7.0), (100.0, 5.0, 5.0, 0.0), (100.0, 5.0, 3.0, 3.0)],
)
def test_the_age_of_an_intent_is_counted_from_the_start_of_the_machine(
    epoch_s: float, boot_s: float, passed_s: float, age_s: float
) -> None:
    """Setting the clock does not change it; a machine that was started again counts anew."""
    clock = ManualClock(epoch_s)
    clock.pass_s(passed_s)
    assert Item(0, observed("x"), epoch_s, boot_s, {}, "").age_s(clock) == age_s


def test_a_pipe_in_place_of_a_log_does_not_make_anybody_wait(tmp_path: Path) -> None:
    """Opening it would wait for whoever planted it."""
    log = log_in(tmp_path)
    log.path.unlink()
    os.mkfifo(log.path, 0o600)
    with pytest.raises(UndoFailed, match="is no file"):
        UndoLog.read(log.path, CLOCK)


def test_a_folder_that_cannot_be_looked_into_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open entries may be in it."""

    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = log_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", broken)
        with pytest.raises(UndoFailed, match=r"cannot look into undo folder .*Input/output error"):
            find_logs(log.path.parent)
    assert find_logs(log.path.parent) == [log.path]


def test_the_last_byte_of_a_log_may_be_used_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would not be read again is not written."""
    log = log_in(tmp_path)
    whole = log_in(tmp_path / "copy")
    whole.note(0, fact="x")
    monkeypatch.setattr(lines, "_MAX_BYTES", whole.path.stat().st_size)
    log.note(0, fact="x")
    assert UndoLog.read(log.path, CLOCK).items()[0].notes == {"fact": "x"}
    with pytest.raises(UndoFailed, match="full; the change it is about was made"):
        log.note(0, fact="y")
    assert UndoLog.read(log.path, CLOCK).items()[0].notes == {"fact": "x"}


def test_a_writer_waits_for_the_one_before_it(tmp_path: Path) -> None:
    """Two at once would take the same number, or write into each other's line."""
    log = log_in(tmp_path)
    with log.path.open("rb") as first, ThreadPoolExecutor(1) as pool:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = pool.submit(log.note, 0, fact="late")
        with pytest.raises(TimeoutError):
            second.result(0.3)
        assert UndoLog.read(log.path, CLOCK).items()[0].notes == {}
        fcntl.flock(first, fcntl.LOCK_UN)
        second.result(10)
    assert UndoLog.read(log.path, CLOCK).items()[0].notes == {"fact": "late"}


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    """It is in the place of a log, so something may be open: whoever recovers must hear of it."""
    log = log_in(tmp_path)
    planted = log.path.with_name("planted.jsonl")
    planted.symlink_to(tmp_path / "nowhere")
    assert set(find_logs(log.path.parent)) == {log.path, planted}
