"""Later actions go by the permit that the gate has left: for this run, this cluster and this time, without the API."""

import json
from pathlib import Path

import pytest
import yaml

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate, require_permit
from chaoslib_cp.cluster.gate.permit import permit_path, read_permit
from chaoslib_cp.errors import TargetRefused
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.disturbed_clock import DISTURBANCES, DisturbedClock
from tests.unit.cluster.gate.test_guard import RUN_DIR, no_mark, settings


def test_a_permit_lasts_for_a_run_and_without_a_control_for_an_action_and_the_next(kube: KubeObjects) -> None:
    """Four hours, a quarter of an hour: nothing ends a run that has no control."""
    clock = ManualClock()
    assert check_gate(settings(kube), clock).expires_epoch_s == clock.epoch_s() + 4 * 3600
    assert check_gate(kube.settings(), clock).expires_epoch_s == clock.epoch_s() + 900


def test_without_a_control_the_gate_is_passed_again_when_the_permit_has_ended(kube: KubeObjects) -> None:
    """Each use begins anew, so an old permit neither covers nor blocks."""
    clock = ManualClock()
    check_gate(kube.settings(), clock)
    clock.pass_s(901)
    with open_cluster(kube.settings()) as cluster:
        assert require_permit(cluster, kube.settings(), clock).expires_epoch_s == clock.epoch_s() + 900
        asked = len(kube.server.requests)
        require_permit(cluster, kube.settings(), clock)
    assert len(kube.server.requests) == asked


def test_later_actions_check_the_permit_without_the_api(kube: KubeObjects) -> None:
    """In the storm the gate cannot be asked again."""
    clock = ManualClock()
    check_gate(settings(kube), clock)
    asked = len(kube.server.requests)
    with open_cluster(settings(kube)) as cluster:
        assert require_permit(cluster, settings(kube), clock).cluster_uid == CLUSTER_UID
    assert len(kube.server.requests) == asked


def test_without_a_permit_an_action_passes_the_whole_gate_itself(kube: KubeObjects) -> None:
    """Somebody may have forgotten the control."""
    no_mark(kube)
    with open_cluster(settings(kube)) as cluster, pytest.raises(TargetRefused, match="not marked"):
        require_permit(cluster, settings(kube), ManualClock())


def test_a_permit_does_not_cover_another_time_address_or_cluster(kube: KubeObjects, tmp_path: Path) -> None:
    """Leave for one cluster is no leave for another, nor for ever."""
    clock = ManualClock()
    check_gate(settings(kube), clock)
    with open_cluster(settings(kube)) as cluster:
        with pytest.raises(TargetRefused, match="this run is pinned to other"):
            require_permit(cluster, settings(kube, cluster_uid="other"), clock)
        clock.pass_s(24 * 3600)
        with pytest.raises(TargetRefused, match="expired"):
            require_permit(cluster, settings(kube), clock)
    with KubeObjects(tmp_path / "other") as other:
        elsewhere = other.settings(chaoslib_cp_run_dir=RUN_DIR)
        with (
            open_cluster(elsewhere) as cluster,
            pytest.raises(TargetRefused, match="another certificate authority"),
        ):
            require_permit(cluster, elsewhere, ManualClock())


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_no_clock_that_is_set_lengthens_a_permit(kube: KubeObjects, disturbance: str) -> None:
    """Four hours are four hours, on whichever clock they are over first."""
    clock = DisturbedClock(DISTURBANCES[disturbance], 10)
    check_gate(settings(kube), clock)
    with open_cluster(settings(kube)) as cluster:
        clock.pass_s(4 * 3600 - clock.monotonic_s())
        with pytest.raises(TargetRefused, match="expired"):
            require_permit(cluster, settings(kube), clock)


def test_a_permit_ends_with_the_machine_it_was_given_on(kube: KubeObjects) -> None:
    """After a restart the clock that is never set begins anew, and says nothing of before."""
    clock = ManualClock()
    clock.pass_s(500)
    check_gate(settings(kube), clock)
    with (
        open_cluster(settings(kube)) as cluster,
        pytest.raises(TargetRefused, match="before this machine was"),
    ):
        require_permit(cluster, settings(kube), ManualClock(clock.epoch_s() + 60))


@pytest.mark.parametrize("content", ["", "[]", '{"run": 1}', '{"run": "x"', "null"])
def test_a_permit_that_is_not_ours_counts_as_none(kube: KubeObjects, content: str) -> None:
    """A damaged file must not be leave to break things."""
    check_gate(settings(kube), ManualClock())
    permit_path(settings(kube).run).write_text(content)
    assert read_permit(settings(kube).run) is None


