"""As whom agents ask, and what they are given for it: the reads of their profile, and no more."""

import re
from typing import Any

from chaoslib_cp.cluster.agents.pods import AgentPods
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.errors import ProfileInvalid

_RBAC = "rbac.authorization.k8s.io"
_CORE = re.compile(r"/api/v1/(?:namespaces/[^/]+/)?(?P<resource>[a-z]+)(?P<name>/[^/]+)?")
_GROUP = re.compile(
    r"/apis/(?P<group>[a-z0-9.-]+)/v[a-z0-9]+/(?:namespaces/[^/]+/)?(?P<resource>[a-z]+)(?P<name>/[^/]+)?"
)
_NON_RESOURCE = (
    "/metrics",
    "/livez",
    "/readyz",
    "/healthz",
    "/version",
    "/apis",
    "/openapi/v2",
    "/openapi/v3",
)
_FORBIDDEN = ("secrets",)


def reading_account(pods: AgentPods, service_account: str, profile: LoadProfile) -> list[dict[str, Any]]:
    """A ServiceAccount that may do what the profile asks for, in the order in which its objects are made.

    Raises:
        ProfileInvalid: As :func:`rules_for`.
    """
    subject = {"kind": "ServiceAccount", "name": service_account, "namespace": pods.namespace}
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": pods.name}
    return [
        pods.object("v1", "ServiceAccount", service_account, namespaced=True),
        {**pods.object(f"{_RBAC}/v1", "ClusterRole", pods.name), "rules": rules_for(profile)},
        {**pods.object(f"{_RBAC}/v1", "ClusterRoleBinding", pods.name), "roleRef": role, "subjects": [subject]},
    ]


def rules_for(profile: LoadProfile) -> list[dict[str, Any]]:
    """The rights that the profile's requests need, and no more.

    Raises:
        ProfileInvalid: A path is one we do not grant (secrets, subresources, unknown), or a request writes; nothing was
            changed.
    """
    verbs: dict[tuple[str, str], set[str]] = {}
    plain: set[str] = set()
    for number, request in enumerate(profile.requests):
        if request.is_write:
            raise ProfileInvalid(
                f"load profile: requests[{number}].pattern {request.pattern!r} writes, and agents in a cluster only "
                "read; nothing was changed; play it with start_api_overload or `chaos cp load`"
            )
        if request.path in _NON_RESOURCE:
            plain.add(request.path)
            continue
        match = _CORE.fullmatch(request.path) or _GROUP.fullmatch(request.path)
        if match is None or match["resource"] in _FORBIDDEN:
            raise ProfileInvalid(
                f"profile {profile.name} asks for {request.path}, which agents are never given; nothing was changed; "
                f"ask for a resource other than secrets, or one of {', '.join(_NON_RESOURCE)}"
            )
        what = match.groupdict().get("group", ""), match["resource"]
        verbs.setdefault(what, set()).add(_verb(request, bool(match["name"])))
    rules: list[dict[str, Any]] = [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(asked)}
        for (group, resource), asked in sorted(verbs.items())
    ]
    if plain:
        rules.append({"nonResourceURLs": sorted(plain), "verbs": ["get"]})
    return rules


def _verb(request: RequestSpec, is_of_one: bool) -> str:
    """The verb that a read is authorized as (source: Kubernetes documentation, Authorization, request attributes)."""
    if request.is_watch:
        return "watch"
    return "get" if is_of_one else "list"
