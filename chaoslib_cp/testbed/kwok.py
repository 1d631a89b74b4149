"""KWOK plays the kubelets of the fake nodes: status, Leases, pods that run. How it is started, and as whom."""

from importlib import resources
from pathlib import Path

import yaml

from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.fill import FAKE_NODE_LABELS
from chaoslib_cp.testbed.process import Component

USER = "kwok"
POD_CIDR = "10.245.0.0/16"
# a kubelet's: it renews after a quarter of this
LEASE_DURATION_S = 40
_STAGES = ("node.yaml", "pod.yaml")
_ROLE = "chaoslib-cp-testbed-kwok"


def component(program: str, kubeconfig: str, config: Path) -> Component:
    """Write KWOK's configuration and return how it is started.

    Args:
        program: path of the kwok program.
        kubeconfig: identity CN=kwok, O=system:nodes: its Leases and node status then run in priority level
            ``node-high`` and the rest in ``system``, as a kubelet's do, and not exempt as with kwokctl.
        config: file the configuration is written to.
    """
    config.write_text(configuration())
    flags = {
        "kubeconfig": kubeconfig,
        "config": str(config),
        "cidr": POD_CIDR,
        "manage-all-nodes": "false",
        "manage-nodes-with-label-selector": ",".join(f"{key}={value}" for key, value in FAKE_NODE_LABELS.items()),
        "node-lease-duration-seconds": str(LEASE_DURATION_S),
        "v": "WARN",
    }
    return Component("kwok", (program, *(f"--{flag}={value}" for flag, value in flags.items())))


def configuration() -> str:
    """Return KWOK's configuration with all stages, as one YAML file."""
    options = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            # KWOK's default of 4 workers would let Leases expire under overload where 200 kubelets each try alone
            "nodeLeaseParallelism": 256,
            "nodePlayStageParallelism": 16,
            "podPlayStageParallelism": 16,
            "podsOnNodeSyncParallelism": 8,
            "enableDebuggingHandlers": False,
        },
    }
    folder = resources.files("chaoslib_cp.testbed") / "kwok_stages"
    stages = [(folder / name).read_text() for name in _STAGES]
    return "---\n".join([yaml.safe_dump(options, sort_keys=False), *stages])


def manifests() -> list[Manifest]:
    """Return the rights KWOK needs and who has them."""
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status", "pods/status"], "verbs": ["patch", "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete", "patch", "update"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "list", "watch", "create", "patch", "update"],
        },
    ]
    return cluster_role_for_user(_ROLE, USER, rules)


def cluster_role_for_user(name: str, user: str, rules: list[Manifest]) -> list[Manifest]:
    """Return a ClusterRole and the binding that gives it to one user."""
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": name, "labels": {"app.kubernetes.io/managed-by": "chaoslib-cp"}}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        },
    ]
