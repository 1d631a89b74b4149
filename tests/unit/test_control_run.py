"""One run under control: nothing is played before the gate, after a stop or a failed action; all is on record."""

import contextlib
import errno
import json
import logging
import os
import re
import signal
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.cluster.marker import MARKER_PATH
from chaoslib_cp.cluster.permit import read_permit
from chaoslib_cp.control.folder import RunLock
from chaoslib_cp.control.run import Run
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from chaoslib_cp.state import state_root
from tests.contract.cluster import SCALE, UID, FakeCluster, fake_cluster
from tests.fakes.manual_clock import ManualClock

SAFE = {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}}
ACTION = {"type": "action", "name": "roll out", "provider": {"func": "start_agent_rollout"}}
PROBE = {**ACTION, "type": "probe"}
FAILED = {"status": "failed", "exception": ["Traceback", "  chaoslib.exceptions.ActivityFailed: no such node\n"]}
DONE = {"status": "succeeded", "output": {"ok": True}}


class Registry:
    """Keeps what is registered, as Chaos Toolkit's event registry does."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    def register(self, handler: Any) -> None:
        """Keep it."""
        self.handlers.append(handler)


@pytest.fixture
def registry() -> Registry:
    """Chaos Toolkit's side."""
    return Registry()


@pytest.fixture
def run(registry: Registry) -> Iterator[Run]:
    """A run that has not begun; its signals are given back."""
    made = Run({"title": "T", "steady-state-hypothesis": {}}, ManualClock(), registry)
    registry.handlers[0].running({}, {}, {}, {"runtime": SAFE})
    yield made
    made.close()


@pytest.fixture
def told(run: Run, tmp_path: Path) -> Path:
    """The run's timeline; the run is under way, past its gate."""
    path = tmp_path / "timeline.jsonl"
    run.teller = Teller(Timeline(path), run.clock)
    run.armed = True
    run.enter("method")
    return path


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A marked cluster that the environment names, and a working directory."""
    monkeypatch.chdir(tmp_path)
    with fake_cluster(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def events(path: Path) -> list[tuple[str, str | None]]:
    """What was told: event and phase."""
    return [(line["event"], line.get("phase")) for line in read_timeline(path)]


def observers(run_dir: Path) -> int:
    """How many processes observe this run."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found += str(run_dir / "observe-plan.json").encode() in path.read_bytes()
    return found


def test_nothing_is_played_before_the_gate_was_passed(run: Run) -> None:
    """Chaos Toolkit swallows errors of controls: a run whose gate raised must not inject all the same."""
    run.enter("method")
    with pytest.raises(InterruptExecution, match="gate was not passed"):
        run.before_activity()
    with pytest.raises(InterruptExecution, match="nothing to roll back"):
        run.enter("rollback")


@pytest.mark.usefixtures("told")
def test_after_a_stop_only_rollbacks_are_played(run: Run) -> None:
    """Nothing new is injected; what was injected is taken back."""
    run.before_activity()
    run.latch.set("signal SIGTERM")
    with pytest.raises(InterruptExecution, match="signal SIGTERM: nothing new is started"):
        run.before_activity()
    run.enter("rollback")
    run.before_activity()


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
    assert run.failed_activities == ["roll out: no such node"]
    assert run.outputs == []
    assert events(told)[0] == ("activity_ended", "method")


@pytest.mark.usefixtures("told")
def test_a_failed_probe_is_noted_and_the_run_goes_on(run: Run) -> None:
    """It saw nothing, but it changed nothing either."""
    run.after_activity(PROBE, {"status": "failed", "exception": None})
    assert run.failed_activities == ["roll out: no reason given"]
    run.before_activity()


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


def test_a_run_that_passed_has_a_folder_a_permit_a_lock_and_an_observer(run: Run, cluster: FakeCluster) -> None:
    """All of it before anything may be injected, and on record."""
    configuration: dict[str, Any] = {}
    run.open(configuration, None)
    assert run.armed
    assert run.run_dir is not None
    assert run.run_dir.parent == Path.cwd() / "runs"
    assert re.fullmatch("20231114T221320Z-[0-9a-f]{6}-t", run.run_dir.name)  # no other folder's run has that name
    assert configuration["chaoslib_cp_run_dir"] == str(run.run_dir)
    assert [request.path for request in cluster.api.requests].count(MARKER_PATH) == 1
    permit = read_permit(run.run_dir.name)
    assert permit is not None
    assert permit.cluster_uid == UID
    with pytest.raises(TargetRefused, match="another run"):
        RunLock(state_root() / "locks", UID).take()
    began = read_timeline(run.run_dir / "timeline.jsonl")[0]
    assert began == {
        "kind": "event", "at_s": ManualClock().epoch_s(), "event": "run_started",
        "id": run.run_dir.name, "title": "T", "cluster_uid": UID,
    }  # fmt: skip
    assert run.facts["run"] == {"id": run.run_dir.name, "title": "T", "cluster_uid": UID}
    assert run.facts["versions"]["kube-apiserver"] == "v1.36.4"
    assert run.facts["scale"] == SCALE
    assert json.loads((run.run_dir / "observe-plan.json").read_text())["run_dir"] == str(run.run_dir)
    assert observers(run.run_dir) == 1
    run.stop_watching()
    assert observers(run.run_dir) == 0
    handles = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    assert str(run.run_dir / "timeline.jsonl") not in handles
    run.stop_watching()
    lines = [line["event"] for line in read_timeline(run.run_dir / "timeline.jsonl") if line["kind"] == "event"]
    assert lines[-1] == "run_ended"
    assert lines.count("run_ended") == 1
    run.close()
    RunLock(state_root() / "locks", UID).take()


