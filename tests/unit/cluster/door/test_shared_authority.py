"""Clusters behind one host with one authority: what one of them lacks is not gone from the other."""

from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import remove_agent, start_agent_rollout, stop_agent_rollout
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import PROFILE

PATH = "/k8s/clusters/other"


@pytest.fixture
def settings(kube: KubeObjects, tmp_path: Path) -> Any:
    """A rollout in one cluster, then a kubeconfig whose contexts all lead to another behind the same host."""
    made = kube.configuration(chaoslib_cp_run_dir="/runs/r")
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=made)
    with KubeObjects(tmp_path / "other", uid="other") as other:
        kube.serve_below(PATH, other, "unused")
        kube.lead_to(PATH)
        yield made
        assert other.writes() == [] or {one.method for one in other.writes()} == {"DELETE"}


def ours(kube: KubeObjects) -> int:
    """How many objects of ours there are."""
    return sum("chaoslib-cp/run" in (one["metadata"].get("labels") or {}) for one in kube.objects.values())


def test_recover_keeps_what_it_did_not_find_in_another_cluster(kube: KubeObjects, settings: dict[str, Any]) -> None:
    """Its own cluster is not the one that answers, so "not found" closes nothing; led back, it heals."""
    report = recover(timeout_s=0)
    assert report["healed"] is False
    outcomes = [item["outcome"] for item in report["logs"][0]["items"]]
    assert all("is cluster other, the undo log is about cluster 1111" in outcome for outcome in outcomes)
    assert (open_logs(), ours(kube)) == (["r"], 5)
    with pytest.raises(TargetRefused, match="is cluster other"):
        leftovers(read_settings(settings))
    kube.lead_to("")
    assert recover(timeout_s=5)["healed"]
    assert (open_logs(), ours(kube)) == ([], 0)


def test_stop_and_the_administrator_keep_it_too(kube: KubeObjects, settings: dict[str, Any]) -> None:
    """Neither calls it done, and the administrator does not try for minutes."""
    with pytest.raises(ActivityFailed, match=r"5 of 5 changes of run r are still there.*is cluster other"):
        stop_agent_rollout(timeout_s=0.0, configuration=settings)
    with pytest.raises(ActivityFailed, match=r"as admin \(admin\) is cluster other"):
        remove_agent(timeout_s=60.0, configuration=settings)
    kube.lead_to("")
    assert stop_agent_rollout(configuration=settings)["details"]["undone"] == 5
    assert ours(kube) == 0
