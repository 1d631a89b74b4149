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
        "lke.linode.com/pool-id",
        "ibm-cloud.kubernetes.io/worker-id",
        "ack.aliyun.com",
        "alibabacloud.com/nodepool-id",
        "k8s.scaleway.com/pool-name",
        "karpenter.sh/nodepool",
        "alpha.eksctl.io/nodegroup-name",
        "node.k8s.ovh/type",
        "node.tke.cloud.tencent.com/machineset",
        "cce.cloud.com/cce-nodepool",
        "vke.vultr.com/node-pool",
        "worker.gardener.cloud/pool",
        "machine.openshift.io/zone",
        "yandex.cloud/node-group-id",
    ],
)
def test_nodes_of_a_provider(kube: KubeObjects, label: str) -> None:
    """Each managed service marks its nodes."""
    kube.add_nodes(1, **{label: "a"})
    assert signs(kube) == [Sign("provider", f"node node-0 is a cloud provider's ({label}=a)")]


@pytest.mark.parametrize(
    "provider_id",
    [
        "aws:///eu-west-1a/i-0123456789abcdef0",
        "gce://project/europe-west1-b/gke-a",
        "azure:///subscriptions/1/resourceGroups/g/providers/p/virtualMachines/v",
        "digitalocean://123",
        "linode://123",
        "openstack:///1c9e0c8a-0000-0000-0000-000000000000",
        "vsphere://4201e0c8-0000-0000-0000-000000000000",
        "ibm://a///c/w",
        "ocid1.instance.oc1.eu-frankfurt-1.antheljt",
        "hcloud://123",
        "scaleway://instance/fr-par-1/1c9e0c8a",
        "cn-hangzhou.i-bp1abcdef",
        "alicloud://cn-hangzhou.i-bp1",
        "qcloud:///800002/ins-1",
        "1c9e0c8a-9a61-4d4b-8b3d-0123456789ab",
        "EQUINIXMETAL://1c9e",
        "a-cloud-of-tomorrow://1",
    ],
)
def test_nodes_that_a_provider_has_given_an_id(kube: KubeObjects, provider_id: str) -> None:
    """Self-managed nodes carry no label of a pool, but their cloud's name for the machine."""
    kube.objects["/api/v1/nodes/n"] = {"metadata": {"name": "n"}, "spec": {"providerID": provider_id}}
    assert signs(kube) == [Sign("provider", f"node n is a cloud provider's (providerID={provider_id})")]


@pytest.mark.parametrize(
    "provider_id", ["", "kind://docker/a/a-worker", "k3s://a", "rke2://a", "docker:////a", "kwok://a", "x"]
)
def test_nodes_on_somebodys_own_machine(kube: KubeObjects, provider_id: str) -> None:
    """A guard that cries wolf at kind gets switched off."""
    kube.objects["/api/v1/nodes/n"] = {"metadata": {"name": "n"}, "spec": {"providerID": provider_id}}
    assert signs(kube) == []


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
