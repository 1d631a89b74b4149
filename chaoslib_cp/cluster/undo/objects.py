"""The kinds of Kubernetes objects that we make or edit, and where they live."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chaoslib_cp.errors import UndoFailed

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
# An object's name as the API server accepts it for these kinds (source: Kubernetes documentation, "Object Names and
# IDs": RFC 1123 subdomain; RBAC names also allow ":").
_NAME = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class ObjectKind:
    """One kind of objects.

    Attributes:
        collection: API path of all of its objects, with ``{namespace}`` where it has namespaces.
        we_create: Whether we make such objects, and so may delete ours.
        we_edit: Whether we may edit fields of somebody else's.
        has_pods: Whether pods are made by it or run as it; they outlive it for a while.
    """

    collection: str
    we_create: bool = False
    we_edit: bool = False
    has_pods: bool = False


# Only these, so that an edited undo log cannot make us touch anything else. Secrets never; and what says who may do
# what is not edited, so that no record of an edit can be used to widen it. Those that we create come in the order in
# which faults make them.
OBJECT_KINDS: Mapping[str, ObjectKind] = {
    "ServiceAccount": ObjectKind("/api/v1/namespaces/{namespace}/serviceaccounts", we_create=True, has_pods=True),
    "ClusterRole": ObjectKind(f"{_RBAC}/clusterroles", we_create=True),
    "ClusterRoleBinding": ObjectKind(f"{_RBAC}/clusterrolebindings", we_create=True),
    "ConfigMap": ObjectKind("/api/v1/namespaces/{namespace}/configmaps", we_create=True, we_edit=True),
    "Pod": ObjectKind("/api/v1/namespaces/{namespace}/pods", we_create=True, has_pods=True),
    "DaemonSet": ObjectKind(
        "/apis/apps/v1/namespaces/{namespace}/daemonsets", we_create=True, we_edit=True, has_pods=True
    ),
    "Job": ObjectKind("/apis/batch/v1/namespaces/{namespace}/jobs", we_create=True, has_pods=True),
    "Deployment": ObjectKind("/apis/apps/v1/namespaces/{namespace}/deployments", we_edit=True),
    "StatefulSet": ObjectKind("/apis/apps/v1/namespaces/{namespace}/statefulsets", we_edit=True),
    "Service": ObjectKind("/api/v1/namespaces/{namespace}/services", we_edit=True),
    "FlowSchema": ObjectKind(f"{_FLOW}/flowschemas", we_edit=True),
    "PriorityLevelConfiguration": ObjectKind(f"{_FLOW}/prioritylevelconfigurations", we_edit=True),
}


def created_kinds() -> dict[str, str]:
    """The kinds that we make: the path of each one's collection by its name."""
    return {name: kind.collection for name, kind in OBJECT_KINDS.items() if kind.we_create}


def collection_path(object_kind: str, namespace: str) -> str:
    """API path of a kind's collection.

    Raises:
        UndoFailed: It is a kind that we neither make nor edit.
    """
    if object_kind not in OBJECT_KINDS:
        raise UndoFailed(f"{object_kind} is not a kind we create or edit; it was left alone; the undo log was edited")
    return OBJECT_KINDS[object_kind].collection.format(namespace=namespace)


def object_path(object_kind: str, namespace: str, name: str) -> str:
    """API path of one object.

    Raises:
        UndoFailed: The kind is none that we touch, or a name is none that an object can have: the log was edited.
    """
    for text in (name, namespace or "a"):
        if not _NAME.fullmatch(text.replace("_", "-")):
            raise UndoFailed(f"undo entry names {text!r}, which is not an object name; the log was edited")
    return f"{collection_path(object_kind, namespace)}/{name}"


def said(object_kind: str, namespace: str, name: str) -> str:
    """An object as a person writes it: ``DaemonSet kube-system/name``."""
    return f"{object_kind} {namespace}/{name}" if namespace else f"{object_kind} {name}"


def group_and_resource(object_kind: str) -> tuple[str, str]:
    """API group (empty for the core) and resource of a kind, as rights name them."""
    path = collection_path(object_kind, "n").split("/")
    return (path[2] if path[1] == "apis" else ""), path[-1]
