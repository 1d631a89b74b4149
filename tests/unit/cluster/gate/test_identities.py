"""The gate looks at one cluster; every other identity of the run must lead to that one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.cluster.door.call import CallFailed
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.errors import TargetRefused
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

OTHERS = ["admin", "break-glass", "observer"]
SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[KubeObjects]:
    """A cluster of somebody else's, with an authority of its own."""
    with KubeObjects(tmp_path / "other", uid="of-another") as fake:
        yield fake


def gate(kube: KubeObjects) -> bool:
    """Pass the gate."""
    return bool(check_gate(kube.settings(chaoslib_cp_run_dir="/runs/r"), ManualClock()))


def lead(kube: KubeObjects, context: str, **cluster: Any) -> None:
    """Let a context of the kubeconfig lead elsewhere."""
    document = yaml.safe_load(kube.kubeconfig.read_text(encoding="utf-8"))
    document["clusters"].append({"name": "elsewhere", "cluster": {**document["clusters"][0]["cluster"], **cluster}})
    [chosen] = [one for one in document["contexts"] if one["name"] == context]
    chosen["context"]["cluster"] = "elsewhere"
    kube.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.mark.parametrize("identity", OTHERS)
def test_an_identity_with_another_authority_is_refused_before_it_is_asked(
    kube: KubeObjects, other: KubeObjects, identity: str
) -> None:
    """The observer would write there as an administrator, and the verdict would be about that cluster."""
    theirs = yaml.safe_load(other.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    lead(kube, identity, **theirs)
    says = rf"^context '{identity}', used as {identity}, leads to {theirs['server']}, .* another certificate authority"
    with pytest.raises(TargetRefused, match=says + ".*; nothing was changed; let it lead to https"):
        gate(kube)
    assert other.server.requests == []
    assert kube.writes() == []


def test_an_identity_that_checks_no_certificate_is_refused(kube: KubeObjects) -> None:
    """Whoever answers would pass for the cluster."""
    lead(kube, "admin", server=f"http://127.0.0.1:{kube.server.port}")
    with pytest.raises(TargetRefused, match=r"used as admin, leads to http:.*, or none"):
        gate(kube)


def test_another_address_of_the_same_cluster_is_told_by_its_uid(kube: KubeObjects) -> None:
    """Break-glass may go past the load balancer."""
    lead(kube, "break-glass", server=f"https://localhost:{kube.server.port}")
    assert gate(kube)
    asked = [one.peer_name for one in kube.server.requests if one.path == SYSTEM]
    assert asked.count("user-break-glass") == 1
    assert "user-admin" not in asked


@pytest.mark.parametrize("identity", OTHERS)
def test_another_cluster_behind_the_same_authority_is_refused(
    kube: KubeObjects, other: KubeObjects, identity: str
) -> None:
    """Rancher and Teleport: one host, one authority, the cluster in the path."""
    kube.serve_below("/k8s/clusters/prod", other, "prod")
    lead(kube, identity, server=f"https://127.0.0.1:{kube.server.port}/k8s/clusters/prod")
    with pytest.raises(
        TargetRefused, match=f"used as {identity}, .*/prod, .*: its kube-system has another UID; nothing"
    ):
        gate(kube)
    assert other.writes() == []


def test_where_an_identity_may_not_look_at_another_address_nobody_can_tell(kube: KubeObjects) -> None:
    """The observer has no right to read the UID: it takes the runner's address, or is refused."""
    assert gate(kube)
    lead(kube, "observer", server=f"https://localhost:{kube.server.port}")
    kube.fail_next("GET", SYSTEM, Answer(403), times=9, who="observer")
    with pytest.raises(
        TargetRefused, match=r"used as observer, .*: it may not read the UID.*; let it lead to https://127"
    ):
        gate(kube)


def test_an_identity_that_cannot_be_asked_at_another_address_keeps_the_gate_shut(kube: KubeObjects) -> None:
    """Nobody knows where it leads."""
    lead(kube, "admin", server=f"https://localhost:{kube.server.port}")
    kube.fail_next("GET", SYSTEM, Answer(503), times=9, who="admin")
    with pytest.raises(CallFailed, match=r"^admin \(admin\) could not read namespace kube-system: 503"):
        gate(kube)


def test_an_identity_without_a_context_is_not_used(kube: KubeObjects) -> None:
    """Its vantage points are not measured, and nobody is asked."""
    document = yaml.safe_load(kube.kubeconfig.read_text(encoding="utf-8"))
    document["contexts"] = [one for one in document["contexts"] if one["name"] == "runner"]
    kube.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert gate(kube)
