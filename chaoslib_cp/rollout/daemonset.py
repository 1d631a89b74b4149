"""The objects of a telemetry agent's rollout: identity, rights, profile, and one pod on every node."""

import dataclasses
import re
from typing import Any

from chaoslib_cp.cluster.agents.pods import AgentPods
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.errors import ProfileInvalid

AGENT_ROLE = "telemetry-agent"
_RESOURCES = {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}}
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


@dataclasses.dataclass(frozen=True)
class AgentRollout:
    """What is rolled out where.

    Attributes:
        profile: What each agent asks for, with its absolute deadline set.
        service_account: Name of the ServiceAccount made for the agents.
        pods: The agents. Their namespace decides the priority level and flow they share: in kube-system they queue in
            front of CoreDNS and the controllers.
    """

    profile: LoadProfile
    service_account: str
    pods: AgentPods

    def manifests(self) -> list[dict[str, Any]]:
        """All objects in the order they are made; the one that starts the load comes last."""
        pods = self.pods
        subject = {"kind": "ServiceAccount", "name": self.service_account, "namespace": pods.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": pods.name}
        rbac = "rbac.authorization.k8s.io/v1"
        return [
            pods.object("v1", "ServiceAccount", self.service_account, namespaced=True),
            {**pods.object(rbac, "ClusterRole", pods.name), "rules": rules_for(self.profile)},
            {**pods.object(rbac, "ClusterRoleBinding", pods.name), "roleRef": role, "subjects": [subject]},
            pods.config_map(self.profile.as_dict()),
            pods.daemonset("load", self._pod_spec(), _RESOURCES),
        ]

    def _pod_spec(self) -> dict[str, Any]:
        return {
            "serviceAccountName": self.service_account,
            "tolerations": [{"operator": "Exists"}],
            "dnsPolicy": "Default",  # the agent finds the API by its Service address: it is no victim of DNS itself
        }


def rules_for(profile: LoadProfile) -> list[dict[str, Any]]:
    """The rights that the profile's requests need, and no more.

    Raises:
        ProfileInvalid: A path is one we do not grant (secrets, subresources, unknown); nothing was changed.
    """
    verbs: dict[tuple[str, str], set[str]] = {}
    plain: set[str] = set()
    for request in profile.requests:
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
