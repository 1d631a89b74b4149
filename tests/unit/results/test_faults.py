"""The faults of a run, overlapping ones too: each has its own begin, deadline, end, and what ended it."""

from dataclasses import replace

import pytest

from chaoslib_cp.fault import DELETE_LANDED, OWN_DEADLINE, ROLLBACK, Injected
from chaoslib_cp.results.faults import OVER_AT_ONCE, RUN_ENDED, Fault, Faults, find_faults
from tests.unit.made_timeline import EPOCH_S, Line, ended, event, injected, recorded, series

STORM = Injected("agent_rollout-1", "agent_rollout", "agent rollout", deadline_epoch_s=EPOCH_S + 90)
LIE = Injected("dns_poison-1", "dns_poison", "DNS poison")


def found(*lines: Line) -> Faults:
    """The faults of a run of 120 s."""
    faults = find_faults(recorded(*lines, event("run_ended", 120.0)))
    assert faults is not None
    return faults


def the_one(*lines: Line) -> Fault:
    """The only fault of such a run."""
    [fault] = found(*lines).each
    return fault


def test_without_an_injection_there_is_none() -> None:
    """Nothing is told by the name of a function or a key that happens to be there."""
    old = event("activity_ended", 1.0, name="a", func="stop_x", output={"undone": 3, "deadline_epoch_s": EPOCH_S})
    assert find_faults(recorded(old, event("fault_injected", 1.0, result={"type": "other"}))) is None


def test_a_fault_begins_with_its_activity() -> None:
    """What it takes to make it is part of it: agents start while the action still runs."""
    fault = the_one(injected(STORM, began_s=2.0, at_s=6.0))
    assert (fault.began_s, fault.injected_s) == (EPOCH_S + 2, EPOCH_S + 6)


@pytest.mark.parametrize(
    ("lines", "by", "at_s"),
    [
        ((), OWN_DEADLINE, 90.0),
        ((ended(ROLLBACK, 50.0, STORM.fault),), ROLLBACK, 50.0),
        ((ended(DELETE_LANDED, 40.0, STORM.fault), ended(ROLLBACK, 50.0, STORM.fault)), DELETE_LANDED, 40.0),
        ((ended(ROLLBACK, 50.0, "another-1"),), OWN_DEADLINE, 90.0),
        ((ended(ROLLBACK, 95.0, STORM.fault),), OWN_DEADLINE, 90.0),
        ((ended("more API servers", 30.0, STORM.fault),), "more API servers", 30.0),
    ],
)
def test_the_first_thing_that_ends_it_is_its_end(lines: tuple[Line, ...], by: str, at_s: float) -> None:
    """Of another fault's end it takes no notice."""
    fault = the_one(injected(STORM), *lines)
    assert (fault.ended_by, fault.ended_s) == (by, EPOCH_S + at_s)


def test_a_delete_that_starved_controllers_cannot_carry_out_ended_nothing() -> None:
    """It was accepted, but the API failed on until the deadline: the agents went on."""
    starved = series("api_read", 90, {(5, 90): "timeout"})
    fault = the_one(injected(STORM), ended(DELETE_LANDED, 80.0, STORM.fault), *starved)
    assert (fault.ended_by, fault.ended_s) == (OWN_DEADLINE, EPOCH_S + 90)


def test_one_that_nothing_ends_lasts_until_the_recording_does() -> None:
    """A deadline beyond it is not reached."""
    assert the_one(injected(replace(STORM, deadline_epoch_s=EPOCH_S + 500))).ended_by == RUN_ENDED
    assert the_one(injected(LIE)).ended_s == EPOCH_S + 120


def test_what_is_over_at_once_ends_when_it_is_done() -> None:
    """A restart has no end that anybody could bring about."""
    fault = the_one(injected(replace(LIE, lasts=False), at_s=3.0), ended(ROLLBACK, 50.0, LIE.fault))
    assert (fault.ended_by, fault.ended_s) == (OVER_AT_ONCE, EPOCH_S + 3)


def test_overlapping_faults_are_told_apart() -> None:
    """Stopping one leaves the other on; together they last from the first begin to the last end."""
    faults = found(
        injected(LIE, began_s=5.0, at_s=6.0), injected(STORM), ended(ROLLBACK, 30.0, STORM.fault),
        ended(ROLLBACK, 70.0, LIE.fault),
    )  # fmt: skip
    assert [(fault.id, fault.ended_s - EPOCH_S) for fault in faults.each] == [(STORM.fault, 30.0), (LIE.fault, 70.0)]
    assert (faults.began_s, faults.ended_s, faults.ended_by) == (EPOCH_S, EPOCH_S + 70, ROLLBACK)
    assert [one.at_s - EPOCH_S for one in faults.load_endings] == [30.0, 90.0]  # a lie loads nobody
