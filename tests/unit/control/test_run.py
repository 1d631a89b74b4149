"""One run under control: nothing is played before the gate, after a stop or a failed action; all is on record.

How it is opened is in test_control_open_run.py.
"""

import logging
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.control.run import Run
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from chaoslib_cp.settings import read_settings
from tests.fakes.registry import SAFE, Registry
from tests.scaffold.clocks import ManualClock

ACTION = {"type": "action", "name": "roll out", "provider": {"func": "start_agent_rollout"}}
PROBE = {**ACTION, "type": "probe"}
FAILED = {"status": "failed", "exception": ["Traceback", "  chaoslib.exceptions.ActivityFailed: no such node\n"]}
DONE = {"status": "succeeded", "output": {"ok": True}}


@pytest.fixture
def told(run: Run, tmp_path: Path) -> Path:
    """The run's timeline; the run is under way, past its gate."""
    path = tmp_path / "timeline.jsonl"
    run.teller = Teller(Timeline(path), run.clock)
    run.armed = True
    run.enter("method")
    return path


def events(path: Path) -> list[tuple[str, str | None]]:
    """What was told: event and phase."""
    return [(line["event"], line.get("phase")) for line in read_timeline(path)]


def test_nothing_is_played_before_the_gate_was_passed(run: Run) -> None:
    """Chaos Toolkit swallows errors of controls: a run whose gate raised must not inject all the same."""
    run.enter("method")
    with pytest.raises(InterruptExecution, match="gate was not passed"):
        run.before_activity({"name": "x"})
    with pytest.raises(InterruptExecution, match="nothing to roll back"):
        run.enter("rollback")


@pytest.mark.usefixtures("told")
def test_after_a_stop_only_rollbacks_are_played(run: Run) -> None:
    """Nothing new is injected; what was injected is taken back."""
    run.before_activity({"name": "x"})
    run.latch.set("signal SIGTERM")
    with pytest.raises(InterruptExecution, match="signal SIGTERM: nothing new is started"):
        run.before_activity({"name": "x"})
    run.enter("rollback")
    run.before_activity({"name": "x"})


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("phase", "shielded"), [("method", False), ("watching", True), ("rollback", True), ("ending", True)]
)
def test_whatever_follows_the_method_is_shielded_from_signals(
    run: Run,
    phase: Any,
    shielded: bool,
) -> None:
    """A second Ctrl-C must not drop the rollbacks; in the method a signal acts at once."""
    run.enter(phase)
    assert run.phase == phase
    assert run.latch.shielded is shielded


def test_a_round_in_the_main_thread_is_cut_short_by_a_signal_and_the_wait_after_it_is_not(run: Run) -> None:
    """Chaos Toolkit waits there for the round beside the method, where a SystemExit costs rollbacks and verdict."""

    def shielded_in_and_after_a_round() -> tuple[bool, bool]:
        run.begin_round()
        inside = run.latch.shielded
        run.end_round({"probes": []})
        return inside, run.latch.shielded

    assert shielded_in_and_after_a_round() == (False, False), "the baseline"
    run.enter("method")
    assert shielded_in_and_after_a_round() == (False, False)
    run.enter("watching")
    beside: list[tuple[bool, bool]] = []
    thread = threading.Thread(target=lambda: beside.append(shielded_in_and_after_a_round()))
    thread.start()
    thread.join()
    assert beside == [(True, True)], "the last round beside the method"
    assert shielded_in_and_after_a_round() == (False, True), "the round after the method"
    run.armed = True
    run.enter("rollback")
    assert shielded_in_and_after_a_round() == (True, True)


def test_a_failed_action_ends_the_injections(run: Run, told: Path) -> None:
    """What comes after it would not test what it says; its last words are kept, without the class path."""
    with pytest.raises(InterruptExecution, match="action 'roll out' failed"):
        run.after_activity(ACTION, FAILED)
    assert run.latch.reason == "action 'roll out' failed"
    assert run.stopped_by_action
    assert run.failed_activities == ["roll out: no such node"]
    assert run.outputs == []
    assert events(told)[0] == ("activity_ended", "method")


@pytest.mark.usefixtures("told")
def test_an_action_that_a_stop_cut_short_is_not_what_stopped_the_run(run: Run) -> None:
    """Ctrl-C makes the action that is being played fail; the run was interrupted all the same."""
    assert not run.stopped_by_action
    run.latch.set("signal SIGINT")
    with pytest.raises(InterruptExecution):
        run.after_activity(ACTION, FAILED)
    assert not run.stopped_by_action
    assert run.latch.reason == "signal SIGINT"


@pytest.mark.usefixtures("told")
def test_a_failed_probe_is_noted_and_the_run_goes_on(run: Run) -> None:
    """It saw nothing, but it changed nothing either."""
    run.after_activity(PROBE, {"status": "failed", "exception": None})
    assert run.failed_activities == ["roll out: no reason given"]
    run.before_activity({"name": "x"})


def test_a_failed_rollback_does_not_stop_the_other_rollbacks(run: Run, told: Path) -> None:
    """It is kept apart: something may be left."""
    run.enter("rollback")
    run.after_activity(ACTION, FAILED)
    assert (run.failed_rollbacks, run.failed_activities) == (["roll out: no such node"], [])
    assert events(told) == [("activity_ended", "rollback")]


def test_what_succeeded_is_kept_for_the_report(run: Run, told: Path) -> None:
    """Names and outputs; the timeline has start and end."""
    assert run.teller is not None
    run.after_activity(ACTION, DONE)
    assert run.outputs == [("roll out", {"ok": True})]
    assert events(told)[0] == ("activity_ended", "method")


