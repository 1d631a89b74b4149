"""Agents load on while nobody has ended their pods: recovery waits for them, and no run begins beside them."""

import math
import time
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.pods import WorkingPod, last_end_s, pods_at_work
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import stop_agent_rollout
from chaoslib_cp.rollout.start import StartPlan, start
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import FAULT, labels, observed, to_delete
from tests.scaffold.profiles import PROFILE

PLAN = StartPlan(PROFILE, "telemetry-agent", "kube-system", 600.0, "image")
NOW_S = ManualClock().epoch_s()
NEVER = 1_000_000
PODS = "/api/v1/namespaces/kube-system/pods"


def pod(kube: KubeObjects, name: str, end: str | None, run: str = "r", **more: Any) -> None:
    """An agent's pod that says when it ends."""
    annotations = {} if end is None else {"annotations": {"chaoslib-cp/ends-at-epoch-s": end}}
    namespace = more.pop("namespace", "kube-system")
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    kube.objects[path] = {"metadata": {"name": name, "uid": name, "labels": labels(run), **annotations}, **more}


def settings(kube: KubeObjects, run: str = "r") -> dict[str, Any]:
    """Configuration of a run."""
    return kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}")


def rolled_out(kube: KubeObjects, clock: ManualClock, pods_outlive_by: int = NEVER) -> None:
    """Five objects, and the pods that the controller makes of them."""
    kube.pods_outlive_by = pods_outlive_by
    start(PLAN, read_settings(settings(kube)), clock)


def finished_log(
    run: str, cluster_uid: str = CLUSTER_UID, namespace: str = "kube-system", ends_in_s: float = 60
) -> None:
    """What a run leaves that took everything back."""
    log = UndoLog.create(undo_folder(), run, {"cluster_uid": cluster_uid}, ManualClock())
    number = log.intend(to_delete("DaemonSet", namespace, "agent", run, ends_at_epoch_s=NOW_S + ends_in_s))
    log.note(number, uid="u")
    log.done(number, "deleted")


def test_a_pod_is_at_work_until_its_end(kube: KubeObjects) -> None:
    """By its own word; one that is over, says no fault or no definite end is none."""
    pod(kube, "works", f"{NOW_S + 1}")
    pod(kube, "ended", f"{NOW_S}")
    pod(kube, "succeeded", f"{NOW_S + 1}", status={"phase": "Succeeded"})
    pod(kube, "failed", f"{NOW_S + 1}", status={"phase": "Failed"})
    pod(kube, "runs", f"{NOW_S + 5}", run="q", status={"phase": "Running"})
    pod(kube, "silent", None)
    pod(kube, "nonsense", "soon")
    pod(kube, "endless", "inf")
    pod(kube, "elsewhere", f"{NOW_S + 1}", namespace="x")
    pod(kube, "no-fault", f"{NOW_S + 1}")
    del kube.objects[f"{PODS}/no-fault"]["metadata"]["labels"]["chaoslib-cp/fault"]
    with open_cluster(kube.settings()) as cluster:
        found = pods_at_work(cluster, "kube-system", NOW_S, 5)
        assert pods_at_work(cluster, "kube-system", NOW_S + 5, 5) == []
    assert found == [
        WorkingPod("r", FAULT, "Pod kube-system/works", NOW_S + 1),
        WorkingPod("q", FAULT, "Pod kube-system/runs", NOW_S + 5),
    ]


def test_the_end_of_a_runs_pods_is_on_record_and_an_hour_away_at_most(kube: KubeObjects) -> None:
    """It is known before the first object is made; no fault lasts longer."""
    log = UndoLog.create(undo_folder(), "r", {}, ManualClock())
    log.intend(observed("x"))
    log.intend(to_delete("ConfigMap", "kube-system", "agent", "r"))
    assert last_end_s(log) == 0.0
    log.intend(to_delete("DaemonSet", "kube-system", "agent", "r", ends_at_epoch_s=NOW_S + 60))
    assert last_end_s(log) == NOW_S + 60
    log.intend(to_delete("DaemonSet", "kube-system", "agent", "r", ends_at_epoch_s=NOW_S + 9999))
    assert last_end_s(log) == NOW_S + 3600
    assert kube.server.requests == []


