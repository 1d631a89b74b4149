"""May this identity take back what it is about to make? Asked before the first object is made."""

from collections.abc import Iterable, Mapping
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.objects import collection_path
from chaoslib_cp.errors import TargetRefused

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Undo finds out whether an object is ours, then deletes it.
_VERBS = ("get", "delete")


def require_undo_rights(cluster: Cluster, manifests: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to make what could not be taken back; a review stores nothing in the cluster.

    Args:
        cluster: The identity that will undo.
        manifests: What is about to be made.

    Raises:
        TargetRefused: A right is missing; nothing was changed.
        CallFailed: The API does not answer, so nobody knows; nothing was changed.
    """
    kinds = {(one["kind"], one["metadata"].get("namespace", "")): None for one in manifests}
    for kind, namespace in kinds:
        for verb in _VERBS:
            if not _is_allowed(cluster, verb, kind, namespace):
                where = f" in {namespace}" if namespace else ""
                raise TargetRefused(
                    f"{cluster.identity} ({cluster.context or cluster.server}) may not {verb} a {kind}{where}, so it "
                    "could not be taken back; nothing was changed; apply the roles of `chaos cp manifests` (for "
                    "agents in kube-system and chaoslib-cp; elsewhere the runner needs such a Role, too)"
                )


def _is_allowed(cluster: Cluster, verb: str, kind: str, namespace: str) -> bool:
    path = collection_path(kind, namespace).split("/")
    attributes = {
        "verb": verb,
        "group": path[2] if path[1] == "apis" else "",
        "resource": path[-1],
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = cluster.call("POST", _REVIEWS, body=review)
    cluster.expect_success(answer, "ask for its own rights")
    return (answer.json().get("status") or {}).get("allowed") is True
