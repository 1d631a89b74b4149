"""The control's own lines in the timeline, and the journal's fields after the verdict."""

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.control.ending import grouped, repair_journal
from chaoslib_cp.control.telling import Teller, fitting
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Delivers, Ended, Expects, Injected, read
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from tests.scaffold.clocks import ManualClock
from tests.scaffold.disturbed_clock import DISTURBANCES, DisturbedClock


def test_times_do_not_step_with_the_wall_clock(tmp_path: Path) -> None:
    """Setting the machine's clock in mid-run neither shortens nor lengthens what is measured."""
    clock = DisturbedClock(DISTURBANCES["set an hour back"], after_s=5.0)
    teller = Teller(Timeline(tmp_path / "t.jsonl"), clock)
    teller.tell("one")
    clock.sleep(5.0)
    teller.tell("two")
    teller.close()
    one, two = read_timeline(tmp_path / "t.jsonl")
    assert two["at_s"] - one["at_s"] == pytest.approx(5.0)


INJECTED = Injected("storm-1", "storm", "a storm", Delivers("agents", 3, vantage="agent_load"), (Expects("api_read"),))
START = {"name": "start", "type": "action", "provider": {"func": "start_storm"}}


def test_what_is_injected_is_a_line_of_its_own(tmp_path: Path) -> None:
    """With the time at which its activity began, and without what may be long: a line that is cut would lose it."""
    clock = ManualClock()
    teller = Teller(Timeline(tmp_path / "t.jsonl"), clock)
    long = replace(INJECTED, parameters={"profile": "x" * 5000}, details={"objects": ["y" * 100] * 50})
    teller.activity_started(START, "method")
    clock.sleep(3.0)
    teller.activity_ended(START, "method", {"status": "succeeded", "output": long.as_dict()})
    teller.close()
    started, ended, injected = read_timeline(tmp_path / "t.jsonl")
    assert ended["output"]["truncated"]
    assert (injected["event"], injected["name"], injected["began_s"]) == ("fault_injected", "start", started["at_s"])
    assert read(injected["result"]) == INJECTED


def test_what_ended_a_fault_is_a_line_of_its_own(tmp_path: Path) -> None:
    """One that ended none is no event."""
    teller = Teller(Timeline(tmp_path / "t.jsonl"), ManualClock())
    for faults in (("storm-1",), ()):
        output = Ended(faults, "rollback", 5.0, details={"undone": 3}).as_dict()
        teller.activity_ended({"name": "stop"}, "rollback", {"status": "succeeded", "output": output})
    teller.close()
    _, ended, _ = read_timeline(tmp_path / "t.jsonl")
    assert (ended["event"], read(ended["result"])) == ("fault_ended", Ended(("storm-1",), "rollback", 5.0))


