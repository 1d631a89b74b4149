"""A lost undo log is no loss: what was made carries enough to be found and taken back."""

import json
import time
from typing import Any

import pytest

from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.engine.load.patterns.bodies import COLLECTIONS as WRITTEN
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.settings import read_settings
from chaoslib_cp.state import state_root
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels
from tests.scaffold.profiles import PROFILE


@pytest.fixture
def kube(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> KubeObjects:
    """A marked cluster that the environment names."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    return kube


def rolled_out_and_log_lost(kube: KubeObjects) -> None:
    """Five objects in the cluster, nothing on this disk."""
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=kube.configuration(chaoslib_cp_run_dir="/runs/lost"))
    for path in (state_root() / "undo").iterdir():
        path.unlink()


def ours(kube: KubeObjects) -> list[str]:
    """Names of everything we made."""
    return [path for path, one in kube.objects.items() if "chaoslib-cp/run" in (one["metadata"].get("labels") or {})]


def later(by_s: float) -> ManualClock:
    """The wall clock some time from now."""
    return ManualClock(time.time() + by_s)  # noqa: TID251 - the rollout took its deadline from the real clock


def recovered(clock: ManualClock) -> dict[str, Any]:
    """Recover at that time."""
    return recover(timeout_s=5, clock=clock)


def test_objects_without_an_undo_log_are_found_and_taken_back(kube: KubeObjects) -> None:
    """The disk of the runner may be gone; the labels in the cluster are not."""
    rolled_out_and_log_lost(kube)
    report = recovered(later(3600))
    assert report["healed"]
    assert report["logs"][0]["items"][0]["object"] == "DaemonSet kube-system/chaoslib-cp-agent-rollout-1"
    assert ours(kube) == []
    assert recovered(later(3600)) == {"healed": True, "logs": []}


def test_a_run_that_may_be_played_from_elsewhere_is_left_alone_and_named(kube: KubeObjects) -> None:
    """Until its own end and a while after: another machine may hold its log."""
    rolled_out_and_log_lost(kube)
    report = recovered(later(60))
    assert not report["healed"]
    assert "run lost has 5 changes" in report["logs"][0]["problems"][0]
    assert "played from another machine" in report["logs"][0]["problems"][0]
    assert len(ours(kube)) == 5
    assert open_logs() == []


def test_another_machine_waits_for_the_end_of_a_run_then_heals_it_and_may_start(kube: KubeObjects) -> None:
    """The gate names the run and its end; ten minutes after that recover takes it back here, and the gate passes."""
    rolled_out_and_log_lost(kube)
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/here")
    for by_s in (0, 300, 3600):
        with pytest.raises(TargetRefused, match=r"run lost has DaemonSet .* from another machine"):
            check_gate(read_settings(configuration), later(by_s))
        assert recovered(later(by_s))["healed"] == (by_s == 3600)
        if by_s < 3600:
            assert len(ours(kube)) == 5
    assert check_gate(read_settings(configuration), later(3600)).run == "here"


def test_what_an_undo_log_knows_is_undone_by_that_log_alone(kube: KubeObjects) -> None:
    """One way of undoing: the second record is for when the first is gone."""
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=kube.configuration(chaoslib_cp_run_dir="/runs/here"))
    report = recovered(later(3600))
    assert [log["run"] for log in report["logs"]] == ["here"]
    assert ours(kube) == []


@pytest.mark.parametrize("run", ["*", "lost"])
def test_a_foreign_object_with_a_label_like_ours_is_left_alone(kube: KubeObjects, run: str) -> None:
    """A value that we never write, or no end beside it: somebody else's business, and no obstacle to recovery."""
    rolled_out_and_log_lost(kube)
    foreign = {"name": "theirs", "uid": "u", "labels": labels(run)}
    kube.objects["/api/v1/namespaces/default/configmaps/theirs"] = {"metadata": foreign}
    assert recovered(later(3600))["healed"]
    assert ours(kube) == ["/api/v1/namespaces/default/configmaps/theirs"]


@pytest.mark.parametrize("answer", [Answer(403), Answer(500), Answer(429)])
def test_when_nobody_could_look_nothing_is_called_healed(kube: KubeObjects, answer: Answer) -> None:
    """Nothing found is not the same as not asked."""
    kube.fail_next("GET", "/apis/apps/v1/daemonsets", answer, times=9)
    report = recovered(later(0))
    assert not report["healed"]
    assert "could not look" in report["logs"][0]["problems"][0]


@pytest.mark.parametrize("answer", [Answer(403, body=b"{}"), Answer(503, body=b"{}")])
def test_where_nobody_can_tell_the_cluster_nothing_is_taken_for_ours(kube: KubeObjects, answer: Answer) -> None:
    """Without its UID no log could be written that is about this cluster and no other."""
    rolled_out_and_log_lost(kube)
    kube.fail_next("GET", "/api/v1/namespaces/kube-system", answer, times=99)
    report = recovered(later(3600))
    assert not report["healed"]
    assert "could not look" in report["logs"][0]["problems"][0]
    assert open_logs() == []
    assert len(ours(kube)) == 5


def test_without_a_named_cluster_there_is_nowhere_to_look(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the default file in the home directory is not asked."""
    monkeypatch.delenv("KUBECONFIG")
    rolled_out = len(kube.server.requests)
    assert recovered(later(0)) == {"healed": True, "logs": []}
    assert len(kube.server.requests) == rolled_out


def orphan(run: str, name: str, ends_at: str | None, uid: str = "u") -> dict[str, Any]:
    """A ConfigMap as a run leaves it, with the end it carries."""
    annotations = {} if ends_at is None else {"annotations": {"chaoslib-cp/ends-at-epoch-s": ends_at}}
    return {"metadata": {"name": name, "namespace": "default", "uid": uid, "labels": labels(run), **annotations}}


def test_ten_minutes_after_its_end_a_run_is_over(kube: KubeObjects) -> None:
    """The latest end of its objects counts; a second before, it is told how long to wait."""
    path = "/api/v1/namespaces/default/configmaps"
    kube.objects[f"{path}/a"] = orphan("r", "a", "1000.0", "ua")
    kube.objects[f"{path}/b"] = orphan("r", "b", "500.0", "ub")
    early = recovered(ManualClock(1599.0))
    assert [log["problems"][0].rpartition("here in ")[2] for log in early["logs"]] == ["1 s"]
    assert len(ours(kube)) == 2
    report = recovered(ManualClock(1600.0))
    [log] = report["logs"]
    assert (report["healed"], log["run"]) == (True, "r.found-1600")
    assert [item["object"] for item in log["items"]] == ["ConfigMap default/b", "ConfigMap default/a"]
    assert ours(kube) == []
    deletes = [request.json()["preconditions"]["uid"] for request in kube.writes()]
    assert deletes == ["ub", "ua"]
    header = json.loads((state_root() / "undo" / "closed" / "r.found-1600.jsonl").read_text().splitlines()[0])
    assert (header["cluster_uid"], header["kubeconfig"]) == (CLUSTER_UID, str(kube.kubeconfig))


def test_each_lost_run_has_a_log_of_its_own(kube: KubeObjects) -> None:
    """One that may still be played keeps no other from healing."""
    path = "/api/v1/namespaces/default/configmaps"
    kube.objects[f"{path}/a"] = orphan("over", "a", "1000.0")
    kube.objects[f"{path}/b"] = orphan("now", "b", "5000.0")
    kube.objects["/apis/rbac.authorization.k8s.io/v1/clusterroles/c"] = {
        "metadata": {**orphan("over", "c", "1000.0")["metadata"], "namespace": ""}
    }
    report = recovered(ManualClock(1700.0))
    assert report["healed"] is False
    assert [log["run"] for log in report["logs"]] == ["over.found-1700", "(no undo log)"]
    assert [item["object"] for item in report["logs"][0]["items"]] == ["ConfigMap default/a", "ClusterRole c"]
    assert ours(kube) == [f"{path}/b"]


@pytest.mark.parametrize("ends_at", ["nan", "inf", "-inf", "soon", None])
def test_an_object_without_a_definite_end_is_not_ours(kube: KubeObjects, ends_at: str | None) -> None:
    """We write none like that: with no time in it, it would be taken for over at once, or never."""
    path = "/api/v1/namespaces/default/configmaps/a"
    kube.objects[path] = orphan("r", "a", ends_at)
    assert recovered(later(3600)) == {"healed": True, "logs": []}
    assert ours(kube) == [path]


def test_a_pod_that_a_controller_made_is_no_object_of_its_own(kube: KubeObjects) -> None:
    """It goes with its DaemonSet; one that we made alone is deleted like everything else."""
    path = "/api/v1/namespaces/default/pods"
    kube.objects[f"{path}/alone"] = orphan("r", "alone", "1000.0", "ua")
    kube.objects[f"{path}/agent-x"] = orphan("r", "agent-x", "1000.0", "ub")
    kube.objects[f"{path}/agent-x"]["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "agent"}]
    [log] = recovered(later(3600))["logs"]
    assert "Pod default/alone" in [item["object"] for item in log["items"]]
    [deleted] = [request for request in kube.writes() if request.method == "DELETE"]
    assert (deleted.path, deleted.json()["gracePeriodSeconds"]) == (f"{path}/alone", 0)


def test_only_objects_of_ours_are_asked_for_wherever_they_are(kube: KubeObjects) -> None:
    """Every kind that we make, and pods of it, in all namespaces, by our label."""
    recovered(later(0))
    asked = [(request.path, request.query) for request in kube.server.requests[1:]]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    records = ("/api/v1/namespaces/chaoslib-cp/configmaps", "chaoslib-cp/role=undo-record,chaoslib-cp/run")
    assert [(path, query["labelSelector"]) for path, query in asked] == [
        *(
            (path, "chaoslib-cp/run,chaoslib-cp/fault")
            for path in (
                "/api/v1/serviceaccounts", f"{rbac}/clusterroles", f"{rbac}/clusterrolebindings",
                "/api/v1/configmaps", "/api/v1/pods", "/apis/apps/v1/daemonsets", "/apis/batch/v1/jobs",
            )
        ),
        *[records] * 2,  # edits, and settings
        *(  # what loads wrote
            (path, "chaoslib-cp/run,chaoslib-cp/fault,chaoslib-cp/ends-at-epoch-s") for path in WRITTEN.values()
        ),
        ("/api/v1/pods", "chaoslib-cp/run,chaoslib-cp/fault"),  # those that a dead node keeps
    ]  # fmt: skip
