"""What the farm may do: see pods and nodes, and act as the fake nodes.

Its certificate carries O=system:nodes as KWOK's does, so its calls run in priority level ``system``, where a
kubelet's calls run; neither RBAC nor NodeRestriction takes it for a node.
"""

from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.fill import node_name
from chaoslib_cp.testbed.kwok import cluster_role_for_user

USER = "chaoslib-cp-farm"
NODES_GROUP = "system:nodes"
# the most a cluster spec may ask for
MAX_FAKE_NODES = 1000
_ROLE = "chaoslib-cp-testbed-farm"


def node_user(node: str) -> str:
    """Return the user name of a node's kubelet."""
    return f"system:node:{node}"


def impersonation(node: str) -> dict[str, str]:
    """Return the headers with which a request counts as that node's, for authorization and for its flow."""
    return {"Impersonate-User": node_user(node), "Impersonate-Group": NODES_GROUP}


def manifests(fake_nodes: int = MAX_FAKE_NODES) -> list[Manifest]:
    """Return the ClusterRole and its binding; only fake nodes may be impersonated, so each is named."""
    users = [node_user(node_name(index)) for index in range(fake_nodes)]
    rules = [
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["users"], "resourceNames": users, "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": [NODES_GROUP], "verbs": ["impersonate"]},
    ]
    return cluster_role_for_user(_ROLE, USER, rules)