def test_a_fault_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Nobody could judge it: the run stops."""
    teller = Teller(Timeline(tmp_path / "t.jsonl"), ManualClock())
    output = {"type": "chaoslib_cp.Injected", "fault": "storm-1"}
    with pytest.raises(ProfileInvalid, match="wrong keys"):
        teller.activity_ended(START, "method", {"status": "succeeded", "output": output})
    teller.close()


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (datetime.datetime(2024, 12, 11, tzinfo=datetime.UTC), "2024-12-11 00:00:00+00:00"),
        ({"a"}, "{'a'}"),
        (Path("/x"), "/x"),
        ((1, 2), [1, 2]),
    ],
)
def test_what_is_no_json_is_told_as_text(tmp_path: Path, given: object, written: object) -> None:
    """Activities of others return dates and sets; what they returned is on record all the same."""
    teller = Teller(Timeline(tmp_path / "t.jsonl"), ManualClock())
    output = {"since": given, (1, 2): "left out"}
    teller.activity_ended({"name": "block"}, "method", {"status": "succeeded", "output": output})
    teller.close()
    [ended] = read_timeline(tmp_path / "t.jsonl")
    assert ended["output"] == {"since": written}


def test_a_start_says_what_is_started(tmp_path: Path) -> None:
    """Name, kind and function, and in which part of the run; a foreign activity may lack any of them."""
    teller = Teller(Timeline(tmp_path / "t.jsonl"), ManualClock())
    teller.activity_started({"name": "n", "type": "action", "provider": {"func": "f"}}, "rollback")
    teller.activity_started({}, "method")
    teller.activity_ended({"name": "n"}, "method", {"status": "failed", "output": {"effects": "all"}})
    teller.activity_ended({"name": "n"}, "method", {})
    teller.close()
    started, nameless, ended, empty = read_timeline(tmp_path / "t.jsonl")
    assert started == {
        "kind": "event", "at_s": 1_700_000_000.0, "event": "activity_started",
        "name": "n", "type": "action", "func": "f", "phase": "rollback",
    }  # fmt: skip
    assert (nameless["name"], nameless["type"], nameless["func"]) == (None, None, None)
    assert (ended["status"], ended["phase"], ended["output"]) == ("failed", "method", {"effects": "all"})
    assert (empty["status"], empty["output"]) == (None, None)


def test_a_closed_timeline_takes_no_more_lines(tmp_path: Path) -> None:
    """The file is let go of."""
    teller = Teller(Timeline(tmp_path / "t.jsonl"), ManualClock())
    teller.close()
    with pytest.raises(OSError, match="descriptor"):
        teller.tell("late")


def test_what_just_fits_is_whole_and_one_byte_more_is_cut() -> None:
    """3000 bytes of JSON."""
    assert fitting("x" * 2998) == "x" * 2998
    assert fitting("x" * 2999) == {"truncated": True}
    assert fitting({"a": "x" * 4000, "n": None, 1: True}) == {"a": "x" * 200, "1": True, "truncated": True}
    fits = {"deep": ["x" * 4000], **{f"{number:03}": "y" * 190 for number in range(15)}}
    assert len(json.dumps({**fits, "deep": ""})) > 3000
    assert fitting(fits) == {"truncated": True}
    del fits["014"]
    scalars = {key: value for key, value in fits.items() if key != "deep"}
    fits["numbers"] = 10 ** (3000 - len(json.dumps(scalars)) - len(', "numbers": 0'))
    assert len(json.dumps({**scalars, "numbers": fits["numbers"]})) == 3000
    assert fitting(fits) == {**{key: fits[key] for key in fits if key != "deep"}, "truncated": True}


@pytest.mark.parametrize("output", [None, "text", 5, ["a"], {"ok": True, "parameters": {"deep": [1, 2]}}])
def test_a_small_output_is_kept_whole(output: Any) -> None:
    """Nothing is lost that fits."""
    assert fitting(output) == output


@pytest.mark.parametrize("output", ["x" * 9000, {"landed_epoch_s": 5.0, "attempts": ["x" * 100] * 90}, ["y" * 4000]])
def test_a_big_output_is_cut_to_its_scalars(output: Any) -> None:
    """A line stays under 4 kB, and the figures that results need stay in it."""
    cut = fitting(output)
    assert cut["truncated"] is True
    assert len(json.dumps(cut)) < 3100
    if isinstance(output, dict):
        assert cut["landed_epoch_s"] == 5.0


@pytest.mark.parametrize(
    ("verdict", "given_status", "status", "deviated"),
    [
        ("held", "completed", "completed", False),
        ("broke", "completed", "completed", True),
        ("broke", "failed", "completed", True),
        ("inconclusive", "completed", "failed", False),
        ("inconclusive", "interrupted", "interrupted", False),
        ("inconclusive", "aborted", "aborted", False),
    ],
)
def test_the_journal_agrees_with_the_verdict(verdict: str, given_status: str, status: str, deviated: bool) -> None:
    """``chaos`` exits 0 only for completed and not deviated, so only held may look like that."""
    journal = {"status": "failed", "deviated": False}
    repair_journal(journal, given_status, verdict)
    assert (journal["status"], journal["deviated"]) == (status, deviated)
    assert (journal["status"] == "completed" and not journal["deviated"]) == (verdict == "held")


@pytest.mark.parametrize(("count", "lines"), [(3, 3), (4, 1)])
def test_a_few_pods_are_named_each(count: int, lines: int) -> None:
    """Three can be read."""
    assert len(grouped([f"Pod ns/agent-{number}" for number in range(count)])) == lines


def test_the_pods_of_one_workload_are_one_line() -> None:
    """Many pods of a name are counted, everything else is named."""
    pods = [f"Pod kube-system/chaoslib-cp-agent-rollout-1-{number}" for number in range(74)]
    left = ["DaemonSet kube-system/agent", *pods, "Pod kube-system/other-1", "the undo log has open entries"]
    assert grouped(left) == [
        "DaemonSet kube-system/agent",
        "Pod kube-system/other-1",
        "the undo log has open entries",
        "74 of Pod kube-system/chaoslib-cp-agent-rollout-1-*",
    ]