def test_pods_carry_their_end_beside_the_daemonset(kube: KubeObjects) -> None:
    """They outlive it."""
    rolled_out(kube, ManualClock())
    kube.control_daemonsets()
    ends = {one["metadata"]["annotations"]["chaoslib-cp/ends-at-epoch-s"] for one in pods(kube)}
    assert ends == {f"{NOW_S + 600:.0f}"}


def pods(kube: KubeObjects) -> list[dict[str, Any]]:
    """Agents' pods."""
    return [one for path, one in kube.objects.items() if "/pods/" in path]


def test_recovery_waits_for_the_pods(kube: KubeObjects) -> None:
    """The DaemonSet is gone at once, its pods some calls later: only then is anything called healed."""
    clock = ManualClock()
    rolled_out(kube, clock, pods_outlive_by=12)
    kube.control_daemonsets()
    assert len(pods(kube)) == 2
    report = recover(timeout_s=60, clock=clock)
    assert report["healed"] is True
    assert pods(kube) == []
    assert 0 < sum(clock.slept_s) < 60
    assert [item["outcome"] for item in report["logs"][0]["items"]] == [
        "already gone",
        *["deleted"] * 3,
        "already gone",
    ]


def test_pods_that_stay_are_a_problem_until_their_own_end(kube: KubeObjects) -> None:
    """The log stays open, so recover fails again and the gate refuses; after their end they carry no load."""
    clock = ManualClock()
    rolled_out(kube, clock)
    report = recover(timeout_s=100, clock=clock)
    assert report["healed"] is False
    items = {item["object"]: item for item in report["logs"][0]["items"]}
    assert {name for name, item in items.items() if not item["closed"]} == {
        "DaemonSet kube-system/chaoslib-cp-agent-rollout-1",
        "ServiceAccount kube-system/telemetry-agent",
    }
    says = (
        "2 pods of its run are still at work, first Pod kube-system/chaoslib-cp-agent-rollout-1-a-uid-5; they end by "
    )
    assert f"already gone, but {says}themselves within 500 s" in str(items)
    assert open_logs(clock) == ["r"]
    with pytest.raises(TargetRefused, match="run r left 2 things in this cluster"):
        check_gate(read_settings(settings(kube, "next")), clock)
    clock.pass_s(499)
    assert recover(timeout_s=0, clock=clock)["healed"] is False
    clock.pass_s(1)
    assert recover(timeout_s=0, clock=clock)["healed"] is True
    assert check_gate(read_settings(settings(kube, "next")), clock)
    assert len(pods(kube)) == 2


def test_pods_of_an_agent_that_the_administrator_removed_are_waited_for_too(kube: KubeObjects) -> None:
    """Its DaemonSet's entry is closed; the ServiceAccount's is the last, and stands for them."""
    clock = ManualClock()
    rolled_out(kube, clock)
    log = UndoLog.read(undo_folder() / "r.jsonl", clock)
    [number] = [item.number for item in log.items() if "DaemonSet" in str(item.entry)]
    kube.control_daemonsets()
    del kube.objects["/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"]
    log.done(number, "deleted by the administrator")
    assert recover(timeout_s=0, clock=clock)["healed"] is False
    [left] = log.open_items()
    assert str(left.entry) == "ServiceAccount kube-system/telemetry-agent"


def test_agents_of_another_run_are_not_waited_for(kube: KubeObjects) -> None:
    """They are that run's."""
    clock = ManualClock()
    rolled_out(kube, clock, pods_outlive_by=0)
    pod(kube, "theirs", f"{NOW_S + 600}", run="theirs")
    assert recover(timeout_s=0, clock=clock)["healed"] is True


@pytest.mark.parametrize("answer", [Answer(403), Answer(500), Answer(429)])
def test_pods_that_nobody_could_look_for_are_not_called_gone(kube: KubeObjects, answer: Answer) -> None:
    """Until the end of the agents; each identity is asked, and one that may look is enough."""
    clock = ManualClock()
    rolled_out(kube, clock, pods_outlive_by=0)
    kube.fail_next("GET", PODS, answer, times=99)
    report = recover(timeout_s=0, clock=clock)
    assert report["healed"] is False
    assert "was not deleted: runner" in str(report) or "was not deleted: GET" in str(report)
    kube.heal()
    kube.fail_next("GET", PODS, answer, times=99, who="runner")
    assert recover(timeout_s=0, clock=clock)["healed"] is True


