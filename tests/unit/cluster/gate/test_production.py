"""Signs of production: each is found by name, label or size, and names that only resemble one are not."""

from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.production import MOST_NODES, Sign, production_signs
from chaoslib_cp.settings import MAX_NODES
from tests.fakes.api_server import json_answer
from tests.fakes.kube_objects import KubeObjects


def signs(kube: KubeObjects, max_nodes: int = MAX_NODES, **more: Any) -> list[Sign]:
    """Every sign of it."""
    with open_cluster(kube.settings(**more)) as cluster:
        return list(production_signs(cluster, max_nodes, 5.0))


def test_the_limits_are_those_the_documentation_names() -> None:
    """300 by default, 5000 at most."""
    assert (MAX_NODES, MOST_NODES) == (300, 5000)


@pytest.mark.parametrize("name", ["prod", "PROD2", "eu-production", "prd.west", "a_live_b", "live01"])
def test_words_that_say_production(kube: KubeObjects, name: str) -> None:
    """As a word of its own, whatever stands between the words."""
    kube.add_nodes(env=name)
    assert signs(kube) == [Sign("label", f"node node-0 says env={name}")]


@pytest.mark.parametrize("word", ["non", "not", "no", "pre"])
def test_words_that_take_it_back(kube: KubeObjects, word: str) -> None:
    """A guard that cries wolf gets switched off."""
    kube.add_nodes(env=f"{word}-prod")
    assert signs(kube) == []
    kube.add_nodes(env=f"{word}-eu-prod")
    assert len(signs(kube)) == 1


@pytest.mark.parametrize("key", ["env", "Environment", "acme.org/stage", "a/b/tier"])
def test_keys_that_name_a_stage(kube: KubeObjects, key: str) -> None:
    """The part behind the last slash counts; other keys may say what they like."""
    kube.add_nodes(1, **{"owner": "prod"})
    assert signs(kube) == []
    kube.objects["/api/v1/nodes/node-0"]["metadata"]["labels"] = {key: "prod"}
    assert signs(kube) == [Sign("label", f"node node-0 says {key}=prod")]


def test_annotations_count_and_labels_win_over_them(kube: KubeObjects) -> None:
    """A namespace or node has both, or neither."""
    metadata = kube.objects["/api/v1/namespaces/kube-system"]["metadata"]
    metadata["annotations"] = {"env": "prod"}
    assert signs(kube) == [Sign("label", "namespace kube-system says env=prod")]
    metadata["labels"] = {"env": "test"}
    assert signs(kube) == []


@pytest.mark.parametrize(
    "label",
    [
        "eks.amazonaws.com/nodegroup",
        "cloud.google.com/gke-nodepool",
        "kubernetes.azure.com/cluster",
        "oci.oraclecloud.com/fault-domain",
        "doks.digitalocean.com/node-pool",
    ],
)
def test_nodes_of_a_provider(kube: KubeObjects, label: str) -> None:
    """Each managed service marks its nodes."""
    kube.add_nodes(1, **{label: "a"})
    assert signs(kube) == [Sign("provider", f"node node-0 is a cloud provider's ({label}=a)")]


@pytest.mark.parametrize(
    "label", ["addonmanager.kubernetes.io/mode", "eks.amazonaws.com/component", "kubernetes.azure.com/managedby"]
)
def test_a_dns_deployment_that_is_kept_restored(kube: KubeObjects, label: str) -> None:
    """Its manager would undo what we do, or we would undo its work; another label is no sign."""
    kube.add_dns_deployment(team="dns")
    assert signs(kube) == []
    kube.objects["/apis/apps/v1/namespaces/kube-system/deployments/coredns"]["metadata"]["annotations"] = {label: "x"}
    assert signs(kube) == [
        Sign("managed-dns", f"Deployment kube-system/coredns belongs to an add-on manager ({label}=x)")
    ]


def test_names_of_context_and_server(kube: KubeObjects) -> None:
    """What a person would read on the command line."""
    kube.rename_context("runner", "eu-prod")
    assert signs(kube, runner_context="eu-prod") == [Sign("name", "the name of context eu-prod says production")]
    kube.serve_below("/k8s/clusters/prod", kube, "behind-rancher")
    server = f"https://127.0.0.1:{kube.server.port}/k8s/clusters/prod"
    assert signs(kube, runner_context="behind-rancher") == [
        Sign("name", f"the name of server {server} says production")
    ]


def test_a_list_that_was_cut_is_counted_whole(kube: KubeObjects) -> None:
    """Only one node more than the limit is asked for; the rest is told as a number."""
    node = {"metadata": {"name": "n"}}
    listed = {"metadata": {"remainingItemCount": 7}, "items": [node] * 4}
    kube.server.on("GET", "/api/v1/nodes", json_answer(listed))
    assert signs(kube, 11) == []
    assert signs(kube, 10) == [Sign("node-count", "it has 11 nodes, configuration.max_nodes allows 10")]
    asked = [request.query["limit"] for request in kube.server.requests if request.path == "/api/v1/nodes"]
    assert asked == ["12", "11"]


def test_only_the_dns_servers_are_looked_at(kube: KubeObjects) -> None:
    """Other Deployments of kube-system may be managed by whomever."""
    kube.add_dns_deployment(eks_amazonaws_com__component="x")
    metadata = kube.objects["/apis/apps/v1/namespaces/kube-system/deployments/coredns"]["metadata"]
    metadata["labels"]["k8s-app"] = "metrics"
    assert signs(kube) == []
