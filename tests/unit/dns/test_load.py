"""A load of DNS lookups: what is made, what it asks for and never asks for, and how it is taken back."""

import json
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.dns.actions import start_dns_load, stop_dns_load
from chaoslib_cp.engine.load.lookup_profile import parse_lookup_profile
from chaoslib_cp.fault import Delivers, Ended, Expects, Injected, Standing, read
from chaoslib_cp.rollout.actions import remove_agent
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects

OURS = "/api/v1/namespaces/chaoslib-cp"
CONFIG_MAP = f"{OURS}/configmaps/chaoslib-cp-dns-load-1"
DAEMONSET = "/apis/apps/v1/namespaces/chaoslib-cp/daemonsets/chaoslib-cp-dns-load-1"


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """A cluster with four nodes, one of which workloads do not run on, and Services."""
    kube.add_nodes(4, kubernetes_io__os="linux")
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    kube.objects["/api/v1/nodes/node-0"]["spec"] = {"taints": [taint]}
    kube.objects["/api/v1/nodes/node-1"]["spec"] = {
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    }
    add_service(kube, "api", "shop")
    add_service(kube, "www", "shop", type="ExternalName", externalName="www.example.com")
    return kube


def add_service(kube: KubeObjects, name: str, namespace: str, **spec: Any) -> None:
    """Put a Service there."""
    made = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    kube.objects[f"/api/v1/namespaces/{namespace}/services/{name}"] = made


def settings(kube: KubeObjects) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/load-1")


def told(kube: KubeObjects) -> dict[str, Any]:
    """What agents are told."""
    decoded: dict[str, Any] = json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"])
    return decoded


def test_a_load_is_three_objects_and_goes_away_again(kube: KubeObjects) -> None:
    """What it delivers, when it ends, the share of each node; stop may be played again."""
    result = start_dns_load(rate_per_s=600, max_queries=3000, duration_s=60.0, configuration=settings(kube))
    injected = read(result)
    assert isinstance(injected, Injected)
    assert (injected.fault, injected.label, injected.lasts) == ("dns_load-1", "DNS load", True)
    assert injected.delivers == Delivers("agents", wanted=3, vantage="agent_load")
    assert injected.expects == (Expects("dns_cached", window_s=5.0),)
    kinds = ("ServiceAccount", "ConfigMap", "DaemonSet")
    assert injected.details["objects"] == [f"{kind} chaoslib-cp/chaoslib-cp-dns-load-1" for kind in kinds]
    profile = parse_lookup_profile(told(kube))
    assert (profile.rate_per_s, profile.max_queries) == (200.0, 1000)
    assert profile.deadline_epoch_s == injected.deadline_epoch_s
    assert profile.fault == injected.fault
    assert len(json.dumps(result)) < 4096
    assert {request.peer_name for request in kube.writes()} == {"user-runner"}
    stopped = stop_dns_load(configuration=settings(kube))
    assert (stopped["faults"], stopped["details"]["undone"]) == (["dns_load-1"], 3)
    assert not {CONFIG_MAP, DAEMONSET} & kube.objects.keys()
    assert read(stop_dns_load(configuration=settings(kube))) == Ended(
        (), "rollback", details={"undone": 0, "left": 0, "outcomes": {}}
    )
    assert open_logs() == []


def test_its_pods_ask_as_workloads_do(kube: KubeObjects) -> None:
    """The resolver that the kubelet gives to workloads, on their nodes alone; no token, and no rights."""
    start_dns_load(configuration=settings(kube))
    template = kube.objects[DAEMONSET]["spec"]["template"]
    assert template["spec"]["dnsPolicy"] == "ClusterFirst"
    assert template["spec"]["automountServiceAccountToken"] is False
    assert "tolerations" not in template["spec"]
    assert template["spec"]["containers"][0]["args"][0] == "dns-load"
    assert template["metadata"]["labels"]["chaoslib-cp/fault"] == "dns_load-1"


