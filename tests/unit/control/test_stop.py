"""Signals: the first stops the run with its rollbacks, a second is noted, a third leaves at once."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from chaoslib_cp.control.stop import SIGNALS, StopLatch


@pytest.fixture
def latch() -> Iterator[StopLatch]:
    """A latch that has the signals, and gives them back."""
    made = StopLatch()
    made.install()
    yield made
    made.restore()


def send(number: signal.Signals) -> None:
    """Send this process a signal; Python runs its handler before the next line."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_signal_asks_for_rollbacks(latch: StopLatch, number: signal.Signals) -> None:
    """SystemExit(20) is what Chaos Toolkit understands as: leave, and roll back."""
    with pytest.raises(SystemExit) as left:
        send(number)
    assert left.value.code == 20
    assert (latch.reason, latch.signal_name) == (f"signal {number.name}", number.name)


def test_a_second_signal_is_noted_and_a_third_leaves(latch: StopLatch) -> None:
    """Impatience costs no rollback; insisting does, and is told."""
    with pytest.raises(SystemExit):
        send(signal.SIGINT)
    send(signal.SIGTERM)
    assert latch.signal_name == "SIGINT"
    with pytest.raises(SystemExit) as left:
        send(signal.SIGINT)
    assert left.value.code == 30


def test_a_signal_while_rolling_back_does_not_interrupt(latch: StopLatch) -> None:
    """Rollbacks and judging are shielded; the run is still marked as interrupted."""
    latch.shielded = True
    send(signal.SIGHUP)
    assert latch.reason == "signal SIGHUP"


def test_the_first_reason_stays() -> None:
    """A failed action is not renamed by a later signal."""
    made = StopLatch()
    made.set("action 'x' failed")
    made.set("signal SIGTERM")
    assert made.reason == "action 'x' failed"


def test_the_signals_go_back_to_their_owners() -> None:
    """Handlers of Chaos Toolkit, or of Python, are what they were; a newer owner's are left alone."""
    before = [signal.getsignal(number) for number in SIGNALS]
    made = StopLatch()
    made.install()
    newer = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    made.restore()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert newer is not None
    signal.signal(signal.SIGTERM, before[1])
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("number", "is_taken"), [(signal.SIGHUP, False), (signal.SIGINT, True)])
def test_an_ignored_hangup_stays_ignored_and_an_ignored_interrupt_does_not(
    number: signal.Signals, is_taken: bool
) -> None:
    """``nohup`` asks that a run outlives its terminal; that a shell ignores SIGINT in the background, nobody asked."""
    before = signal.signal(number, signal.SIG_IGN)
    made = StopLatch()
    try:
        made.install()
        assert (signal.getsignal(number) is not signal.SIG_IGN) is is_taken
        made.restore()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_another_thread_ends_a_blocking_call_of_the_main_thread(latch: StopLatch) -> None:
    """An abort rule is noticed beside the main thread, which may be asleep for a minute."""
    began_s = time.monotonic()
    threading.Timer(0.2, latch.interrupt, ["blind"]).start()
    with pytest.raises(SystemExit) as left:
        time.sleep(60)
    assert left.value.code == 20
    assert time.monotonic() - began_s < 10
    assert (latch.reason, latch.signal_name) == ("blind", "")


def test_an_interruption_does_not_cut_rollbacks_short(latch: StopLatch) -> None:
    """It came too late: the rollbacks are being played already."""
    latch.shielded = True
    late = threading.Thread(target=latch.interrupt, args=["blind"])
    late.start()
    late.join()
    time.sleep(0.1)
    latch.leave_if_set()


def test_a_run_that_is_being_stopped_is_not_interrupted_again(latch: StopLatch) -> None:
    """What a first stop began to clean up is left to end."""
    latch.set("action 'x' failed")
    second = threading.Thread(target=latch.interrupt, args=["blind"])
    second.start()
    second.join()
    time.sleep(0.1)
    assert latch.reason == "action 'x' failed"


def test_an_interruption_after_everything_is_ignored(latch: StopLatch) -> None:
    """The signal between threads ends no process that did not ask for it."""
    latch.restore()
    late = threading.Thread(target=latch.interrupt, args=["blind"])
    late.start()
    late.join()
    time.sleep(0.1)
