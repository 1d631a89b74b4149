"""The rights the library asks an owner for. Exactly what a run uses: tests/testbed/test_rights.py counts them.

The observer's two rights (to read one namespace, and the API server's metrics) come with the prober's manifest. What
Kubernetes gives everybody who is authenticated (system:discovery, system:basic-user: health, /version, reviews of
one's own rights) is not asked for again.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from chaoslib_cp.cluster.door import api_servers
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE, OWNER_LABELS
from chaoslib_cp.cluster.door.prober import PROBER_SERVICE
from chaoslib_cp.cluster.gate.marker import MARKER_NAME, MARKER_NAMESPACE
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE
from chaoslib_cp.fault import DNS_NAMESPACE, FaultKind

RUNNER = "chaoslib-cp-runner"
AGENT_READS = "chaoslib-cp-agent-reads"
AGENT_WRITES = "chaoslib-cp-agent-writes"
OF_AGENTS = (AGENT_READS, AGENT_WRITES)
"""Roles of what agents may be told to do, and the runner does not do itself."""
_RBAC = "rbac.authorization.k8s.io"
_SYSTEM = "kube-system"
_TAKE_BACK = ["delete", "get"]
AGENT_ACCOUNT = "telemetry-agent"
"""The agents' ServiceAccount, where nobody names another."""
DNS_CONFIG_MAPS = ("coredns", "rke2-coredns-rke2-coredns", "dns-default", "coredns-custom")
"""What kubeadm and most others, RKE2, and OpenShift call the ConfigMap of cluster DNS, and k3s and AKS that of what its
owner adds."""
NODE_CACHE_CONFIG_MAPS = ("node-local-dns", "nodelocaldns")
"""What NodeLocal DNSCache calls its own, and what kubespray calls it."""
_GRANTABLE = (
    ("", ("configmaps", "endpoints", "events", "namespaces", "nodes", "pods", "services")),
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("coordination.k8s.io", ("leases",)),
    ("discovery.k8s.io", ("endpointslices",)),
)


def object_name(fault: str) -> str:
    """Name of the objects that a fault makes.

    Args:
        fault: Its id, for example ``agent_rollout-1``.
    """
    return f"chaoslib-cp-{fault.replace('_', '-')}"


def object_names(kind: str) -> list[str]:
    """Names of what faults of a kind make, by their number in the run: RBAC lets a right be for these alone."""
    return [object_name(f"{kind}-{number}") for number in range(1, 10)]


ROLLOUTS = tuple(object_names("agent_rollout"))
"""Names of what rollouts make."""


def role_manifests(
    dns_namespace: str = _SYSTEM, agent_accounts: Sequence[str] = (AGENT_ACCOUNT,)
) -> list[dict[str, Any]]:
    """Namespace, roles and bindings for the user ``chaoslib-cp-runner``.

    ``chaoslib-cp-runner`` is what the library itself does. ``chaoslib-cp-agent-reads`` is what agents may be told to
    read; an owner whose profiles read less may cut it down. ``chaoslib-cp-agent-writes`` is what a load may be told to
    write, in a namespace that holds nothing else; an owner binds it to whoever plays such loads.

    Args:
        dns_namespace: Where the pods of cluster DNS are.
        agent_accounts: Names of ServiceAccounts that rollouts make.

    Returns:
        Manifests in an order that can be applied one after the other.
    """
    agents = _agent_objects(agent_accounts)
    return [
        _object("v1", "Namespace", LIBRARY_NAMESPACE),
        *_cluster_role(RUNNER, _runner_rules()),
        *_cluster_role(AGENT_READS, _agent_reads()),
        *_namespaced_role(
            RUNNER,
            _SYSTEM,
            [*agent_object_rules(agent_accounts), *_system(with_dns=dns_namespace == _SYSTEM)],
        ),
        *_namespaced_role(RUNNER, LIBRARY_NAMESPACE, [*agents, *_own_namespace()]),
        _object("v1", "Namespace", WRITES_NAMESPACE),
        {**_object(f"{_RBAC}/v1", "Role", AGENT_WRITES, WRITES_NAMESPACE), "rules": _agent_writes()},
        *_namespaced_role(RUNNER, MARKER_NAMESPACE, [_rule("", "configmaps", ["get"], MARKER_NAME)]),
        *_namespaced_role(
            RUNNER,
            api_servers.NAMESPACE,
            [_rule("discovery.k8s.io", "endpointslices", ["get"], api_servers.SLICE)],  # where each API server is
        ),
        *([] if dns_namespace == _SYSTEM else _namespaced_role(RUNNER, dns_namespace, _dns())),
    ]


