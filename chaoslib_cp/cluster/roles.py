"""The rights the library asks an owner for. Exactly what a run uses.

The observer's single right (to read one ConfigMap) comes with the prober's manifest, where that ConfigMap is.
"""

from typing import Any

from chaoslib_cp.cluster.marker import MARKER_NAME
from chaoslib_cp.cluster.run import LIBRARY_NAMESPACE, OWNER_LABELS

RUNNER = "chaoslib-cp-runner"
_RBAC = "rbac.authorization.k8s.io"
# What an agent may be told to read. RBAC lets nobody grant what he does not hold, so the runner holds it as well; the
# gate itself looks at nodes, deployments and (for runs of other machines) daemonsets.
_AGENT_READS = (
    ("", ("configmaps", "endpoints", "events", "namespaces", "nodes", "pods", "services")),
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("coordination.k8s.io", ("leases",)),
    ("discovery.k8s.io", ("endpointslices",)),
)
_AGENT_URLS = ("/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version")


def role_manifests() -> list[dict[str, Any]]:
    """Namespace, roles and bindings for the user ``chaoslib-cp-runner``.

    Returns:
        Manifests in an order that can be applied one after the other.
    """
    return [
        _object("v1", "Namespace", LIBRARY_NAMESPACE),
        *_cluster_role(RUNNER, _runner_rules()),
        *_namespaced_role(RUNNER, "kube-system", [*_agent_objects(), *_dns_pods(), _marker()]),
        *_namespaced_role(RUNNER, LIBRARY_NAMESPACE, _agent_objects()),
    ]


def _runner_rules() -> list[dict[str, Any]]:
    reads = [
        {"apiGroups": [group], "resources": list(names), "verbs": ["get", "list", "watch"]}
        for group, names in _AGENT_READS
    ]
    roles = {
        "apiGroups": [_RBAC],
        "resources": ["clusterroles", "clusterrolebindings"],
        "verbs": ["create", "delete", "get"],
    }
    return [*reads, {"nonResourceURLs": list(_AGENT_URLS), "verbs": ["get"]}, roles]


def _agent_objects() -> list[dict[str, Any]]:
    verbs = ["create", "delete", "get"]
    return [
        {"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": verbs},
    ]


def _dns_pods() -> list[dict[str, Any]]:
    return [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get", "list"]}]


def _marker() -> dict[str, Any]:
    return {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [MARKER_NAME], "verbs": ["get"]}


def _object(version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(OWNER_LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _cluster_role(user: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**_object(f"{_RBAC}/v1", "ClusterRole", user), "rules": rules},
        {**_object(f"{_RBAC}/v1", "ClusterRoleBinding", user), **_binding("ClusterRole", user)},
    ]


def _namespaced_role(user: str, namespace: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**_object(f"{_RBAC}/v1", "Role", user, namespace), "rules": rules},
        {**_object(f"{_RBAC}/v1", "RoleBinding", user, namespace), **_binding("Role", user)},
    ]


def _binding(kind: str, user: str) -> dict[str, Any]:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": user},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
