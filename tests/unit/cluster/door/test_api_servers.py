"""Which API servers stand behind one address, as the cluster tells it."""

from typing import Any

import pytest

from chaoslib_cp.cluster.door.api_servers import find_api_servers
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"


def endpoints(*addresses: str, ports: tuple[int, ...] = (6443,)) -> dict[str, Any]:
    """The EndpointSlice that API servers register themselves in."""
    return {
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "endpoints": [{"addresses": [address]} for address in addresses],
        "ports": [{"name": "https", "port": port} for port in ports],
    }


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (endpoints("192.0.2.1", "192.0.2.2"), ("192.0.2.1:6443", "192.0.2.2:6443")),
        (endpoints("2001:db8::1"), ("[2001:db8::1]:6443",)),
        (endpoints("192.0.2.1", ports=()), ()),
        ({"metadata": {"name": "kubernetes"}, "endpoints": None, "ports": None}, ()),
        (None, ()),
    ],
)
def test_each_server_is_found_where_the_cluster_tells(
    kube: KubeObjects, told: dict[str, Any] | None, found: tuple[str, ...]
) -> None:
    """Several servers, IPv6, and a cluster that tells nothing."""
    if told is not None:
        kube.objects[SLICE] = told
    with open_cluster(kube.settings()) as cluster:
        assert find_api_servers(cluster) == found


def test_the_gate_notes_them(kube: KubeObjects) -> None:
    """In the storm nobody can ask."""
    kube.objects[SLICE] = endpoints("192.0.2.1", "192.0.2.2")
    assert check_gate(kube.settings(), ManualClock()).api_servers == ("192.0.2.1:6443", "192.0.2.2:6443")