def test_activities_of_a_round_of_the_hypothesis_are_no_part_of_the_method(
    run: Run, registry: Registry, told: Path
) -> None:
    """They would fill the timeline, and a claim that fails is no failed activity."""
    run.rounds.begin(beside_the_method=False)
    registry.handlers[0].start_activity(PROBE)
    run.after_activity(PROBE, FAILED)
    run.rounds.end(None)
    run.after_activity(PROBE, None)
    assert events(told) == []
    assert run.failed_activities == []
    registry.handlers[0].start_activity(ACTION)
    assert events(told) == [("activity_started", "method")]


def test_before_there_is_a_timeline_nothing_can_be_told(run: Run, registry: Registry) -> None:
    """A run that was refused has none."""
    registry.handlers[0].start_activity(ACTION)
    run.after_activity(ACTION, FAILED)
    assert run.failed_activities == []


@pytest.mark.parametrize(
    ("given", "expected"), [([{}, {"runtime": SAFE}], SAFE), ([{"runtime": None}], {}), ([None], {}), ([{}], {})]
)
def test_the_strategies_in_force_are_those_chaos_toolkit_hands_over(
    run: Run, registry: Registry, given: list[Any], expected: dict[str, Any]
) -> None:
    """The command line may have changed what the file says."""
    registry.handlers[0].running(*given)
    assert run.runtime == expected


@pytest.mark.parametrize(
    ("dry", "is_dry"), [("actions", True), ("activities", True), ("probes", False), (None, False), ("pause", False)]
)
def test_a_run_without_actions_is_dry(dry: str | None, is_dry: bool) -> None:
    """There is nothing to judge in it."""
    made = Run({"dry": types.SimpleNamespace(value=dry)} if dry else {}, ManualClock(), None)
    made.close()
    assert made.is_dry is is_dry


def test_signals_and_terminal_are_given_back(registry: Registry) -> None:
    """Another run in this process starts as this one did."""
    before = signal.getsignal(signal.SIGTERM)
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)
    logger = logging.getLogger("chaostoolkit")
    logger.addHandler(handler)
    try:
        made = Run({}, ManualClock(), registry)
        assert signal.getsignal(signal.SIGTERM) != before
        assert made.rounds in handler.filters
        made.close()
        assert handler.filters == []
    finally:
        logger.removeHandler(handler)
    assert signal.getsignal(signal.SIGTERM) == before


def chaos_says(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """A testbed whose `chaos cp status` says this."""
    program = folder / "python"  # what a driver starts `chaos` with
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("CHAOSLIB_CP_INFRASTRUCTURE", "testbed")


def test_cpu_time_is_on_record_after_each_action_of_the_method(
    run: Run, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amplification is taken from it; after probes and rollbacks nobody needs it."""
    chaos_says(tmp_path, monkeypatch, '{"cpu_s": {"kube-apiserver-0": 2.0, "farm": 0.5}}')
    run.settings = read_settings()
    run.after_activity(PROBE, DONE)
    assert events(told) == [("activity_ended", "method")]
    run.after_activity(ACTION, DONE)
    line = read_timeline(told)[-1]
    assert (line["event"], line["server_cpu_s"], line["client_cpu_s"]) == ("api_cpu", 2.0, 0.5)
    run.enter("rollback")
    run.after_activity(ACTION, DONE)
    assert events(told)[-1] == ("activity_ended", "rollback")


@pytest.mark.usefixtures("cluster")
def test_cpu_time_is_asked_of_the_infrastructure_that_the_configuration_names(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment need not name any."""
    run.open({"infrastructure": "testbed"}, None)
    chaos_says(tmp_path, monkeypatch, '{"cpu_s": {"kube-apiserver-0": 2.0, "farm": 0.5}}')
    monkeypatch.delenv("CHAOSLIB_CP_INFRASTRUCTURE")
    run.enter("method")
    run.after_activity(ACTION, DONE)
    assert run.run_dir is not None
    assert "api_cpu" in {line.get("event") for line in read_timeline(run.run_dir / "timeline.jsonl")}


@pytest.mark.parametrize("said", ['{"cpu_s": {}}', "nonsense"])
def test_a_run_goes_on_without_cpu_time(
    run: Run, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Where the kernel counts nothing, or the testbed does not answer."""
    chaos_says(tmp_path, monkeypatch, said)
    run.after_activity(ACTION, DONE)
    assert events(told) == [("activity_ended", "method")]
    assert run.outputs == [("roll out", {"ok": True})]


@pytest.mark.usefixtures("told")
def test_after_the_method_rounds_are_shown_again(run: Run) -> None:
    """The system gives numbers of threads anew."""
    shown = []

    def play() -> None:
        record = logging.LogRecord("chaostoolkit", logging.INFO, "", 0, "Probe", None, None)
        run.rounds.begin(beside_the_method=True)
        run.enter("method")
        shown.append(run.rounds.filter(record))
        run.enter("watching")
        shown.append(run.rounds.filter(record))

    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
    assert shown == [False, True]


@pytest.mark.usefixtures("told")
def test_only_the_main_thread_skips_the_pause_after_an_activity(run: Run, registry: Registry) -> None:
    """Rounds of the hypothesis complete activities in a thread of their own, which must not be ended by that."""
    run.latch.set("signal SIGTERM")
    left: list[BaseException] = []

    def complete() -> None:
        try:
            registry.handlers[0].activity_completed(ACTION)
        except SystemExit as error:
            left.append(error)

    thread = threading.Thread(target=complete)
    thread.start()
    thread.join()
    assert left == []
    complete()
    assert len(left) == 1
