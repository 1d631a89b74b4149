"""Where the prober's page is, and what it runs: from its living pods, in IPv6 clusters as well."""

from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.prober import ProberFacts, find_prober, nameservers_of_pods
from tests.fakes.api_server import Answer, FakeApiServer, json_answer
from tests.fakes.kube_objects import KubeObjects

WHERE = "/api/v1/namespaces/chaoslib-cp"


@pytest.fixture(autouse=True)
def service(kube: KubeObjects) -> None:
    """Its NodePort."""
    spec = {"selector": {"a": "b"}, "ports": [{"nodePort": 30953}]}
    kube.objects[f"{WHERE}/services/workload-prober"] = {"metadata": {"name": "workload-prober"}, "spec": spec}


def add_pod(kube: KubeObjects, name: str, host: str, spec: dict[str, Any] | None = None, **status: Any) -> None:
    """One of its pods."""
    metadata = {"name": name, "labels": {"a": "b"}}
    kube.objects[f"{WHERE}/pods/{name}"] = {
        "metadata": metadata, "spec": spec or {}, "status": {"hostIP": host, **status},
    }  # fmt: skip


def found(kube: KubeObjects) -> ProberFacts:
    """What is known of it."""
    with open_cluster(kube.settings()) as cluster:
        return find_prober(cluster)


def test_an_ipv6_address_stands_in_brackets_before_its_port(kube: KubeObjects) -> None:
    """fd00::2:30953 would be another address."""
    add_pod(kube, "a", "fd00::2")
    add_pod(kube, "b", "192.0.2.7")
    assert found(kube).pages == ("[fd00::2]:30953", "192.0.2.7:30953")


def test_dead_probers_have_no_page(kube: KubeObjects) -> None:
    """An evicted pod keeps its node's address for days."""
    add_pod(kube, "evicted", "192.0.2.1", phase="Failed", reason="Evicted")
    add_pod(kube, "dying", "192.0.2.2")
    kube.objects[f"{WHERE}/pods/dying"]["metadata"]["deletionTimestamp"] = "2026-11-27T04:00:00Z"
    kube.add_node("silent", "Unknown")
    add_pod(kube, "lost", "192.0.2.3", {"nodeName": "silent"})
    assert found(kube) == ProberFacts()
    add_pod(kube, "living", "192.0.2.4")
    assert found(kube).pages == ("192.0.2.4:30953",)


def test_image_and_secret_are_the_probers_own(kube: KubeObjects) -> None:
    """Not those of what a service mesh puts beside it."""
    containers = [{"name": "istio-proxy", "image": "mesh"}, {"name": "prober", "image": "registry.example.org/cp:1"}]
    add_pod(kube, "a", "192.0.2.1", {"containers": containers, "imagePullSecrets": [{"name": "regcred"}]})
    assert found(kube) == ProberFacts(("192.0.2.1:30953",), "registry.example.org/cp:1", "regcred")


@pytest.mark.parametrize(
    "answer", [json_answer({"samples": []}), Answer(500), Answer(body=b"[]"), json_answer({"nameservers": 1})]
)
def test_a_page_that_tells_nothing_is_passed_over(answer: Answer) -> None:
    """A prober of an earlier version, or somebody else at that port; the next page is asked."""
    with FakeApiServer() as other, FakeApiServer() as prober:
        other.on("GET", "/", answer)
        prober.on("GET", "/", json_answer({"nameservers": ["fd00:10:96::a", "10.96.0.10"]}))
        pages = (f"127.0.0.1:{other.port}", f"127.0.0.1:{prober.port}")
        assert nameservers_of_pods(pages) == ("fd00:10:96::a", "10.96.0.10")
        assert nameservers_of_pods(pages[:1]) == ()
    assert nameservers_of_pods(("127.0.0.1:1",)) == ()