def test_once_the_agents_have_ended_nobody_looks_for_their_pods(kube: KubeObjects) -> None:
    """A pod on a dead node must not keep a log open for ever."""
    clock = ManualClock()
    rolled_out(kube, clock)
    clock.pass_s(600)
    assert recover(timeout_s=0, clock=clock)["healed"] is True
    assert PODS not in [request.path for request in kube.server.requests[-8:]]


def test_the_gate_refuses_while_agents_of_an_earlier_run_are_at_work(kube: KubeObjects) -> None:
    """Stopping took everything back, the controllers are behind: the next run would measure both."""
    clock = ManualClock(time.time())  # noqa: TID251 - stop takes the real clock
    rolled_out(kube, clock)
    assert stop_agent_rollout(timeout_s=0.0, configuration=settings(kube))["details"]["undone"] == 5
    says = r"^Pod kube-system/chaoslib-cp-agent-rollout-1-a-uid-5 in https.* is of run r and still at work; nothing"
    with pytest.raises(TargetRefused, match=says + " was changed; wait for it: it ends by itself in (589|590) s"):
        check_gate(read_settings(settings(kube, "next")), clock)
    assert len(pods(kube)) == 2
    clock.pass_s(601)
    assert check_gate(read_settings(settings(kube, "next")), clock)


def test_the_gate_waits_for_pods_that_are_about_to_be_collected(kube: KubeObjects) -> None:
    """A controller that was a little behind made a pod of a DaemonSet that was just deleted: gone within a second."""
    clock = ManualClock()
    pod(kube, "late", f"{NOW_S + 600}", owner="gone", outlives_by=25)
    kube.pods_outlive_by = 0
    assert check_gate(read_settings(settings(kube, "next")), clock)
    assert 0 < sum(clock.slept_s) < 10


def test_the_gate_waits_ten_seconds_and_no_longer(kube: KubeObjects) -> None:
    """In looks of half a second."""
    clock = ManualClock()
    clock.pass_s(100)
    pod(kube, "agent", f"{NOW_S + 600}")
    with pytest.raises(TargetRefused, match="it ends by itself in 490 s"):
        check_gate(read_settings(settings(kube, "next")), clock)
    assert clock.slept_s == [0.5] * 20


def test_the_gate_looks_where_rollouts_of_the_last_hour_were(kube: KubeObjects) -> None:
    """In kube-system always; elsewhere only while agents may be at work there, and only in this cluster."""
    finished_log("r", namespace="x")
    finished_log("long-over", namespace="y", ends_in_s=0)
    finished_log("theirs", namespace="z", cluster_uid="other")
    assert check_gate(read_settings(settings(kube, "next")), ManualClock())
    assert selected(kube.server.requests) == {PODS, "/api/v1/namespaces/x/pods"}
    pod(kube, "agent", f"{NOW_S + 60}", namespace="x")
    with pytest.raises(TargetRefused, match="Pod x/agent"):
        check_gate(read_settings(settings(kube, "next")), ManualClock())
    kube.fail_next("GET", "/api/v1/namespaces/x/pods", Answer(403))
    with pytest.raises(TargetRefused, match="403"):
        check_gate(read_settings(settings(kube, "next")), ManualClock())


def selected(requests: list[Request]) -> set[str]:
    """Lists of agents' pods that were asked for."""
    return {
        one.path
        for one in requests
        if one.path.endswith("/pods") and "chaoslib-cp/fault" in one.query.get("labelSelector", "")
    }


def test_a_run_is_not_kept_from_its_own_cluster_by_agents_it_has_on_record(kube: KubeObjects) -> None:
    """Without a control the gate is passed again after a while; a use that was taken back is an earlier one."""
    clock = ManualClock()
    kube.pods_outlive_by = NEVER
    start(PLAN, kube.settings(), clock)
    clock.pass_s(60)
    assert check_gate(kube.settings(), clock).run == "adhoc-11111111"
    log = UndoLog.read(undo_folder() / "adhoc-11111111-1.jsonl", clock)
    for item in log.open_items():
        log.done(item.number, "deleted")
    del kube.objects["/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"]
    with pytest.raises(TargetRefused, match="is of run adhoc-11111111-1 and still at work"):
        check_gate(kube.settings(), clock)
    assert math.isclose(last_end_s(log), NOW_S + 600)
