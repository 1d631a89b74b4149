"""The kinds of objects we make, where they live, and how one is created: on record first, then for real."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, CallFailed, Cluster
from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, UndoFailed

# Only these: an edited undo log cannot make us delete anything else. In the order in which a rollout makes them.
COLLECTIONS: Mapping[str, str] = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets",
}


def collection_path(object_kind: str, namespace: str) -> str:
    """API path of a kind's collection.

    Raises:
        UndoFailed: The kind is not one we make.
    """
    if object_kind not in COLLECTIONS:
        raise UndoFailed(f"{object_kind} is not a kind we create; it was left alone; the undo log was edited")
    return COLLECTIONS[object_kind].format(namespace=namespace)


def object_path(entry: DeleteObject) -> str:
    """API path of the object an entry is about."""
    return f"{collection_path(entry.object_kind, entry.namespace)}/{entry.name}"


def create(cluster: Cluster, log: UndoLog, manifest: Mapping[str, Any], timeout_s: float = DEFAULT_TIMEOUT_S) -> int:
    """Create one object of ours: undo entry on disk, then the call, then its UID on record.

    Args:
        cluster: As whom.
        log: The run's undo log.
        manifest: The object; it must carry the run label.
        timeout_s: Limit of the call.

    Returns:
        The number of its undo entry.

    Raises:
        TargetRefused: Not allowed, or an object of that name exists already; nothing was changed.
        ProfileInvalid: The API server does not accept it; nothing was changed.
        CallFailed: No answer; whether it exists is unknown and its entry stays open.
    """
    metadata = manifest["metadata"]
    entry = DeleteObject(
        manifest["kind"], metadata.get("namespace", ""), metadata["name"], metadata["labels"][RUN_LABEL]
    )
    path = collection_path(entry.object_kind, entry.namespace)
    number = log.intend(entry, manifest)
    try:
        answer = cluster.call("POST", path, body=manifest, timeout_s=timeout_s)
        cluster.expect_success(answer, f"create {entry}")
    except CallFailed as error:
        if not error.is_unknown:
            log.done(number, f"never made: {error.outcome}")
        raise
    except (TargetRefused, ProfileInvalid) as error:
        log.done(number, f"never made: {type(error).__name__}")
        raise
    log.note(number, uid=str((answer.json().get("metadata") or {}).get("uid") or ""))
    return number
