"""A run that is being opened: gate, lock, folder, observer and abort rules, or an interruption and nothing played."""

import contextlib
import errno
import json
import os
import re
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.cluster.door.lock import RunLock, locks_folder
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from chaoslib_cp.cluster.gate.permit import read_permit
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.control.run import Run
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.observe.timeline import read_timeline
from chaoslib_cp.state import state_root
from tests.contract.cluster import SCALE, FakeCluster
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.kube_objects import CLUSTER_UID as UID
from tests.fakes.registry import Registry
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete


def observers(run_dir: Path) -> int:
    """How many processes observe this run."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found += str(run_dir / "observe-plan.json").encode() in path.read_bytes()
    return found


def test_a_run_that_passed_has_a_folder_a_permit_a_lock_and_an_observer(
    run: Run, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it before anything may be injected, and on record; a hypothesis without claims waits for no samples."""
    configuration: dict[str, Any] = {}
    run.open(configuration, None)
    assert run.armed
    assert "No samples yet" not in caplog.text
    assert "Blind: chaoslib-cp/workload-prober: there is no prober, so nobody sees" in caplog.text
    assert run.run_dir is not None
    assert run.run_dir.parent == Path.cwd() / "runs"
    assert re.fullmatch("20231114T221320Z-[0-9a-f]{6}-t", run.run_dir.name)  # no other folder's run has that name
    assert configuration["chaoslib_cp_run_dir"] == str(run.run_dir)
    assert [request.path for request in cluster.api.requests].count(MARKER_PATH) == 1
    permit = read_permit(run.run_dir.name)
    assert permit is not None
    assert permit.cluster_uid == UID
    with pytest.raises(TargetRefused, match="another run"):
        RunLock(locks_folder(), UID).take()
    began = read_timeline(run.run_dir / "timeline.jsonl")[0]
    assert began == {
        "kind": "event", "at_s": ManualClock().epoch_s(), "event": "run_started",
        "id": run.run_dir.name, "title": "T", "cluster_uid": UID,
    }  # fmt: skip
    assert run.facts["run"] == {"id": run.run_dir.name, "title": "T", "cluster_uid": UID}
    assert run.facts["versions"]["kube-apiserver"] == "v1.36.0"
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
    RunLock(locks_folder(), UID).take()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"extensions": ["x"]}, "extensions is no list of mappings"),
        ({"secrets": {"s": "canary"}}, "secrets.s is no mapping of names to entries"),
        ({"extensions": [{"name": "chaoslib_cp", "unrealistic": 5}]}, "unrealistic is 5; use a list of texts"),
    ],
)
def test_a_malformed_experiment_is_refused_before_anything_is_asked(
    run: Run, cluster: FakeCluster, more: dict[str, Any], says: str
) -> None:
    """The person reads which key it is, and not only that the gate was not passed."""
    run.experiment = {**run.experiment, **more}
    with pytest.raises(InterruptExecution, match=f"^refused, nothing was changed:\n  - .*{re.escape(says)}") as caught:
        run.open({}, None)
    assert "canary" not in str(caught.value)
    assert (run.armed, run.run_dir, cluster.api.requests) == (False, None, [])


@pytest.mark.parametrize("configuration", [{"prober_pages": 5}, {"observe_s": 0}])
def test_a_wrong_key_of_the_configuration_is_refused_before_anything_is_asked(
    run: Run, cluster: FakeCluster, configuration: dict[str, Any]
) -> None:
    """No folder, no observer, no request."""
    [(key, value)] = configuration.items()
    with pytest.raises(
        InterruptExecution, match=f"refused, nothing was changed:\n  - configuration.{key} is {value}; use"
    ):
        run.open(configuration, None)
    assert (run.armed, run.run_dir, cluster.api.requests) == (False, None, [])


def test_what_nobody_foresaw_interrupts_the_run_and_repeats_no_value(run: Run, cluster: FakeCluster) -> None:
    """Chaos Toolkit would swallow it, and the person would read only that the gate was not passed."""
    run.experiment = {**run.experiment, "steady-state-hypothesis": "canary"}
    with pytest.raises(InterruptExecution) as caught:
        run.open({}, None)
    assert re.fullmatch(
        r"unforeseen AttributeError at chaoslib_cp/control/refusal\.py:\d+, which is worth a report; nothing was "
        "changed, nothing is played",
        str(caught.value),
    )
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert not run.armed
    assert cluster.api.requests == []


def watches() -> bool:
    """Whether abort rules are looked at."""
    return "abort-rules" in {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("cluster")
def test_only_the_method_is_watched_for_aborts(run: Run) -> None:
    """Rollbacks are played to their end, whatever the samples say by then."""
    run.open({}, None)
    run.enter("method")
    assert watches()
    run.enter("rollback")
    assert not watches()


@pytest.mark.usefixtures("cluster")
def test_a_run_that_ends_in_its_method_is_watched_no_more(run: Run) -> None:
    """Chaos Toolkit may leave without another word."""
    run.open({}, None)
    run.enter("method")
    run.close()
    assert not watches()


@pytest.mark.usefixtures("cluster")
def test_a_dry_run_is_not_watched_for_aborts(run: Run) -> None:
    """It injects nothing that could be stopped."""
    run.experiment = {**run.experiment, "dry": types.SimpleNamespace(value="actions")}
    run.open({}, None)
    run.enter("method")
    assert not watches()


@pytest.mark.usefixtures("cluster")
def test_the_experiments_abort_rules_are_in_force(run: Run) -> None:
    """A minute without a sample of workload DNS is longer than this one allows."""
    rule = {"vantage": "dns_cached", "blind_s": 30}
    run.experiment = {**run.experiment, "extensions": [{"name": "chaoslib_cp", "abort_when": [rule]}]}
    run.open({}, None)
    run.enter("method")
    assert isinstance(run.clock, ManualClock)
    with pytest.raises(SystemExit):  # noqa: PT012 - the signal comes while it sleeps
        run.clock.pass_s(60)
        time.sleep(10)
    assert run.latch.reason.startswith("abort rule dns_cached blind_s 30")


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
    with pytest.raises(
        InterruptExecution, match=r"^refused, nothing was changed:\n  - rollbacks strategy is 'default'"
    ):
        run.open({}, None)
    assert cluster.api.requests == []
    assert not run.armed
    with pytest.raises(InterruptExecution, match=r"no context 'nowhere'.*\n  - rollbacks strategy is 'default'"):
        run.open({"runner_context": "nowhere"}, None)


def test_what_a_run_left_that_died_between_our_gate_and_our_lock_is_seen(run: Run, cluster: FakeCluster) -> None:
    """It had the lock while we passed the gate: only whoever has the lock now can be sure."""
    dead = UndoLog.create(undo_folder(), "dead", {"cluster_uid": UID}, ManualClock())

    def injects(_: Request) -> Answer:
        if not dead.items():
            dead.intend(to_delete("DaemonSet", "kube-system", "agent", "dead"))
        return json_answer({"items": []})

    cluster.api.on("GET", "/api/v1/namespaces/kube-system/pods", injects)
    with pytest.raises(InterruptExecution, match=r"dead.*chaos cp recover"):
        run.open({}, None)
    assert dead.items()
    assert not run.armed


def test_an_unmarked_cluster_interrupts_the_run_without_a_folder(run: Run, cluster: FakeCluster) -> None:
    """The kind of the error is said too."""
    cluster.unmark()
    with pytest.raises(InterruptExecution, match=r"^TargetRefused: .*not marked") as caught:
        run.open({}, None)
    assert "nothing is played" not in str(caught.value), "it is no error that nobody foresaw"
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
