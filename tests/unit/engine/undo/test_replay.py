"""Undoing goes on past what fails and gives up only when its time is over."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.engine.undo.replay import Undone, replay
from chaoslib_cp.errors import TargetUnreachable
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete


class Executor:
    """Fails each object as often as told, then succeeds."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.asked: list[str] = []

    def __call__(self, item: Item) -> Undone:
        """Carry out one entry."""
        name = item.entry.facts["name"]
        self.asked.append(name)
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise TargetUnreachable(f"{name}: 429")
        return Undone(closed=True, words="deleted")


def log_of(tmp_path: Path, clock: ManualClock, *names: str) -> UndoLog:
    """A log with these objects, in this order."""
    log = UndoLog.create(tmp_path / "undo", "run-1", {}, clock)
    for name in names:
        log.intend(to_delete("ConfigMap", "kube-system", name, "run-1", f"{name}-1"))
    return log


def test_the_last_change_is_undone_first_and_a_failing_one_does_not_stop_the_others(tmp_path: Path) -> None:
    """One sick object costs only itself."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a", "b", "c")
    executor = Executor(c=99)
    results = replay(log, executor, clock, timeout_s=0)
    assert executor.asked == ["c", "b", "a"]
    assert [str(item.entry) for item in log.open_items()] == ["ConfigMap kube-system/c"]
    assert not results[2].closed
    assert "429" in results[2].words


def test_rounds_go_on_until_all_is_undone_ever_more_slowly(tmp_path: Path) -> None:
    """A sick API is asked again, at a rate that does not add to the storm."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a", "b")
    executor = Executor(a=5)
    results = replay(log, executor, clock, timeout_s=60)
    assert all(result.closed for result in results.values())
    assert clock.slept_s == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert executor.asked.count("b") == 1


def test_it_gives_up_in_time_and_leaves_the_entry_open(tmp_path: Path) -> None:
    """What could not be undone stays on record for the next try."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a")
    results = replay(log, Executor(a=10_000), clock, timeout_s=18)
    assert not results[0].closed
    assert clock.monotonic_s() == 18
    assert len(log.open_items()) == 1


def test_a_second_replay_finds_nothing_to_do(tmp_path: Path) -> None:
    """Undoing twice is undoing once."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a")
    replay(log, Executor(), clock, timeout_s=1)
    executor = Executor()
    assert replay(log, executor, clock, timeout_s=1) == {}
    assert executor.asked == []


def test_what_cannot_be_noted_stays_open_and_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: each object is undone all the same, and the words say what is not on record."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a", "b", "c")
    executor = Executor(b=99)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        results = replay(log, executor, clock, timeout_s=1)
    assert executor.asked == ["c", "b", "a"] * 3
    assert not any(result.closed for result in results.values())
    assert results[2].words.startswith("deleted, but that could not be noted: cannot write undo log ")
    assert "No space left on device; the entry stays open, though nothing may be left to undo" in results[2].words
    assert results[1].words == "b: 429"
    assert len(log.open_items()) == 3
    assert all(result.closed for result in replay(log, Executor(), clock, timeout_s=0).values())
    assert log.open_items() == []


def test_a_disk_that_has_room_again_is_used_in_the_next_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody made room while the rounds went on."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a")
    real, failures = os.write, [OSError(errno.ENOSPC, "full")]

    def full_once(handle: int, content: bytes) -> int:
        if failures:
            raise failures.pop()
        return real(handle, content)

    monkeypatch.setattr(os, "write", full_once)
    assert replay(log, Executor(), clock, timeout_s=10) == {0: Undone(True, "deleted")}
    assert clock.slept_s == [0.5]
    assert log.open_items() == []


def test_only_the_entries_of_the_faults_that_are_named_are_undone(tmp_path: Path) -> None:
    """A stop leaves every other fault of its run alone."""
    clock = ManualClock()
    log = log_of(tmp_path, clock, "a", "b", "c")
    executor = Executor()
    assert set(replay(log, executor, clock, timeout_s=1, faults={"a-1", "c-1", "d-1"})) == {0, 2}
    assert executor.asked == ["c", "a"]
    assert [item.fault for item in log.open_items()] == ["b-1"]
    assert replay(log, executor, clock, timeout_s=1, faults=set()) == {}
