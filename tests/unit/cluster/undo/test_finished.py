"""Who puts a finished log aside, and that everything that needs it finds it there."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.lock import RunLock, locks_folder
from chaoslib_cp.cluster.gate.guard import refuse_leftovers
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change, undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.rollout.actions import remove_agent, start_agent_rollout, stop_agent_rollout
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import observed, to_delete
from tests.scaffold.profiles import PROFILE

RUNS = 1000
# Ten times what was measured on the machine that this was written on, where a look takes under 0.1 ms.
BOUND_S = 0.1
LOOK = """
import sys
from chaoslib_cp.cluster.gate.guard import refuse_leftovers
from tests.scaffold.clocks import ManualClock
refuse_leftovers(sys.argv[1], "", "next", ManualClock(float(sys.argv[2])))
"""


def finished(run: str, clock: ManualClock, ends_in_s: float = -1.0) -> UndoLog:
    """A log in which nothing is open."""
    log = UndoLog.create(undo_folder(), run, {"cluster_uid": CLUSTER_UID}, clock)
    ends = clock.epoch_s() + ends_in_s
    log.done(log.intend(to_delete("DaemonSet", "kube-system", "a", run, ends_at_epoch_s=ends)), "deleted")
    return log


def names(folder: Path) -> list[str]:
    """Logs in a folder."""
    return sorted(path.stem for path in folder.glob("*.jsonl"))


def now() -> ManualClock:
    """The files have the time of the machine."""
    return ManualClock(time.time())  # noqa: TID251 - the time of files is the machine's


def test_the_gate_puts_aside_what_a_killed_run_left_finished(kube: KubeObjects) -> None:
    """Once nobody touches it any more and its pods have ended; until then it may be somebody's."""
    clock = now()
    finished("over", clock)
    finished("pods", clock, ends_in_s=3600)
    UndoLog.create(undo_folder(), "open", {"cluster_uid": "other"}, clock).intend(observed("x"))
    refuse_leftovers(CLUSTER_UID, "", "next", clock)
    assert names(undo_folder()) == ["open", "over", "pods"]
    clock.pass_s(601)
    refuse_leftovers(CLUSTER_UID, "", "next", clock)
    assert names(undo_folder()) == ["open", "pods"]
    assert names(undo_folder() / "closed") == ["over"]
    assert kube.server.requests == []


def test_a_log_of_a_run_that_is_being_played_stays(kube: KubeObjects) -> None:
    """Its next fault may be about to begin."""
    clock = now()
    finished("over", clock)
    clock.pass_s(601)
    lock = RunLock(locks_folder(), CLUSTER_UID)
    lock.take()
    other_process = subprocess.run(
        [sys.executable, "-c", LOOK, CLUSTER_UID, str(clock.epoch_s())], check=True, capture_output=True, text=True
    )
    lock.release()
    assert other_process.stdout == ""
    assert names(undo_folder()) == ["over"]
    assert kube.server.requests == []


def test_recover_puts_aside_what_it_healed(kube: KubeObjects) -> None:
    """And the second time there is nothing to look at."""
    log = undo_log_for_change_of(kube)
    log.intend(observed("x"))
    assert recover(timeout_s=0, clock=ManualClock())["healed"]
    assert (names(undo_folder()), names(undo_folder() / "closed")) == ([], ["r"])
    assert recover(timeout_s=0, clock=ManualClock()) == {"healed": True, "logs": []}


def undo_log_for_change_of(kube: KubeObjects, run: str = "r") -> UndoLog:
    """The log of a run."""
    from chaoslib_cp.cluster.door.connect import open_cluster

    settings = kube.settings(chaoslib_cp_run_dir=f"/runs/{run}")
    with open_cluster(settings) as cluster:
        return undo_log_for_change(settings, cluster, CLUSTER_UID, ManualClock())


def test_a_run_that_goes_on_has_its_log_back(kube: KubeObjects) -> None:
    """The same log, with what was in it."""
    log = undo_log_for_change_of(kube)
    log.intend(observed("x"))
    recover(timeout_s=0, clock=ManualClock())
    again = undo_log_for_change_of(kube)
    assert again.next_fault("dns_restart") == "dns_restart-1"
    assert [item.entry.what for item in again.items()] == ["x"]
    assert (names(undo_folder()), names(undo_folder() / "closed")) == (["r"], [])


def rolled_out(kube: KubeObjects, **settings: Any) -> dict[str, Any]:
    """Roll the agent out for a second."""
    made = kube.configuration(**settings)
    start_agent_rollout(PROFILE, duration_s=1.0, configuration=made)
    return made


@pytest.mark.parametrize("run", [{"chaoslib_cp_run_dir": "/runs/r"}, {}], ids=["control", "without"])
def test_after_its_log_is_put_aside_a_run_still_knows_what_it_did(kube: KubeObjects, run: dict[str, Any]) -> None:
    """Removing says that there is nothing to remove, and not that nothing was rolled out."""
    made = rolled_out(kube, **run)
    time.sleep(1.6)  # the shortest rollout, to the second; the actions take the machine's clock
    stop_agent_rollout(configuration=made)
    recover()
    if run:
        clock = now()
        clock.pass_s(601)
        refuse_leftovers(CLUSTER_UID, "", "next", clock)
    assert names(undo_folder()) == []
    assert remove_agent(timeout_s=1.0, configuration=made)["by"] == "nothing to remove"
    assert stop_agent_rollout(configuration=made)["details"]["undone"] == 0
    assert leftovers(kube.settings(**run)) == []
    found = undo_log_of_run(kube.settings(**run), ManualClock())
    assert found is not None
    assert found.faults() == ["agent_rollout-1"]


def test_a_use_without_a_control_takes_no_name_that_is_put_aside(kube: KubeObjects) -> None:
    """Two uses of one cluster are two logs."""
    made = rolled_out(kube)
    time.sleep(1.6)  # as above
    stop_agent_rollout(configuration=made)
    assert names(undo_folder() / "closed") == ["adhoc-11111111-1"]
    rolled_out(kube)
    assert names(undo_folder()) == ["adhoc-11111111-2"]


def test_a_look_at_a_thousand_finished_runs_costs_nothing(kube: KubeObjects) -> None:
    """Gate, control and leftovers look at what is open: their time does not grow with what is over."""
    clock = now()
    one = finished("0", clock)
    closed = undo_folder() / "closed"
    closed.mkdir(mode=0o700)
    for number in range(1, RUNS + 1):
        os.link(one.path, closed / f"run-{number}.jsonl")
    one.path.unlink()
    settings = kube.settings(chaoslib_cp_run_dir="/runs/next")
    for look in (
        lambda: refuse_leftovers(CLUSTER_UID, "", "next", clock),
        lambda: open_logs(clock),
        lambda: leftovers(settings),
    ):
        began_s = time.thread_time()  # of a busy machine the clock would tell something else
        look()
        assert time.thread_time() - began_s < BOUND_S
