"""Rollouts on two clusters from one home folder: each is on record in a log of its own, and is taken back there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.gate.permit import permit_for
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.actions import remove_agent, start_agent_rollout, stop_agent_rollout
from chaoslib_cp.rollout.probes import rollout_progress
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.profiles import PROFILE

OTHER_UID = "22222222-3333-4444-5555-666666666666"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[KubeObjects]:
    """Another marked cluster."""
    with KubeObjects(tmp_path / "other", uid=OTHER_UID) as fake:
        fake.mark()
        yield fake


def ours(kube: KubeObjects) -> list[str]:
    """Runs by the label of everything we made."""
    labels = [one["metadata"].get("labels") or {} for one in kube.objects.values()]
    return [one["chaoslib-cp/run"] for one in labels if "chaoslib-cp/run" in one]


def roll_out(kube: KubeObjects, **more: Any) -> None:
    """Roll out."""
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=kube.configuration(**more))


def test_without_a_control_each_cluster_has_its_own_log_and_permit(kube: KubeObjects, other: KubeObjects) -> None:
    """The second rollout is not noted in the first one's log, and recover takes both back."""
    roll_out(kube)
    roll_out(other)
    assert sorted(open_logs()) == ["adhoc-11111111-1", "adhoc-22222222-1"]
    assert (ours(kube), ours(other)) == (["adhoc-11111111-1"] * 5, ["adhoc-22222222-1"] * 5)
    for one in (kube, other):
        with open_cluster(one.settings()) as cluster:
            permit = permit_for(read_settings(), cluster, "", SystemClock())
            assert permit is not None
            assert permit.cluster_uid == one.uid
    assert recover(timeout_s=5)["healed"]
    assert (ours(kube), ours(other), open_logs()) == ([], [], [])


def test_stop_takes_back_what_is_in_the_cluster_that_is_named(kube: KubeObjects, other: KubeObjects) -> None:
    """And leaves the other alone; so do the administrator and the probe."""
    roll_out(kube)
    roll_out(other)
    assert len(leftovers(other.settings())) == 5
    assert remove_agent(configuration=other.configuration())["faults"]
    assert stop_agent_rollout(configuration=other.configuration())["details"]["undone"] == 4
    assert leftovers(other.settings()) == []
    assert (len(ours(kube)), ours(other)) == (5, [])
    asked = len(kube.server.requests)
    rollout_progress(configuration=kube.configuration())
    assert len(kube.server.requests) == asked + 1
    assert stop_agent_rollout(configuration=kube.configuration())["details"]["undone"] == 5


def test_the_only_log_needs_no_name_and_of_two_one_must_be_named(kube: KubeObjects, other: KubeObjects) -> None:
    """Nobody is left with objects because he said nothing; nothing is taken back in the wrong cluster."""
    roll_out(kube)
    assert stop_agent_rollout()["details"]["undone"] == 5
    roll_out(kube)
    roll_out(other)
    with pytest.raises(ActivityFailed, match="no cluster was named"):
        stop_agent_rollout()
    assert (ours(kube), len(ours(other))) == (["adhoc-11111111-2"] * 5, 5)


def test_a_named_cluster_without_a_log_is_not_served_with_that_of_another(
    kube: KubeObjects, other: KubeObjects
) -> None:
    """Stopping there has nothing to do, and takes nothing back elsewhere."""
    roll_out(kube)
    assert stop_agent_rollout(configuration=other.configuration())["details"]["undone"] == 0
    assert stop_agent_rollout(configuration=kube.configuration(runner_context="admin"))["details"]["undone"] == 0
    assert len(ours(kube)) == 5


def test_two_clusters_under_one_kubeconfig_and_context_are_left_to_recover(
    kube: KubeObjects, other: KubeObjects
) -> None:
    """The file leads elsewhere since: which log is meant, nobody can tell; a finished one is not in question."""
    roll_out(kube)
    first = kube.kubeconfig.read_bytes()
    kube.kubeconfig.write_bytes(other.kubeconfig.read_bytes())
    roll_out(kube)
    assert len(ours(other)) == 5
    with pytest.raises(TargetRefused, match="adhoc-11111111-1, adhoc-22222222-1; nothing was changed; run `chaos cp"):
        undo_log_of_run(kube.settings(), ManualClock())
    assert not recover(timeout_s=0)["healed"]
    assert ours(other) == []
    found = undo_log_of_run(kube.settings(), ManualClock())
    assert found is not None
    assert found.run == "adhoc-11111111-1"
    kube.kubeconfig.write_bytes(first)
    assert stop_agent_rollout(configuration=kube.configuration())["details"]["undone"] == 5


def test_a_use_without_a_control_may_go_on_and_another_cluster_is_no_obstacle(
    kube: KubeObjects, other: KubeObjects
) -> None:
    """Its own open log is not something left over; in another run it is."""
    roll_out(kube)
    clock = ManualClock()
    assert check_gate(kube.settings(), clock).run == "adhoc-11111111"
    assert check_gate(other.settings(), clock).run == "adhoc-22222222"
    with pytest.raises(TargetRefused, match="run adhoc-11111111-1 left 5 things"):
        check_gate(kube.settings(chaoslib_cp_run_dir="/runs/r"), clock)


def test_one_run_id_on_two_clusters_is_refused_for_the_second(kube: KubeObjects, other: KubeObjects) -> None:
    """Two CI jobs may share a home folder, a second and a name."""
    roll_out(kube, chaoslib_cp_run_dir="/runs/r")
    with open_cluster(other.settings()):
        check_gate(other.settings(chaoslib_cp_run_dir="/runs/r"))
    with pytest.raises(ActivityFailed, match=r"is about cluster 1111.*nothing was changed; start a new run"):
        roll_out(other, chaoslib_cp_run_dir="/runs/r")
    assert other.writes() == []
    assert recover(timeout_s=5)["healed"]
    assert ours(kube) == []


def test_what_a_log_of_another_cluster_knows_is_not_known_of_this_one(
    kube: KubeObjects, other: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same run and names in two clusters, one log: the other cluster's objects are found by their labels."""
    roll_out(kube, chaoslib_cp_run_dir="/runs/r")
    other.objects.update({path: one for path, one in kube.objects.items() if path not in other.objects})
    with pytest.raises(TargetRefused, match=r"run r has DaemonSet .* no undo log here tells of it"):
        check_gate(other.settings(chaoslib_cp_run_dir="/runs/q"))
    monkeypatch.setenv("KUBECONFIG", str(other.kubeconfig))
    report = recover(timeout_s=5)
    assert "run r has 5 changes in" in report["logs"][-1]["problems"][0]
