"""What is waited for is told, often enough, by whoever talks to a person."""

from collections.abc import Callable

import pytest

from chaoslib_cp.waits import EVERY_S, telling, waiting_for
from tests.scaffold.clocks import ManualClock
from tests.scaffold.waiting import until


def test_a_line_comes_at_least_every_five_seconds() -> None:
    """With a second to spare for a machine that has other things to do."""
    assert EVERY_S <= 4


def test_a_wait_is_told_again_and_again_while_its_thread_is_stuck() -> None:
    """What it is for, and until when; a change of it, and that it takes longer than it should."""
    told: list[str] = []
    clock = ManualClock(epoch_s=1_733_929_920.0)
    with telling(told.append, every_s=0.005, clock=clock), waiting_for("the pods to go", 90.0) as wait:
        clock.pass_s(30.0)
        until(lambda: len(told) > 2, "three lines")
        assert told[-1] == "waiting for the pods to go, until 15:13:30 UTC at the latest (60 s)"
        wait.what = "the last pod to go"
        clock.pass_s(70.0)
        until(lambda: told[-1].endswith("10 s longer than the 90 s that were given"), "a later line")
        assert told[-1].startswith("waiting for the last pod to go, ")


def test_the_innermost_wait_is_told() -> None:
    """It says most; when it is over, the outer one goes on. One that nobody limits says how long it has taken."""
    told: list[str] = []
    clock = ManualClock()

    def comes(what: str) -> Callable[[], bool]:
        return lambda: bool(told) and told[-1] == f"waiting for {what}, 0 s so far"

    with telling(told.append, every_s=0.005, clock=clock), waiting_for("the outer", None):
        with waiting_for("the inner", None):
            until(comes("the inner"), "the inner")
            assert not any("outer" in line for line in told)
        until(comes("the outer"), "the outer")


def test_what_is_over_is_told_no_more() -> None:
    """Also when it ended with an error; and the next wait begins anew."""
    told: list[str] = []
    with telling(told.append, every_s=0.005):
        with pytest.raises(AssertionError, match="never"), waiting_for("what fails", None):
            until(lambda: len(told) > 2 and None, "never", within_s=0.1)
        assert told
        lines = len(told)
        with waiting_for("what is short", None, at_once=True):
            assert told[lines:][0] == "waiting for what is short, 0 s so far"
        after = len(told)
    with waiting_for("what nobody listens to", None, at_once=True) as wait:
        assert wait.what == "what nobody listens to"
    assert len(told) == after
