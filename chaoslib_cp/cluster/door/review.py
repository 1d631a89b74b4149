"""May this identity do that? The API server is asked, and decides as it would for the request itself.

A review stores nothing in the cluster, and everybody may ask for one about himself (system:basic-user).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Access:
    """One thing that somebody may or may not do.

    Attributes:
        verb: For example ``delete``.
        group: API group, empty for the core.
        resource: For example ``daemonsets``; empty for a path that is no resource.
        namespace: Empty for the whole cluster.
        name: Of the one object that is meant; empty for any.
        path: A path that is no resource, for example ``/metrics``.
    """

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        what = self.path or f"{self.resource}.{self.group}".rstrip(".")
        return f"{self.verb} {what}{f' {self.name}' if self.name else ''}"


def may(cluster: Cluster, access: Access, timeout_s: float = DEFAULT_TIMEOUT_S) -> bool:
    """Ask whether an identity may do something.

    Args:
        cluster: As the identity.
        access: What.
        timeout_s: Limit of the one call.

    Raises:
        TargetRefused: It may not even ask.
        CallFailed: The API does not answer, so nobody knows.
    """
    if access.path:
        asked: dict[str, Any] = {"nonResourceAttributes": {"path": access.path, "verb": access.verb}}
    else:
        named = {"name": access.name} if access.name else {}
        wanted = {"verb": access.verb, "group": access.group, "resource": access.resource, **named}
        asked = {"resourceAttributes": {**wanted, "namespace": access.namespace}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": asked}
    answer = cluster.call("POST", _REVIEWS, body=review, timeout_s=timeout_s)
    cluster.expect_success(answer, "ask for its own rights")
    return (answer.json().get("status") or {}).get("allowed") is True


def accesses(rule: Mapping[str, Any], namespace: str = "") -> Iterator[Access]:
    """Everything that a rule of a Role allows.

    Args:
        rule: As a manifest has it.
        namespace: Of the Role; empty for a ClusterRole.
    """
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Access(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Access(verb, group, resource, namespace, name)