@pytest.mark.usefixtures("cluster")
def test_only_the_method_is_watched_for_aborts(run: Run) -> None:
    """Rollbacks are played to their end, whatever the samples say by then."""
    run.open({}, None)
    run.enter("method")
    assert "abort-rules" in {thread.name for thread in threading.enumerate()}
    run.enter("rollback")
    assert "abort-rules" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("cluster")
def test_a_second_run_in_one_second_gets_a_folder_and_a_permit_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permit carries the name of the folder; two may draw the same random part."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\xab" * count)
    (Path("runs") / "20231114T221320Z-ababab-t").mkdir(parents=True)
    configuration: dict[str, Any] = {}
    run.open(configuration, None)
    assert run.run_dir is not None
    assert run.run_dir.name == "20231114T221320Z-ababab-t-2"
    assert configuration["chaoslib_cp_run_dir"] == str(run.run_dir)
    assert read_permit("20231114T221320Z-ababab-t-2") is not None
    assert observers(run.run_dir) == 1
    run.close()
    assert (observers(run.run_dir), run.teller) == (0, None)


def test_a_refused_file_asks_no_cluster_and_names_every_reason(
    run: Run, registry: Registry, cluster: FakeCluster
) -> None:
    """All of it is repaired in one go; nothing is armed."""
    registry.handlers[0].running({"runtime": {}})
    with pytest.raises(InterruptExecution, match=r"^refused, nothing was changed: rollbacks strategy is 'default'"):
        run.open({}, None)
    assert cluster.api.requests == []
    assert not run.armed
    with pytest.raises(InterruptExecution, match=r"no context 'nowhere'.*; rollbacks strategy is 'default'"):
        run.open({"runner_context": "nowhere"}, None)


def test_an_unmarked_cluster_interrupts_the_run_without_a_folder(run: Run, cluster: FakeCluster) -> None:
    """The kind of the error is said too."""
    cluster.unmark()
    with pytest.raises(InterruptExecution, match=r"^TargetRefused: .*not marked"):
        run.open({}, None)
    assert not run.armed
    assert not Path("runs").exists()


@pytest.mark.usefixtures("cluster")
def test_a_folder_that_cannot_be_written_interrupts_the_run(run: Run) -> None:
    """Whatever the disk says, Chaos Toolkit must hear an interruption, or it would play the method."""
    (state_root() / "locks").parent.mkdir(parents=True, exist_ok=True)
    (state_root() / "locks").write_text("in the way")
    with pytest.raises(InterruptExecution, match="cannot lock"):
        run.open({}, None)
    assert not run.armed


@pytest.mark.usefixtures("cluster")
def test_a_full_disk_interrupts_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a timeline nobody could judge it."""
    real = os.open

    def full(path: Any, *given: Any) -> int:
        if str(path).endswith("timeline.jsonl"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *given)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        with pytest.raises(InterruptExecution, match="No space left on device"):
            run.open({}, None)
    assert not run.armed


def chaos_says(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """A testbed whose `chaos cp status` says this."""
    program = folder / "chaos"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("CHAOSLIB_CP_INFRASTRUCTURE", "testbed")


def test_cpu_time_is_on_record_after_each_action_of_the_method(
    run: Run, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amplification is taken from it; after probes and rollbacks nobody needs it."""
    chaos_says(tmp_path, monkeypatch, '{"cpu_s": {"kube-apiserver-0": 2.0, "farm": 0.5}}')
    run.after_activity(PROBE, DONE)
    assert events(told) == [("activity_ended", "method")]
    run.after_activity(ACTION, DONE)
    line = read_timeline(told)[-1]
    assert (line["event"], line["server_cpu_s"], line["client_cpu_s"]) == ("api_cpu", 2.0, 0.5)
    run.enter("rollback")
    run.after_activity(ACTION, DONE)
    assert events(told)[-1] == ("activity_ended", "rollback")


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
