"""The ordinary administrator deletes the agent: what is asked, how often, and what each answer means."""

import json
import signal
import time
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed, InterruptExecution

from chaoslib_cp.rollout.actions import remove_agent, stop_agent_rollout
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import HANG, Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.unit.rollout.test_rollout import DAEMONSET, ours, settings, started


def test_the_administrator_deletes_only_the_daemonset_on_fresh_connections(kube: KubeObjects) -> None:
    """As kubectl would: a new process, so a new connection, for each attempt."""
    started(kube)
    kube.fail_next("DELETE", DAEMONSET, Answer(429), times=2, who="admin")
    clock = ManualClock()
    result = remove_as_admin(read_settings(settings(kube)), 60, 5, clock)
    assert (result.details["landed"], result.by, result.details["attempt_count"]) == (True, "delete landed", 3)
    assert [one["outcome"] for one in result.details["attempts"]] == ["http_429", "http_429", "ok"]
    deletes = [request for request in kube.writes() if request.method == "DELETE"]
    assert {request.peer_name for request in deletes} == {"user-admin"}
    assert len({request.connection for request in deletes}) == 3
    assert len(ours(kube)) == 4
    assert stop_agent_rollout(configuration=settings(kube))["details"]["undone"] == 4


def test_a_delete_without_answer_is_unknown_and_found_landed_by_the_next(kube: KubeObjects) -> None:
    """A time-out is never counted as failed."""
    started(kube)
    kube.fail_next("DELETE", DAEMONSET, HANG, after_the_write=True)
    result = remove_as_admin(read_settings(settings(kube)), 60, 0.3, ManualClock())
    assert [(one["outcome"], one["how"]) for one in result.details["attempts"]] == [
        ("unknown", "timeout"),
        ("ok", "already gone"),
    ]
    assert result.after_epoch_s == result.details["attempts"][0]["at_epoch_s"] < result.at_epoch_s


@pytest.mark.parametrize("raised", [InterruptExecution("stop"), SystemExit(20)])
def test_a_signal_ends_the_administrators_wait_at_once(kube: KubeObjects, raised: BaseException) -> None:
    """Ctrl-C must not wait for a hanging call, and must reach the runner as what it is."""
    started(kube)
    kube.fail_next("DELETE", DAEMONSET, HANG, times=9)

    def stop(*_: object) -> None:
        raise raised

    before = signal.signal(signal.SIGALRM, stop)
    began_s = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(type(raised)):
            remove_agent(timeout_s=60, attempt_deadline_s=30, configuration=settings(kube))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began_s < 5
    kube.heal()
    assert stop_agent_rollout(configuration=settings(kube))["details"]["undone"] == 5


def test_giving_up_is_a_result(kube: KubeObjects) -> None:
    """Being locked out is what the experiment wants to know; the list of attempts stays short."""
    started(kube)
    kube.fail_next("DELETE", DAEMONSET, Answer(503), times=999)
    clock = ManualClock()
    result = remove_as_admin(read_settings(settings(kube)), 100, 5, clock)
    assert (result.details["landed"], result.by, result.at_epoch_s) == (False, "timeout", None)
    assert result.details["waited_s"] == pytest.approx(100)
    assert result.details["attempt_count"] == 101
    assert result.details["outcomes"] == {"unknown": 101}
    assert len(json.dumps(result.as_dict())) < 4096
    assert max(clock.slept_s) <= 0.2


def test_removing_what_was_never_rolled_out_is_refused_and_twice_is_nothing(kube: KubeObjects) -> None:
    """The administrator must not delete what is not ours."""
    with pytest.raises(ActivityFailed, match="rolled out no agent"):
        remove_agent(configuration=settings(kube))
    started(kube)
    assert remove_agent(configuration=settings(kube))["faults"]
    assert remove_agent(configuration=settings(kube))["by"] == "nothing to remove"


def test_the_administrator_of_another_cluster_is_refused(kube: KubeObjects, tmp_path: Path) -> None:
    """The admin context may lead elsewhere."""
    started(kube)
    with KubeObjects(tmp_path / "other") as other, pytest.raises(ActivityFailed, match="not the cluster of run"):
        remove_agent(configuration=settings(other))
