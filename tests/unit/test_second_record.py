"""A lost undo log is no loss: what was made carries enough to be found and taken back."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.connect import state_root
from chaoslib_cp.cluster.guard import check_gate
from chaoslib_cp.cluster.recover import open_logs, recover
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import start_agent_rollout
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.manual_clock import ManualClock

PROFILE = {"schema": 1, "name": "telemetry", "requests": [{"path": "/metrics", "period_s": 10.0}]}


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeObjects]:
    """A marked cluster that the environment names."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with KubeObjects(tmp_path / "kube") as fake:
        fake.mark()
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig))
        yield fake


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
    assert report["logs"][0]["items"][0]["object"] == "DaemonSet kube-system/chaoslib-cp-telemetry"
    assert ours(kube) == []
    assert recovered(later(3600)) == {"healed": True, "logs": []}


def test_a_run_that_may_be_played_from_elsewhere_is_left_alone_and_named(kube: KubeObjects) -> None:
    """Until its own end and a while after: another machine may hold its log."""
    rolled_out_and_log_lost(kube)
    report = recovered(later(60))
    assert not report["healed"]
    assert "run lost has 5 objects" in report["logs"][0]["problems"][0]
    assert "played from another machine" in report["logs"][0]["problems"][0]
    assert len(ours(kube)) == 5
    assert open_logs() == []


def test_another_machine_waits_for_the_end_of_a_run_then_heals_it_and_may_start(kube: KubeObjects) -> None:
    """The gate names the run and its end; ten minutes after that recover takes it back here, and the gate passes."""
    rolled_out_and_log_lost(kube)
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/here")
    for by_s in (0, 300, 3600):
        with pytest.raises(TargetRefused, match=r"run lost has DaemonSet .* from another machine"):
            check_gate(configuration, None, later(by_s))
        assert recovered(later(by_s))["healed"] == (by_s == 3600)
        if by_s < 3600:
            assert len(ours(kube)) == 5
    assert check_gate(configuration, None, later(3600)).run == "here"


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
    foreign = {"name": "theirs", "uid": "u", "labels": {"chaoslib-cp/run": run}}
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


def test_without_a_named_cluster_there_is_nowhere_to_look(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the default file in the home directory is not asked."""
    monkeypatch.delenv("KUBECONFIG")
    rolled_out = len(kube.server.requests)
    assert recovered(later(0)) == {"healed": True, "logs": []}
    assert len(kube.server.requests) == rolled_out