def fault_roles(kinds: Iterable[FaultKind], dns_namespace: str = _SYSTEM) -> list[dict[str, Any]]:
    """Roles and bindings for what the runner needs for kinds of fault beyond the roles above.

    Args:
        kinds: Kinds of fault; they say what they need in ``rights``.
        dns_namespace: Where the pods of cluster DNS are.

    Returns:
        One role, with its binding, for each namespace of each kind; a ClusterRole where a rule names no namespace.
    """
    made = []
    for kind in kinds:
        name = f"{RUNNER}-{kind.name.replace('_', '-')}"
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for rule in kind.rights:
            namespace = str(rule.get("namespace") or "").replace(DNS_NAMESPACE, dns_namespace)
            rights = {key: value for key, value in rule.items() if key != "namespace"}
            by_namespace.setdefault(namespace, []).append(rights)
        for namespace, rules in by_namespace.items():
            made += _namespaced_role(name, namespace, rules) if namespace else _cluster_role(name, rules)
    return made


def _runner_rules() -> list[dict[str, Any]]:
    return [
        _rule("", "namespaces", ["get"], "kube-system"),  # its UID is the cluster's identity
        _rule("", "nodes", ["list"]),
        _rule("", "services", ["list"]),  # cluster DNS is known by its port, wherever it is
        _rule("apps", "daemonsets", ["list"]),  # rollouts of other machines, wherever they are
        _rule("batch", "jobs", ["list"]),  # and their loads from pods
        *_made(_RBAC, "clusterroles", ROLLOUTS),
        *_made(_RBAC, "clusterrolebindings", ROLLOUTS),
    ]


def _agent_reads() -> list[dict[str, Any]]:
    """Nobody can grant what he does not hold (source: Kubernetes documentation, RBAC, privilege escalation)."""
    reads = [_rule(group, name, ["get", "list", "watch"]) for group, names in _GRANTABLE for name in names]
    return [*reads, {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def _agent_writes() -> list[dict[str, Any]]:
    """Each pattern that writes needs its own; server-side apply creates and patches."""
    return [
        _rule("", "events", ["create"]),
        _rule("", "configmaps", ["create", "patch"]),
        _rule("coordination.k8s.io", "leases", ["create", "delete", "patch"]),
    ]


def agent_object_rules(agent_accounts: Sequence[str] = (AGENT_ACCOUNT,)) -> list[dict[str, Any]]:
    """What the runner needs where agents live: to make and take back their objects, and to see why none starts.

    Args:
        agent_accounts: Names of ServiceAccounts that rollouts make.
    """
    return [*_made("", "configmaps", ROLLOUTS), *_agent_objects(agent_accounts)]


def _agent_objects(agent_accounts: Sequence[str]) -> list[dict[str, Any]]:
    return [
        *_made("", "serviceaccounts", agent_accounts),
        *_made("apps", "daemonsets", ROLLOUTS),
        _rule("", "events", ["list"]),  # why no agent starts
    ]


def _made(group: str, resource: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """What is made and taken back; RBAC can say which names may be read and deleted, but not which may be made."""
    return [_rule(group, resource, ["create"]), _rule(group, resource, _TAKE_BACK, *names)]


def _system(with_dns: bool) -> list[dict[str, Any]]:
    dns = _dns() if with_dns else [_rule("", "pods", ["list"])]
    caches = _rule("", "configmaps", ["get"], *NODE_CACHE_CONFIG_MAPS)
    return [*dns, _rule("apps", "deployments", ["list"]), caches]


def _dns() -> list[dict[str, Any]]:
    # the configuration is read for its weaknesses; it holds no secret
    return [_rule("", "pods", ["delete", "list"]), _rule("", "configmaps", ["get"], *DNS_CONFIG_MAPS)]


def _own_namespace() -> list[dict[str, Any]]:
    return [
        _rule("", "services", ["get"], PROBER_SERVICE),
        _rule("", "pods", ["list"]),
        _rule("", "configmaps", ["create", *_TAKE_BACK]),  # profiles, undo records, what the cluster stands for
    ]


def _rule(group: str, resource: str, verbs: list[str], *only: str) -> dict[str, Any]:
    names = {"resourceNames": list(only)} if only else {}
    return {"apiGroups": [group], "resources": [resource], **names, "verbs": list(verbs)}


def _object(version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(OWNER_LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _cluster_role(name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**_object(f"{_RBAC}/v1", "ClusterRole", name), "rules": rules},
        {**_object(f"{_RBAC}/v1", "ClusterRoleBinding", name), **_binding("ClusterRole", name)},
    ]


def _namespaced_role(name: str, namespace: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**_object(f"{_RBAC}/v1", "Role", name, namespace), "rules": rules},
        {**_object(f"{_RBAC}/v1", "RoleBinding", name, namespace), **_binding("Role", name)},
    ]


def _binding(kind: str, role: str) -> dict[str, Any]:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": RUNNER}],
    }
