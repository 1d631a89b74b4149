"""What Chaos Toolkit calls by name, in its order, reaches the one run that is under way."""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaoslib_cp import control
from tests.contract.cluster import FakeCluster

ACTION = {"type": "action", "name": "mark", "provider": {"func": "mark"}}
EXPERIMENT: dict[str, Any] = {"title": "T"}


class Registry:
    """Chaos Toolkit's event registry, which tells the strategies in force."""

    def register(self, handler: Any) -> None:
        """Tell them at once."""
        handler.running({"runtime": {"rollbacks": {"strategy": "always"}}})


@pytest.fixture
def cluster(cluster: FakeCluster) -> Iterator[FakeCluster]:
    """The same; whatever a test left is let go of."""
    yield cluster
    control.cleanup_control()


def test_a_control_that_sees_half_of_a_run_is_invalid() -> None:
    """Every reason in one line; a whole one passes."""
    control.validate_control({"name": "c"})
    with pytest.raises(InvalidControl, match=r"has a scope.*; control 'c' is not automatic"):
        control.validate_control({"name": "c", "scope": "before", "automatic": False})


@pytest.mark.usefixtures("cluster")
def test_a_run_is_played_judged_and_let_go_of(caplog: pytest.LogCaptureFixture) -> None:
    """From the gate to the verdict; the journal says that nothing was proved, and signals are given back."""
    before = signal.getsignal(signal.SIGTERM)
    configuration: dict[str, Any] = {}
    control.configure_control(EXPERIMENT, Registry())
    assert signal.getsignal(signal.SIGTERM) != before
    control.before_experiment_control({}, configuration)
    [run] = control._runs
    assert run.armed
    assert run.phase == "watching"
    control.before_method_control({})
    assert run.phase == "method"
    control.before_hypothesis_control({})
    assert run.rounds.inside
    control.after_hypothesis_control({}, {"probes": []})
    assert not run.rounds.inside
    control.before_activity_control(ACTION)
    control.after_activity_control(ACTION, {"status": "succeeded", "output": 1})
    assert run.outputs == [("mark", 1)]
    control.after_method_control({})
    assert run.phase == "watching"
    control.before_rollback_control({})
    assert run.phase == "rollback"
    journal: dict[str, Any] = {"status": "completed", "deviated": False}
    control.after_experiment_control({}, journal, configuration)
    assert run.phase == "ending"
    assert journal["chaoslib_cp"]["summary"]["verdict"] == "inconclusive"
    assert journal["status"] == "failed"
    assert "could not be judged" not in caplog.text
    control.cleanup_control()
    assert control._runs == []
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("in_the_method", "is_shown"), [(True, False), (False, True)])
def test_rounds_are_quiet_beside_the_method_only(in_the_method: bool, is_shown: bool) -> None:
    """Chaos Toolkit plays them in a thread; before and after the method there is nothing they could hide."""
    control.configure_control(EXPERIMENT, Registry())
    control.before_experiment_control({}, {})
    if in_the_method:
        control.before_method_control({})
    [run] = control._runs
    shown = []

    def play() -> None:
        control.before_hypothesis_control({})
        shown.append(run.rounds.filter(logging.LogRecord("chaostoolkit", logging.INFO, "", 0, "Probe", None, None)))

    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
    assert shown == [is_shown]


def test_a_stop_keeps_activities_from_starting(cluster: FakeCluster) -> None:
    """Chaos Toolkit hears an interruption, not an error that it would swallow."""
    control.configure_control(EXPERIMENT, Registry())
    cluster.unmark()
    with pytest.raises(InterruptExecution, match="not marked"):
        control.before_experiment_control({}, {})
    with pytest.raises(InterruptExecution, match="gate was not passed"):
        control.before_activity_control(ACTION)


@pytest.mark.usefixtures("cluster")
def test_a_second_experiment_in_a_process_takes_the_first_ones_place() -> None:
    """What the first still held is let go of."""
    control.configure_control(EXPERIMENT, Registry())
    control.before_experiment_control({}, {})
    [first] = control._runs
    control.configure_control(EXPERIMENT, Registry())
    [second] = control._runs
    assert first is not second
    control.before_experiment_control({}, {})
    assert second.armed


@pytest.mark.usefixtures("cluster")
def test_a_run_that_cannot_be_judged_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Chaos Toolkit swallows the error itself; one that was judged says nothing of the kind."""
    control.configure_control(EXPERIMENT, Registry())
    control.before_experiment_control({}, {})
    with caplog.at_level(logging.ERROR, "chaostoolkit"), pytest.raises(KeyError):
        control.after_experiment_control({}, {}, {})
    assert "could not be judged" in caplog.text


def test_a_run_that_was_not_taken_over_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chaos Toolkit swallows what goes wrong while a control is configured: each hook says it and stops the run."""
    monkeypatch.setitem(sys.modules, "chaoslib_cp.control.ending", None)
    control.configure_control(EXPERIMENT, Registry())
    told = r"could not take over the run: ModuleNotFoundError: .*ending.*; nothing is injected; install"
    hooks: list[Callable[[], None]] = [
        lambda: control.before_experiment_control({}, {}),
        lambda: control.before_hypothesis_control({}),
        lambda: control.before_method_control({}),
        lambda: control.before_activity_control(ACTION),
        lambda: control.before_rollback_control({}),
    ]
    for hook in hooks:
        with pytest.raises(InterruptExecution, match=told) as refused:
            hook()
        assert "\n" not in str(refused.value)
    control.after_hypothesis_control({}, {"probes": []})
    control.after_activity_control(ACTION, {"status": "succeeded"})
    control.after_method_control({})
    journal = {"status": "completed"}
    control.after_experiment_control({}, journal, {})
    assert journal["status"] == "failed"
    control.cleanup_control()
    monkeypatch.undo()
    with pytest.raises(InterruptExecution, match="did not configure it"):
        control.before_activity_control(ACTION)


def test_the_control_can_be_imported_whatever_else_of_ours_cannot() -> None:
    """A control that cannot be imported is none for Chaos Toolkit: one warning, and the run is played without it."""
    probe = (
        "import chaoslib_cp.control, sys; print(sorted(one for one in sys.modules if one.startswith('chaoslib_cp')))"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout.strip() == "['chaoslib_cp', 'chaoslib_cp.control', 'chaoslib_cp.version']"
