"""A component's start, death and restart, with real processes and virtual time."""

import os
import signal
import sys
from pathlib import Path

from chaoslib_cp.testbed.process import Component, Process
from tests.scaffold.clocks import ManualClock
from tests.scaffold.waiting import until


def _process(tmp_path: Path, code: str, clock: ManualClock) -> Process:
    component = Component("thing", (sys.executable, "-c", code))
    return Process(component, tmp_path / "thing.log", [], clock)


def _wait_until_dead(process: Process) -> None:
    until(lambda: not process.is_alive(), "its end")


def test_crash_is_told_with_status_and_last_words(tmp_path: Path) -> None:
    """A crash at start is told with its exit status and the end of its log, never as a time-out."""
    process = _process(tmp_path, "print('flag provided but not defined'); raise SystemExit(2)", ManualClock())
    process.start()
    _wait_until_dead(process)
    assert process.last_words() == "thing ended with status 2; its last words: flag provided but not defined"


def test_kill_is_told_by_its_signal(tmp_path: Path) -> None:
    """What the kernel kills for its memory is told as a kill."""
    process = _process(tmp_path, "import os; os.kill(os.getpid(), 9)", ManualClock())
    process.start()
    _wait_until_dead(process)
    assert "was killed by SIGKILL" in process.last_words()


def test_restarts_back_off_as_a_kubelet_does(tmp_path: Path) -> None:
    """The first restart is immediate, then 10 s, 20 s, ... up to 5 minutes."""
    clock = ManualClock()
    process = _process(tmp_path, "raise SystemExit(1)", clock)
    process.start()
    waits = []
    for _ in range(8):
        _wait_until_dead(process)
        before_s = clock.monotonic_s()
        while not process.restart_if_due():
            clock.sleep(1)
        waits.append(clock.monotonic_s() - before_s)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert process.restarts == 8
    _wait_until_dead(process)


def test_a_long_life_forgets_the_back_off(tmp_path: Path) -> None:
    """After ten minutes of good health a death is answered at once again."""
    clock = ManualClock()
    process = _process(tmp_path, "raise SystemExit(1)", clock)
    process.start()
    _wait_until_dead(process)
    assert process.restart_if_due()
    _wait_until_dead(process)
    clock.sleep(601)
    assert process.restart_if_due()
    _wait_until_dead(process)


def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """Only the dead are restarted."""
    process = _process(tmp_path, "import sys; sys.stdin.read(); import time; time.sleep(30)", ManualClock())
    process.start()
    try:
        assert process.is_alive()
        assert not process.restart_if_due()
        assert process.restarts == 0
    finally:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        _wait_until_dead(process)


def test_joins_its_cgroups_before_it_runs(tmp_path: Path) -> None:
    """The process itself writes 0, itself, into the group's file before the program starts."""
    procs = tmp_path / "cgroup.procs"
    component = Component("thing", (sys.executable, "-c", f"print(open({str(procs)!r}).read())"))
    process = Process(component, tmp_path / "thing.log", [procs], ManualClock())
    process.start()
    _wait_until_dead(process)
    assert (tmp_path / "thing.log").read_text() == "0\n"
