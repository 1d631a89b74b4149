"""The watch over a run's abort rules: a real timeline, a real observer process, the real latch."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaoslib_cp.child import Child
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.control.abort import LOOK_EVERY_S, AbortWatch
from chaoslib_cp.control.abort_rules import read_rules
from chaoslib_cp.control.stop import StopLatch
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.observe.session import ObserveSession
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline, read_timeline
from chaoslib_cp.settings import read_settings
from tests.fakes.timeline import write_samples
from tests.scaffold.clocks import ManualClock

RULES = {"extensions": [{"name": "chaoslib_cp", "abort_when": [{"vantage": "api_read", "max_error_ratio": 0.5}]}]}
LONG_S = 30.0


@pytest.fixture
def latch() -> Iterator[StopLatch]:
    """A latch that has the signals, and gives them back."""
    made = StopLatch()
    made.install()
    yield made
    made.restore()


@pytest.fixture
def observer() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that stands for the observer: all that counts is whether it runs."""
    process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG_S})"])
    yield process
    process.kill()
    process.wait(5)


@pytest.fixture
def watch(tmp_path: Path, latch: StopLatch, observer: "subprocess.Popen[bytes]") -> Iterator[AbortWatch]:
    """A watch that is not started yet."""
    teller = Teller(Timeline(tmp_path / TIMELINE_FILE), SystemClock())
    made = AbortWatch(read_rules(RULES, read_settings()), tmp_path, ObserveSession(Child(observer, {})), latch, teller)
    yield made
    made.stop()
    teller.close()


def aborted_after_s(started: Callable[[], None], happens: Callable[[], object]) -> float:
    """Start the watch, let something happen, and tell how long the main thread slept on."""
    started()
    began_s = time.monotonic()
    happens()
    with pytest.raises(SystemExit):
        time.sleep(LONG_S)
    return time.monotonic() - began_s


def events(run_dir: Path) -> list[str]:
    """Reasons of the events that say why a run was aborted."""
    return [line["reason"] for line in read_timeline(run_dir / TIMELINE_FILE) if line.get("event") == "run_aborted"]


def fails(run_dir: Path) -> None:
    """Five samples that failed, from this moment on."""
    write_samples(run_dir, "api_read", ["timeout"] * 5, first_ago_s=0.0)


def test_a_breach_stops_the_run_within_two_looks(tmp_path: Path, watch: AbortWatch, latch: StopLatch) -> None:
    """Rule, value and limit are what the latch, the timeline and a reader get."""
    assert 2 * LOOK_EVERY_S == 2.0, "README says two seconds"
    assert aborted_after_s(watch.start, lambda: fails(tmp_path)) < 2 + 3
    watch.stop()
    assert latch.reason == "abort rule api_read max_error_ratio 0.5: it was 1, 5 samples within 10 s"
    assert events(tmp_path) == [latch.reason]


def test_an_observer_that_dies_stops_the_run(
    tmp_path: Path, watch: AbortWatch, latch: StopLatch, observer: "subprocess.Popen[bytes]"
) -> None:
    """Nobody wrote a rule for that; whoever cannot see must not go on."""
    assert aborted_after_s(watch.start, observer.kill) < 2 + 3
    watch.stop()
    assert latch.reason.startswith("the observer's death")
    assert events(tmp_path) == [latch.reason]


def test_an_observer_whose_time_is_over_is_told_apart(
    tmp_path: Path, watch: AbortWatch, latch: StopLatch, observer: "subprocess.Popen[bytes]"
) -> None:
    """That one is a matter of configuration; and it is seen before the first action, so nothing is injected."""
    timeline = Timeline(tmp_path / TIMELINE_FILE)
    timeline.append({"kind": "event", "at_s": time.time(), "event": "observer_ended", "reason": "deadline"})  # noqa: TID251 - as the observer writes it
    timeline.close()
    observer.kill()
    observer.wait(5)
    watch.start()
    assert "configuration.observe_s" in latch.reason
    with pytest.raises(SystemExit):
        latch.leave_if_set()


def test_a_timeline_that_cannot_be_read_stops_the_run(tmp_path: Path, watch: AbortWatch, latch: StopLatch) -> None:
    """Not being able to look is no good news."""
    (tmp_path / TIMELINE_FILE).unlink()
    (tmp_path / TIMELINE_FILE).mkdir()
    watch.start()
    assert "cannot be read" in latch.reason


def test_a_run_that_is_being_stopped_is_not_called_aborted(tmp_path: Path, watch: AbortWatch, latch: StopLatch) -> None:
    """Somebody pressed Ctrl-C a moment before."""
    latch.set("signal SIGINT")
    (tmp_path / TIMELINE_FILE).rename(tmp_path / "moved")
    (tmp_path / TIMELINE_FILE).mkdir()
    watch.start()
    assert latch.reason == "signal SIGINT"
    assert "run_aborted" not in (tmp_path / "moved").read_text()


def test_nothing_happens_after_the_end(tmp_path: Path, watch: AbortWatch, latch: StopLatch) -> None:
    """A watch that was stopped looks no more, and a healthy run never hears of it."""
    write_samples(tmp_path, "api_read", ["ok"] * 5, first_ago_s=3.0)
    watch.start()
    time.sleep(1.5)
    watch.stop()
    assert [thread for thread in threading.enumerate() if thread.name == "abort-rules"] == []
    fails(tmp_path)
    time.sleep(1.5)
    assert latch.reason == ""
    assert events(tmp_path) == []


def test_what_failed_before_the_method_is_no_reason(tmp_path: Path, watch: AbortWatch, latch: StopLatch) -> None:
    """The baseline has judged that; what counts is what this run does."""
    write_samples(tmp_path, "api_read", ["timeout"] * 5, first_ago_s=9.0)
    watch.start()
    assert latch.reason == ""


def test_a_long_window_is_seen_whole_in_a_long_timeline(
    tmp_path: Path, latch: StopLatch, observer: "subprocess.Popen[bytes]"
) -> None:
    """Its begin lies further back than the block of the file that is read first."""
    rule = {"vantage": "api_read", "max_error_ratio": 0.5, "window_s": 60}
    clock = ManualClock(time.time())  # noqa: TID251 - the samples below are placed by it
    teller = Teller(Timeline(tmp_path / TIMELINE_FILE), clock)
    rules = read_rules({"extensions": [{"name": "chaoslib_cp", "abort_when": [rule]}]}, read_settings())
    watch = AbortWatch(rules, tmp_path, ObserveSession(Child(observer, {})), latch, teller)
    watch.start()
    clock.pass_s(55)
    with pytest.raises(SystemExit):  # noqa: PT012 - it comes while the test sleeps
        write_samples(tmp_path, "api_read", ["timeout"] * 5, first_ago_s=-1.0)
        write_samples(tmp_path, "dns_cached", ["ok"] * 30, first_ago_s=-38.0, padding="x" * 3000)
        time.sleep(LONG_S)
    watch.stop()
    assert latch.reason == "abort rule api_read max_error_ratio 0.5: it was 1, 5 samples within 60 s"


def test_a_watch_that_nobody_stopped_keeps_no_process_alive(tmp_path: Path) -> None:
    """Chaos Toolkit may die of an error of its own."""
    code = """
import pathlib, sys, types
from chaoslib_cp.control.abort import AbortWatch
told = types.SimpleNamespace(time=types.SimpleNamespace(now_s=lambda: 0.0))
AbortWatch([], pathlib.Path(sys.argv[1]), types.SimpleNamespace(running=True), None, told).start()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=LONG_S)
