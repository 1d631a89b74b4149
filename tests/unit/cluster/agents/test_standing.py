"""Agents that do not start: why, in the words of the kubelet or of the API server."""

from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.fault import Standing
from chaoslib_cp.rollout.actions import start_agent_rollout, stop_agent_rollout
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import PROFILE

SYSTEM = "/api/v1/namespaces/kube-system"
DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"
NAME = "chaoslib-cp-agent-rollout-1"
QUOTA = 'Error creating: pods "chaoslib-cp-agent-rollout-1-x" is forbidden: exceeded quota: few-pods, requested: pods=1'
POLICY = 'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile'
WEBHOOK = 'Error creating: admission webhook "validate.kyverno.svc" denied the request: image is not signed'


@pytest.fixture
def told(kube: KubeObjects) -> Settings:
    """A run with a rollout."""
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/standing-1")
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=configuration)
    return read_settings(configuration)


def add_pod(kube: KubeObjects, **status: Any) -> None:
    """A pod of the rollout."""
    labels = kube.objects[DAEMONSET]["spec"]["template"]["metadata"]["labels"]
    metadata = {"name": f"{NAME}-x", "namespace": "kube-system", "labels": labels}
    kube.objects[f"{SYSTEM}/pods/{NAME}-x"] = {"metadata": metadata, "status": status}


def add_event(kube: KubeObjects, name: str, kind: str, message: str, reason: str = "FailedCreate", **more: Any) -> None:
    """An event of an object."""
    involved = {"kind": kind, "name": name}
    event = {"type": "Warning", "reason": reason, "message": message, "involvedObject": involved, **more}
    number = sum("/events/" in path for path in kube.objects)
    kube.objects[f"{SYSTEM}/events/{number}"] = {"metadata": {"name": f"{number}"}, **event}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """The status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerError", "no image chaoslib-cp:0.1.0"),
        ("ImagePullBackOff", 'Back-off pulling image "registry.example.org/cp:1": unauthorized'),
        ("ErrImagePull", "dial tcp 192.0.2.1:443: i/o timeout"),
        ("InvalidImageName", "couldn't parse image name"),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
        ("CrashLoopBackOff", "back-off 10s restarting failed container"),
    ],
)
def test_the_kubelets_own_words(kube: KubeObjects, told: Settings, reason: str, message: str) -> None:
    """Reason and message of a container that waits; one that is on its way has nothing to complain of."""
    add_pod(kube, **waiting("ContainerCreating"))
    assert agents_standing(told, "agent_rollout-1") == Standing()
    add_pod(kube, **waiting(reason, message))
    assert agents_standing(told, "agent_rollout-1") == Standing(trouble=f"{reason}: {message}")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"},
            "Evicted: The node was low",
        ),
        ({"phase": "Failed", "reason": "NodeAffinity"}, "NodeAffinity"),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ],
            },
            "Unschedulable: 0/1 nodes",
        ),
    ],
)
def test_the_pods_own_words(kube: KubeObjects, told: Settings, status: dict[str, Any], words: str) -> None:
    """Evicted, turned away by a kubelet, or taken by no node."""
    add_pod(kube, **status)
    assert agents_standing(told, "agent_rollout-1").trouble.startswith(words)


@pytest.mark.parametrize("message", [QUOTA, POLICY, WEBHOOK])
def test_the_api_servers_own_words(kube: KubeObjects, told: Settings, message: str) -> None:
    """A quota, Pod Security or a webhook: no pod is there that could say it, but the DaemonSet's events do."""
    add_event(kube, NAME, "DaemonSet", "older", lastTimestamp="2026-11-27T04:00:00Z")
    add_event(kube, NAME, "DaemonSet", message, lastTimestamp="2026-11-27T04:00:09Z")
    add_event(kube, "another", "DaemonSet", "not ours", lastTimestamp="2026-11-27T04:00:10Z")
    add_event(kube, NAME, "DaemonSet", "Created pod", "SuccessfulCreate", type="Normal", lastTimestamp="2027")
    now = agents_standing(told, "agent_rollout-1")
    assert now == Standing(trouble=f"FailedCreate: {message}", has_parts=False)


def test_what_keeps_a_container_from_being_created_is_in_the_pods_events(kube: KubeObjects, told: Settings) -> None:
    """A volume that cannot be mounted, a network that gives no address."""
    add_pod(kube, **waiting("ContainerCreating"))
    add_event(kube, f"{NAME}-x", "Pod", "failed to\nassign an IP address " + "x" * 400, "FailedCreatePodSandBox")
    trouble = agents_standing(told, "agent_rollout-1").trouble
    assert trouble.startswith("FailedCreatePodSandBox: failed to assign an IP address")
    assert len(trouble) == 300


def test_one_agent_that_runs_is_enough_and_so_is_the_end(kube: KubeObjects, told: Settings) -> None:
    """Then nobody asks again: two hundred nodes would be a load of their own."""
    kube.objects[DAEMONSET]["status"] = {"numberReady": 1, "desiredNumberScheduled": 9}
    asked = len(kube.server.requests)
    assert agents_standing(told, "agent_rollout-1") == Standing(has_begun=True)
    assert len(kube.server.requests) == asked + 1
    stop_agent_rollout(configuration=kube.configuration(chaoslib_cp_run_dir="/runs/standing-1"))
    assert agents_standing(told, "agent_rollout-1") == Standing(has_begun=True)


def test_a_cluster_without_a_linux_node_says_so(kube: KubeObjects, told: Settings) -> None:
    """The DaemonSet's controller has looked, and found none."""
    kube.objects[DAEMONSET]["status"] = {"observedGeneration": 1, "desiredNumberScheduled": 0}
    assert "kubernetes.io/os=linux" in agents_standing(told, "agent_rollout-1").trouble


def test_nothing_is_rolled_out_where_nobody_could_tell_why_it_does_not_start(kube: KubeObjects) -> None:
    """The right to read events comes with the roles."""
    kube.denied.add(("list", "events"))
    with pytest.raises(ActivityFailed, match=r"may not list a Event in kube-system.*nothing was changed"):
        start_agent_rollout(PROFILE, configuration=kube.configuration())
    assert kube.writes() == []