def test_a_permit_others_could_have_written_counts_as_none(kube: KubeObjects) -> None:
    """Mode 0666 means anybody could have planted it."""
    check_gate(settings(kube), ManualClock())
    path = permit_path(settings(kube).run)
    path.chmod(0o666)
    assert read_permit(settings(kube).run) is None


def test_a_permit_ends_with_the_owners_mark(kube: KubeObjects) -> None:
    """The owner said until when."""
    clock = ManualClock()
    kube.mark(expires_epoch_s=clock.epoch_s() + 60)
    assert check_gate(settings(kube), clock).expires_epoch_s == clock.epoch_s() + 60


def test_a_permit_holds_no_secret(kube: KubeObjects) -> None:
    """It lies on disk."""
    check_gate(settings(kube), ManualClock())
    content = json.loads(permit_path(settings(kube).run).read_text())
    assert set(content) == {
        "run",
        "cluster_uid",
        "ca_sha256",
        "server",
        "context",
        "addresses",
        "owner",
        "expires_epoch_s",
        "granted_boot_s",
        "expires_boot_s",
        "prober_pages",
        "dns_pods",
        "dns_namespace",
        "dns_selector",
        "dns_addresses",
        "dns_doubt",
        "prober_image",
        "prober_pull_secret",
        "api_servers",
    }


@pytest.mark.parametrize(("marked", "says"), [(False, "not marked as a test cluster"), (True, "looks like production")])
def test_a_permit_of_one_cluster_covers_no_other_behind_the_same_address_and_authority(
    kube: KubeObjects, tmp_path: Path, marked: bool, says: str
) -> None:
    """Rancher and Teleport: one host, one CA, the cluster in the path; the whole gate is passed for each of them."""
    with KubeObjects(tmp_path / "prod", uid="of-production") as prod:
        if marked:
            prod.mark()
        kube.serve_below("/k8s/clusters/prod", prod, "prod")
        with open_cluster(kube.settings()) as cluster:
            require_permit(cluster, kube.settings(), ManualClock())
        there = kube.settings(runner_context="prod")
        with open_cluster(there) as cluster, pytest.raises(TargetRefused, match=says):
            require_permit(cluster, there, ManualClock())
        controlled = settings(kube)
        check_gate(controlled, ManualClock())
        with (
            open_cluster(settings(kube, runner_context="prod")) as cluster,
            pytest.raises(TargetRefused, match=r"the permit is for .* by context runner, not .*/prod by context prod"),
        ):
            require_permit(cluster, controlled, ManualClock())
        assert prod.writes() == []


def test_the_list_of_contexts_counts_for_every_action(kube: KubeObjects) -> None:
    """A permit may have been given before there was a list."""
    check_gate(settings(kube), ManualClock())
    listed = settings(kube, allowed_contexts="eu-test")
    asked = len(kube.server.requests)
    with (
        open_cluster(listed) as cluster,
        pytest.raises(TargetRefused, match="'runner', used as runner, is not"),
    ):
        require_permit(cluster, listed, ManualClock())
    assert len(kube.server.requests) == asked


def without(kube: KubeObjects, **facts: object) -> None:
    """Take the authority out of the kubeconfig and put something else there."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    del cluster["certificate-authority"]
    cluster.update({key.replace("_", "-"): value for key, value in facts.items()})
    kube.kubeconfig.write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("facts", [{}, {"insecure_skip_tls_verify": True}, {"server": "http://127.0.0.1:1"}])
def test_a_connection_without_an_enforced_authority_is_refused_before_anything_is_sent(
    kube: KubeObjects, facts: dict[str, object]
) -> None:
    """Whoever answers at the address would pass for the cluster, also when a permit is used."""
    check_gate(settings(kube), ManualClock())
    asked = len(kube.server.requests)
    without(kube, **facts)
    says = "nothing proves that .* nothing was changed; use https and give the cluster's CA"
    with pytest.raises(TargetRefused, match=says):
        check_gate(settings(kube), ManualClock())
    with open_cluster(settings(kube)) as cluster, pytest.raises(TargetRefused, match=says):
        require_permit(cluster, settings(kube), ManualClock())
    assert len(kube.server.requests) == asked


def test_plain_http_is_no_connection_to_a_known_cluster_even_with_an_authority(kube: KubeObjects) -> None:
    """Nothing checks it there."""
    kube.kubeconfig.write_text(kube.kubeconfig.read_text().replace("https://", "http://"))
    with pytest.raises(TargetRefused, match="nothing proves that http://127"):
        check_gate(settings(kube), ManualClock())
    assert kube.server.requests == []
