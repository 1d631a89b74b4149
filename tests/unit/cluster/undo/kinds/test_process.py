"""The undo kind of a process: it is ended, whoever has its number since is not."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.process import PROCESS, OurProcess, process_of_ours
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import UndoFailed
from tests.scaffold.clocks import UnwaitingClock
from tests.scaffold.waiting import until

CLOCK = SystemClock()

# It holds out against SIGTERM once it has said so.
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that looks as one of the library's."""
    code = "print('here', flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "chaoslib_cp.sleeper"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        process.kill()


def take_back(process: OurProcess, folder: Path, clock: Clock = CLOCK) -> Undone:
    """Make one attempt."""
    log = UndoLog.create(folder / "undo", "run", {}, clock)
    number = log.intend(process.entry("api_overload-1", "load of 3 virtual nodes"))
    [item] = log.open_items()
    assert (item.number, str(item.entry)) == (number, f"load of 3 virtual nodes (process {process.pid})")
    return PROCESS.take_back(item, Healer(log, [], clock))


def item_of(process: OurProcess) -> Item:
    """Its entry as a log has it."""
    return Item(0, process.entry("api_overload-1", "load"), 0.0, 0.0, {}, "")


def test_it_is_ended_and_then_had_ended(sleeper: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """By its number and its start, without the API."""
    process = process_of_ours(sleeper.pid, 4e9)
    assert process.is_alive
    assert PROCESS.by_hand(item_of(process), "kubectl") == [f"kill {sleeper.pid}"]
    assert take_back(process, tmp_path) == Undone(closed=True, words="ended")
    assert sleeper.wait(5) == -15
    assert PROCESS.by_hand(item_of(process), "kubectl") == []
    assert take_back(process, tmp_path / "again") == Undone(closed=True, words="had ended")


def test_one_that_holds_out_is_killed(tmp_path: Path) -> None:
    """A load that hangs has no say in it."""
    with subprocess.Popen([sys.executable, "-c", STUBBORN, "chaoslib_cp.x"], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline()
        take_back(process_of_ours(stubborn.pid, 4e9), tmp_path, UnwaitingClock())
        assert stubborn.wait(5) == -9


@pytest.mark.parametrize("change", [{"started": "1"}, {"pid": os.getpid()}])
def test_another_process_is_left_alone(
    sleeper: "subprocess.Popen[bytes]", tmp_path: Path, change: dict[str, object]
) -> None:
    """A number that was given again, and one that somebody wrote into the log."""
    process = dataclasses.replace(process_of_ours(sleeper.pid, 4e9), **change)  # type: ignore[arg-type]
    assert take_back(process, tmp_path) == Undone(closed=True, words="had ended")
    assert sleeper.poll() is None


def test_a_program_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """An edited log names its number and its start: it is none of ours."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as theirs:
        until(lambda: Path(f"/proc/{theirs.pid}/cmdline").read_bytes().startswith(sys.executable.encode()), "it runs")
        assert take_back(process_of_ours(theirs.pid, 4e9), tmp_path).closed
        assert theirs.poll() is None
        theirs.kill()


@pytest.mark.parametrize(("ends_at_s", "closed"), [(4e9, False), (1.0, True)])
def test_of_another_machine_only_its_own_end_is_known(
    sleeper: "subprocess.Popen[bytes]", tmp_path: Path, ends_at_s: float, closed: bool
) -> None:
    """The log was taken elsewhere, or the machine was started anew: nobody is killed, and nobody is believed gone."""
    process = dataclasses.replace(process_of_ours(sleeper.pid, ends_at_s), place="another boot pid:[1]")
    undone = take_back(process, tmp_path)
    assert undone.closed is closed
    assert ("started elsewhere; it ends by itself within" in undone.words) is not closed
    assert sleeper.poll() is None


def test_one_that_has_ended_is_not_put_on_record() -> None:
    """Nothing was changed, and the caller says so."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(UndoFailed, match="has ended before it could be put on record"):
        process_of_ours(ended.pid, 4e9)
