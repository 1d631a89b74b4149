"""Agents load on while nobody has ended their pods: recovery waits for them, and no run begins beside them."""

import math
import time
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.agent_pods import agents_at_work, agents_end_s
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.entry import DeleteObject, ObserveOnly
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import stop_agent_rollout
from chaoslib_cp.rollout.start import StartPlan, start
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.profiles import PROFILE

PLAN = StartPlan(PROFILE, "telemetry-agent", "kube-system", 600.0, "image", "api_read", 60.0)
NOW_S = ManualClock().epoch_s()
NEVER = 1_000_000
PODS = "/api/v1/namespaces/kube-system/pods"
DAEMONSET = DeleteObject("DaemonSet", "kube-system", "agent", "r")


def pod(kube: KubeObjects, name: str, end: str | None, run: str = "r", **more: Any) -> None:
    """An agent's pod that says when it ends."""
    labels = {"chaoslib-cp/run": run, "chaoslib-cp/role": "telemetry-agent"}
    annotations = {} if end is None else {"annotations": {"chaoslib-cp/ends-at-epoch-s": end}}
    namespace = more.pop("namespace", "kube-system")
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    kube.objects[path] = {"metadata": {"name": name, "uid": name, "labels": labels, **annotations}, **more}


def settings(kube: KubeObjects, run: str = "r") -> dict[str, Any]:
    """Configuration of a run."""
    return kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}")


def rolled_out(kube: KubeObjects, clock: ManualClock, pods_outlive_by: int = NEVER) -> None:
    """Five objects, and the pods that the controller makes of them."""
    kube.pods_outlive_by = pods_outlive_by
    start(PLAN, read_settings(settings(kube)), clock)


def finished_log(run: str, cluster_uid: str = CLUSTER_UID, namespace: str = "kube-system", **notes: str) -> UndoLog:
    """What a run leaves that took everything back."""
    log = UndoLog.create(undo_folder(), run, {"cluster_uid": cluster_uid}, ManualClock())
    number = log.intend(DeleteObject("DaemonSet", namespace, "agent", run))
    log.note(number, uid="u", **notes)
    log.done(number, "deleted")
    return log


def test_an_agent_is_at_work_until_its_end(kube: KubeObjects) -> None:
    """By its own word, else by its run's; one that is over, has no role or no definite end is none."""
    pod(kube, "works", f"{NOW_S + 1}")
    pod(kube, "ended", f"{NOW_S}")
    pod(kube, "succeeded", f"{NOW_S + 1}", status={"phase": "Succeeded"})
    pod(kube, "failed", f"{NOW_S + 1}", status={"phase": "Failed"})
    pod(kube, "runs", f"{NOW_S + 5}", run="q", status={"phase": "Running"})
    pod(kube, "silent", None)
    pod(kube, "nonsense", "soon")
    pod(kube, "endless", "inf")
    pod(kube, "unknown", None, run="unknown")
    pod(kube, "elsewhere", f"{NOW_S + 1}", namespace="x")
    pod(kube, "no-role", f"{NOW_S + 1}")
    del kube.objects[f"{PODS}/no-role"]["metadata"]["labels"]["chaoslib-cp/role"]
    with open_cluster(kube.settings()) as cluster:
        found = agents_at_work(cluster, "kube-system", {"r": NOW_S + 9}, NOW_S, 5)
        assert agents_at_work(cluster, "kube-system", {}, NOW_S + 5, 5) == []
    assert found == [
        ("r", "Pod kube-system/works", NOW_S + 1),
        ("q", "Pod kube-system/runs", NOW_S + 5),
        *(("r", f"Pod kube-system/{name}", NOW_S + 9) for name in ("silent", "nonsense", "endless")),
    ]


@pytest.mark.parametrize(
    ("noted", "after_s"),
    [(None, 3600.0), (f"{NOW_S + 60}", 60.0), ("soon", 3600.0), ("nan", 3600.0), (f"{NOW_S + 9999}", 3600.0)],
)
def test_the_end_of_a_runs_agents_is_what_was_noted_and_an_hour_at_most(
    kube: KubeObjects, noted: str | None, after_s: float
) -> None:
    """A runner that was killed before it noted the end has told them no later one."""
    log = UndoLog.create(undo_folder(), "r", {}, ManualClock())
    assert agents_end_s(log) == 0.0
    log.intend(DeleteObject("ConfigMap", "kube-system", "agent", "r"))
    log.intend(ObserveOnly("x"))
    assert agents_end_s(log) == 0.0
    number = log.intend(DAEMONSET)
    if noted:
        log.note(number, deadline_epoch_s=noted)
    assert agents_end_s(log) == NOW_S + after_s
    log.note(log.intend(DAEMONSET), deadline_epoch_s=f"{NOW_S + 1}")
    assert agents_end_s(log) == NOW_S + after_s
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
        "DaemonSet kube-system/chaoslib-cp-telemetry",
        "ServiceAccount kube-system/telemetry-agent",
    }
    says = "2 agents of its run are still at work, first Pod kube-system/chaoslib-cp-telemetry-a-uid-5; they end by "
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
    del kube.objects["/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-telemetry"]
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
    assert stop_agent_rollout(timeout_s=0.0, configuration=settings(kube))["undone"] == 5
    says = r"^Pod kube-system/chaoslib-cp-telemetry-a-uid-5 in https.* is an agent of run r and still at work; nothing"
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


def test_the_gate_knows_the_end_of_silent_pods_from_the_log_of_their_run(kube: KubeObjects) -> None:
    """Pods of an earlier version say none; so do somebody else's, who must not be able to shut us out."""
    pod(kube, "agent", None)
    assert check_gate(read_settings(settings(kube, "next")), ManualClock())
    finished_log("r", deadline_epoch_s=f"{NOW_S + 60}")
    with pytest.raises(TargetRefused, match=r"Pod kube-system/agent in .* it ends by itself in 50 s"):
        check_gate(read_settings(settings(kube, "next")), ManualClock())
    assert check_gate(read_settings(settings(kube, "next")), ManualClock(NOW_S + 60))


def test_the_gate_looks_where_rollouts_of_the_last_hour_were(kube: KubeObjects) -> None:
    """In kube-system always; elsewhere only while agents may be at work there, and only in this cluster."""
    finished_log("r", namespace="x", deadline_epoch_s=f"{NOW_S + 60}")
    finished_log("long-over", namespace="y", deadline_epoch_s=f"{NOW_S}")
    finished_log("theirs", namespace="z", cluster_uid="other", deadline_epoch_s=f"{NOW_S + 60}")
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
    return {one.path for one in requests if "chaoslib-cp/role" in one.query.get("labelSelector", "")}


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
    del kube.objects["/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-telemetry"]
    with pytest.raises(TargetRefused, match="agent of run adhoc-11111111-1 and still at work"):
        check_gate(kube.settings(), clock)
    assert math.isclose(agents_end_s(log), NOW_S + 600)
