"""Which cluster and contexts may be used at all: what the experiment says and what the environment says both bind."""

from typing import Any

import pytest

from chaoslib_cp.cluster.gate.allowed import pinned_uid
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock

UID, CONTEXTS = "CHAOSLIB_CP_CLUSTER_UID", "CHAOSLIB_CP_ALLOWED_CONTEXTS"


def settings(kube: KubeObjects, **more: Any) -> Settings:
    """Configuration of a run."""
    return kube.settings(chaoslib_cp_run_dir="/runs/r", **more)


def test_the_environment_binds_every_experiment(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file says, or does not say: the list in a profile holds for files of others, too."""
    everyone = "runner,admin,break-glass,observer"
    for name, wrong, right, says in (
        (CONTEXTS, "only-this", everyone, "'runner', used as runner, is not in CHAOSLIB_CP_ALLO"),
        (UID, "other", CLUSTER_UID, "this run is pinned to other"),
    ):
        monkeypatch.setenv(name, wrong)
        with pytest.raises(TargetRefused, match=says):
            check_gate(settings(kube, allowed_contexts=everyone), ManualClock())
        assert kube.writes() == []
        monkeypatch.setenv(name, right)
        assert check_gate(settings(kube), ManualClock())
    with pytest.raises(TargetRefused, match=r"configuration\.cluster_uid says a, CHAOSLIB_CP_CLUSTER_UID says 1111"):
        check_gate(settings(kube, cluster_uid="a"), ManualClock())
    with pytest.raises(TargetRefused, match=r"is not in configuration\.allowed_contexts"):
        check_gate(settings(kube, allowed_contexts="admin"), ManualClock())


@pytest.mark.parametrize(
    ("configured", "required", "pinned"),
    [("", "", ""), ("a", "", "a"), ("", "a", "a"), ("a", "a", "a"), (None, "a", "a")],
)
def test_a_cluster_is_pinned_by_whoever_names_it(
    configured: str | None, required: str, pinned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saying the same twice is no contradiction."""
    monkeypatch.setenv(UID, required)
    assert pinned_uid(read_settings({"cluster_uid": configured})) == pinned


def test_two_clusters_cannot_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file nor the environment gives way."""
    monkeypatch.setenv(UID, "b")
    with pytest.raises(TargetRefused, match=rf"^configuration\.cluster_uid says a, {UID} says b; nothing was changed"):
        pinned_uid(read_settings({"cluster_uid": "a"}))


def test_what_is_no_list_of_names_is_refused_where_it_stands(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that nobody can read must not be taken for none; an empty text says that there is none."""
    with pytest.raises(ProfileInvalid, match=r"^configuration\.allowed_contexts is 7; nothing was changed"):
        check_gate(settings(kube, allowed_contexts=7), ManualClock())
    monkeypatch.setenv(CONTEXTS, ",")
    with pytest.raises(ProfileInvalid, match=f"^{CONTEXTS} is ','; nothing was changed"):
        check_gate(settings(kube), ManualClock())
    monkeypatch.setenv(CONTEXTS, "")
    assert check_gate(settings(kube, allowed_contexts=""), ManualClock())
    with pytest.raises(TargetRefused, match=r"is not in configuration\.allowed_contexts \(XX\)"):
        check_gate(settings(kube, allowed_contexts="XX"), ManualClock())
