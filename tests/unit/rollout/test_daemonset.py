"""The agent's objects: what is on every node, with which rights, and how it ends."""

import json
from typing import Any

import pytest

from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.agents.pods import AgentPods
from chaoslib_cp.cluster.agents.reads import rules_for
from chaoslib_cp.cluster.gate.roles import role_manifests
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec, parse_profile
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.rollout.daemonset import AgentRollout


def profile(*paths: str) -> LoadProfile:
    """A profile that asks for these."""
    return LoadProfile(tuple(RequestSpec(path) for path in paths), deadline_epoch_s=1_800_000_120.0)


def rollout(*paths: str) -> AgentRollout:
    """A rollout into kube-system."""
    pods = AgentPods("agent_rollout-1", "run-1", "kube-system", "telemetry-agent", 1_800_000_120.0, AgentImage("x:1"))
    return AgentRollout(profile(*(paths or ("/metrics",))), "telemetry-agent", pods)


def manifest(kind: str, *paths: str) -> dict[str, Any]:
    """One of its objects."""
    return next(one for one in rollout(*paths).manifests() if one["kind"] == kind)


def test_the_daemonset_which_starts_the_load_comes_last() -> None:
    """Whatever fails before it, no load has started."""
    kinds = [one["kind"] for one in rollout().manifests()]
    assert kinds == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet"]


def test_every_object_and_pod_carries_run_fault_and_role() -> None:
    """Cleaning up by label finds all of it."""
    labels = {
        "app.kubernetes.io/managed-by": "chaoslib-cp",
        "chaoslib-cp/role": "telemetry-agent",
        "chaoslib-cp/run": "run-1",
        "chaoslib-cp/fault": "agent_rollout-1",
    }
    assert all(one["metadata"]["labels"] == labels for one in rollout().manifests())
    assert manifest("DaemonSet")["spec"]["template"]["metadata"]["labels"] == labels


def test_the_profile_on_the_nodes_is_the_profile_with_its_absolute_deadline() -> None:
    """An agent that starts late, or again, still ends when the others do."""
    written = parse_profile(json.loads(manifest("ConfigMap")["data"]["profile.json"]))
    assert written == profile("/metrics")
    assert written.deadline_epoch_s == 1_800_000_120.0


def test_agents_run_on_every_node_whatever_its_taints() -> None:
    """The incident's rollout reached all nodes."""
    spec = manifest("DaemonSet")["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}, "the image runs nowhere else"


def test_the_pod_meets_the_restricted_pod_security_standard() -> None:
    """Source: Kubernetes documentation, Pod Security Standards, profile restricted."""
    spec = manifest("DaemonSet")["spec"]["template"]["spec"]
    container = spec["containers"][0]["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)


def test_agents_get_only_the_reads_the_profile_asks_for() -> None:
    """No verb that writes, no resource nobody asks for."""
    assert rules_for(profile("/metrics")) == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    assert rules_for(profile("/api/v1/pods", "/api/v1/namespaces/a/pods/b", "/apis/apps/v1/deployments")) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]},
    ]
    watch = {"schema": 1, "requests": [{"path": "/api/v1/nodes", "query": {"watch": "true"}}]}
    assert rules_for(parse_profile(watch)) == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["watch"]}]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/secrets", "/api/v1/namespaces/kube-system/secrets/x", "/api/v1/namespaces/a/pods/b/exec", "/debug/pprof"],
)
def test_paths_nobody_should_read_are_refused(path: str) -> None:
    """A load profile is no way to secrets."""
    with pytest.raises(ProfileInvalid, match="never given"):
        rules_for(profile(path))


def test_the_runner_may_grant_what_agents_are_given() -> None:
    """RBAC refuses to grant what the granter does not hold; no wildcard, no secret, no exec in what we ship."""
    shipped = [one for one in role_manifests() if one["metadata"]["name"] != "chaoslib-cp-agent-writes"]
    rules = [rule for one in shipped for rule in one.get("rules", [])]
    held = {
        (group, name) for rule in rules for group in rule.get("apiGroups", []) for name in rule.get("resources", [])
    }
    assert {("", "pods"), ("", "nodes"), ("apps", "daemonsets"), ("discovery.k8s.io", "endpointslices")} <= held
    assert not [pair for pair in held if "*" in pair or "secrets" in pair or pair[1].startswith("pods/")]
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert verbs == {"create", "delete", "get", "list", "watch"}