def test_it_asks_for_services_and_for_none_that_lead_elsewhere(kube: KubeObjects) -> None:
    """An ExternalName is an alias of somebody's name: cluster DNS would ask a public resolver for it."""
    start_dns_load(hot_names=3, configuration=settings(kube))
    profile = parse_lookup_profile(told(kube))
    assert profile.names == ("api.shop.svc",)
    assert profile.hot == ("api.shop.svc", "198-18-0-0.chaoslib-cp.pod", "198-18-0-1.chaoslib-cp.pod")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"names": ["www.shop.svc"]}, "names holds www.shop.svc: the Service is of type ExternalName .*; leave it out"),
        ({"names": ["a.www.shop.svc"]}, "names holds a.www.shop.svc: the Service is of type ExternalName"),
        ({"names": ["www.example.com"]}, "names holds 'www.example.com'; each is a name of the cluster"),
        ({"rate_per_s": 16_000}, "rate_per_s is 16000 for 3 nodes; nothing was changed; use at most 15000, 5000 for"),
        ({"rate_per_s": 50_000}, "rate_per_s is 50000; nothing was changed; use a number from 0.1 to 20000"),
        ({"duration_s": 4000}, "duration_s is 4000; nothing was changed"),
        ({"max_queries": 10**9}, "max_queries is 1000000000; nothing was changed"),
        ({"hot_names": 5000}, "hot_names is 5000, allowed are 1 to 2000"),
        ({"written": "loud"}, "written must be 'short' or 'full' or 'absolute', not 'loud'"),
        ({"clients": 1000}, "clients is 1000, allowed are 1 to 256"),
        ({"image": "no image!"}, "image is 'no image!', not an image name; nothing was changed"),
    ],
)
def test_what_a_load_refuses_it_does_not_begin(kube: KubeObjects, arguments: dict[str, Any], problem: str) -> None:
    """One line, and nothing was changed."""
    with pytest.raises(ActivityFailed, match=problem):
        start_dns_load(**arguments, configuration=settings(kube))
    assert kube.writes() == []


def test_without_a_node_for_workloads_nothing_is_begun(kube: KubeObjects) -> None:
    """Nobody would look anything up."""
    for number in range(4):
        del kube.objects[f"/api/v1/nodes/node-{number}"]
    with pytest.raises(ActivityFailed, match=r"no node of this cluster .*; nothing was changed"):
        start_dns_load(configuration=settings(kube))
    assert kube.writes() == []


def test_why_none_of_its_agents_starts_is_told(kube: KubeObjects) -> None:
    """As of a rollout, in the kubelet's own words."""
    made = start_dns_load(configuration=settings(kube))
    labels = kube.objects[DAEMONSET]["spec"]["template"]["metadata"]["labels"]
    waiting = {"reason": "ImagePullBackOff", "message": "unauthorized"}
    status = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]}
    metadata = {"name": "x", "namespace": "chaoslib-cp", "labels": labels}
    kube.objects[f"{OURS}/pods/x"] = {"metadata": metadata, "status": status}
    now = agents_standing(read_settings(settings(kube)), made["fault"])
    assert now == Standing(trouble="ImagePullBackOff: unauthorized")


@pytest.mark.parametrize("resource", ["serviceaccounts", "configmaps", "daemonsets"])
def test_what_could_not_be_taken_back_is_not_made(kube: KubeObjects, resource: str) -> None:
    """The right to delete is asked for first."""
    kube.denied.add(("runner", "delete", resource))
    with pytest.raises(ActivityFailed, match=r"may not delete .*; nothing was changed"):
        start_dns_load(configuration=settings(kube))
    assert kube.writes() == []


def test_a_load_that_fails_half_way_is_taken_back(kube: KubeObjects) -> None:
    """The DaemonSet is refused: the ConfigMap does not stay."""
    kube.fail_next("POST", "/apis/apps/v1/namespaces/chaoslib-cp/daemonsets", Answer(422))
    with pytest.raises(ActivityFailed):
        start_dns_load(configuration=settings(kube))
    assert CONFIG_MAP not in kube.objects
    assert open_logs() == []


def test_the_administrator_removes_rollouts_and_no_load(kube: KubeObjects) -> None:
    """It is another fault, whatever it is made of; recover takes it back."""
    start_dns_load(configuration=settings(kube))
    with pytest.raises(ActivityFailed, match="start_agent_rollout comes first"):
        remove_agent(timeout_s=1.0, configuration=settings(kube))
    assert DAEMONSET in kube.objects
    assert recover(timeout_s=5)["healed"]
    assert DAEMONSET not in kube.objects
