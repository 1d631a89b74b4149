"""What cannot be put on record in the timeline: the run stops, is never held, and is rolled back all the same."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.control.run import Run
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.fault import Injected
from chaoslib_cp.observe.timeline import Timeline
from tests.fakes.registry import Registry
from tests.scaffold.clocks import ManualClock
from tests.unit.control.test_run import ACTION, DONE, FAILED, PROBE, events


@pytest.fixture
def registry() -> Registry:
    """Chaos Toolkit's side."""
    return Registry()


@pytest.fixture
def run(registry: Registry, tmp_path: Path) -> Iterator[Run]:
    """A run in its method, past its gate."""
    made = Run({"title": "T"}, ManualClock(), registry)
    made.teller = Teller(Timeline(tmp_path / "timeline.jsonl"), made.clock)
    made.armed = True
    made.enter("method")
    yield made
    made.close()


STORM = {
    "status": "succeeded",
    "output": {**Injected("storm-1", "storm", "storm", details={"since": {"a"}}).as_dict()},
}


def test_an_output_that_is_no_json_is_on_record_with_its_fault(run: Run, tmp_path: Path) -> None:
    """Chaos Toolkit would swallow the error: the fault would never be judged."""
    run.after_activity(ACTION, STORM)
    assert [event for event, _ in events(tmp_path / "timeline.jsonl")][:2] == ["activity_ended", "fault_injected"]
    assert run.outputs == [("roll out", STORM["output"])]
    run.before_activity({"name": "x"})


def no_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of the run is full from now on."""

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert run.teller is not None
    monkeypatch.setattr("chaoslib_cp.observe.timeline.os.write", full)


NOT_WRITTEN = "the end of 'roll out' could not be written to the timeline ([Errno 28] No space left on device)"


@pytest.mark.parametrize("activity", [ACTION, PROBE])
def test_a_run_that_cannot_be_put_on_record_stops(
    run: Run, monkeypatch: pytest.MonkeyPatch, activity: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody could watch or judge it; what is known of it is kept, and nothing more is injected."""
    no_room(run, monkeypatch)
    with pytest.raises(InterruptExecution) as stopped:
        run.after_activity(activity, DONE)
    assert str(stopped.value) == f"{NOT_WRITTEN}, so nothing more is injected"
    assert f"{NOT_WRITTEN}; nothing new is injected" in caplog.messages
    assert (run.latch.reason, run.stopped_by_action) == (NOT_WRITTEN, False)
    assert run.outputs == [("roll out", {"ok": True})]
    with pytest.raises(InterruptExecution, match="nothing new is started"):
        run.before_activity({"name": "x"})


def test_a_failed_action_stays_the_reason_when_it_cannot_be_put_on_record(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known before anything is written."""
    no_room(run, monkeypatch)
    with pytest.raises(InterruptExecution, match=r"^action 'roll out' failed, so nothing more is injected$"):
        run.after_activity(ACTION, FAILED)
    assert (run.latch.reason, run.failed_activities) == ("action 'roll out' failed", ["roll out: no such node"])


def test_a_failed_probe_that_cannot_be_put_on_record_is_known(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the run stops for want of a record."""
    no_room(run, monkeypatch)
    with pytest.raises(InterruptExecution, match="could not be written"):
        run.after_activity(PROBE, FAILED)
    assert run.failed_activities == ["roll out: no such node"]


def test_rollbacks_go_on_when_they_cannot_be_put_on_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoing is worth more than its record; the run is never held all the same."""
    run.enter("rollback")
    no_room(run, monkeypatch)
    run.after_activity(ACTION, FAILED)
    run.before_activity({"name": "x"})
    assert (run.failed_rollbacks, run.latch.reason) == (["roll out: no such node"], NOT_WRITTEN)


def test_an_activity_whose_start_cannot_be_put_on_record_is_the_last(
    run: Run, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chaos Toolkit plays it whatever its listeners say."""
    no_room(run, monkeypatch)
    registry.handlers[0].start_activity(ACTION)
    assert run.latch.reason == NOT_WRITTEN.replace("the end", "the start")
    with pytest.raises(SystemExit):
        registry.handlers[0].activity_completed(ACTION, {})


def test_a_full_disk_keeps_nothing_from_being_let_go_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the run is not on record, and that is all: close does the rest."""
    with monkeypatch.context() as patched:
        no_room(run, patched)
        with pytest.raises(OSError, match="No space left"):
            run.stop_watching()
        assert run.teller is None
        run.close()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
