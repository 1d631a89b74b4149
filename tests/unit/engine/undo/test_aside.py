"""Finished logs are put aside whole, found again, and brought back when their run goes on."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.undo.aside import aside, bring_back, put_aside
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import UndoFailed
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import observed

CLOCK = ManualClock()


@pytest.fixture
def log(tmp_path: Path) -> UndoLog:
    """A log with one closed entry."""
    made = UndoLog.create(tmp_path / "undo", "r", {}, CLOCK)
    made.done(made.intend(observed("x")), "done")
    return made


def test_a_log_that_was_put_aside_is_found_where_nobody_looks_for_what_is_open(log: UndoLog) -> None:
    """Whoever holds it reads on; it cannot be written to there."""
    assert put_aside(log.path, lambda: True) is True
    assert find_logs(log.path.parent) == []
    assert aside(log.path).stat().st_mode & 0o777 == 0o600
    assert aside(log.path).parent.stat().st_mode & 0o777 == 0o700
    assert [item.done for item in log.items()] == ["done"]
    assert UndoLog.read(log.path, CLOCK).items() == log.items()
    with pytest.raises(UndoFailed, match="nothing was changed"):
        log.intend(observed("y"))


def test_one_that_is_not_finished_stays(log: UndoLog) -> None:
    """What is asked under the lock decides."""
    assert put_aside(log.path, lambda: False) is False
    assert log.path.exists()


def test_a_log_whose_run_goes_on_is_brought_back(log: UndoLog) -> None:
    """With everything in it, and any number of times."""
    put_aside(log.path, lambda: True)
    for _ in range(2):
        bring_back(log.path)
        assert (log.path.exists(), aside(log.path).exists()) == (True, False)
    log.intend(observed("y"))
    assert len(log.open_items()) == 1


def test_a_crash_between_the_two_names_costs_nothing(log: UndoLog) -> None:
    """It has both; the next attempt takes one away."""
    aside(log.path).parent.mkdir(mode=0o700)
    os.link(log.path, aside(log.path))
    assert put_aside(log.path, lambda: True) is True
    assert (log.path.exists(), aside(log.path).exists()) == (False, True)


def test_no_log_of_another_run_is_replaced(log: UndoLog) -> None:
    """A name that is taken is left alone, and so is what wants it."""
    put_aside(log.path, lambda: True)
    other = UndoLog.create(log.path.parent, "r", {"other": "yes"}, CLOCK)
    with pytest.raises(UndoFailed, match="it stays where it is"):
        put_aside(other.path, lambda: True)
    assert other.path.exists()
    assert "other" not in UndoLog.read(aside(log.path), CLOCK).header


def test_an_entry_that_waits_for_the_lock_is_not_written_to_what_was_put_aside(log: UndoLog) -> None:
    """It would be open where nobody looks for what is open: the change is not made."""
    refused: list[Any] = []

    def write() -> None:
        try:
            log.intend(observed("late"))
        except UndoFailed as error:
            refused.append(str(error))

    writer = threading.Thread(target=write)

    def is_finished() -> bool:
        writer.start()
        writer.join(0.3)
        return True

    assert put_aside(log.path, is_finished) is True
    writer.join()
    assert len(refused) == 1
    assert "nothing was changed" in refused[0]
    assert [item.done for item in log.items()] == ["done"]
