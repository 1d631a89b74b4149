"""The objects of a telemetry agent's rollout: identity, rights, profile, and one pod on every node.

Shape agreed with the agent (``chaoslib_cp/agent``): the profile is a ConfigMap key ``profile.json``, its state an
emptyDir, and it ends by itself at the profile's absolute deadline, whatever becomes of the API.
"""

import dataclasses
import json
import re
from typing import Any

from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, OWNER_LABELS, ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.nodes import LINUX, OS_LABEL
from chaoslib_cp.cluster.gate.agent_image import AGENT_IMAGE
from chaoslib_cp.cluster.gate.roles import object_name
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.errors import ProfileInvalid

AGENT_ROLE = "telemetry-agent"
_PROFILE_FOLDER = "/etc/chaoslib-cp"
_STATE_FOLDER = "/var/lib/chaoslib-cp"
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
        namespace: Where agent and ServiceAccount live. It decides the priority level and flow the agents share:
            in kube-system they queue in front of CoreDNS and the controllers.
        service_account: Name of the ServiceAccount made for the agents.
        run: Run id, for the labels.
        fault: Id of the fault, for the labels.
        image: Image that holds chaoslib_cp.
        image_pull_secret: Secret of that namespace with which it is pulled; empty for none.
    """

    profile: LoadProfile
    namespace: str
    service_account: str
    run: str
    fault: str
    image: str = AGENT_IMAGE
    image_pull_secret: str = ""

    @property
    def name(self) -> str:
        """Name of DaemonSet, ConfigMap, ClusterRole and binding: one that the runner's roles name (``roles.py``)."""
        return object_name(self.fault)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object and pod."""
        return {**OWNER_LABELS, ROLE_LABEL: AGENT_ROLE, RUN_LABEL: self.run, FAULT_LABEL: self.fault}

    @property
    def _ends_at(self) -> dict[str, str]:
        return {ENDS_AT: f"{self.profile.deadline_epoch_s or 0:.0f}"}

    def manifests(self) -> list[dict[str, Any]]:
        """All objects in the order they are made; the one that starts the load comes last."""
        subject = {"kind": "ServiceAccount", "name": self.service_account, "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name}
        rbac = "rbac.authorization.k8s.io/v1"
        return [
            self._object("v1", "ServiceAccount", self.service_account, namespaced=True),
            {**self._object(rbac, "ClusterRole", self.name), "rules": rules_for(self.profile)},
            {**self._object(rbac, "ClusterRoleBinding", self.name), "roleRef": role, "subjects": [subject]},
            {**self._object("v1", "ConfigMap", self.name, namespaced=True), "data": {"profile.json": self._profile()}},
            {**self._object("apps/v1", "DaemonSet", self.name, namespaced=True), "spec": self._daemonset_spec()},
        ]

    def _profile(self) -> str:
        return json.dumps(self.profile.as_dict(), sort_keys=True)

    def _object(self, version: str, kind: str, name: str, namespaced: bool = False) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name, "labels": self.labels, "annotations": self._ends_at}
        if namespaced:
            metadata["namespace"] = self.namespace
        return {"apiVersion": version, "kind": kind, "metadata": metadata}

    def _daemonset_spec(self) -> dict[str, Any]:
        selector = {ROLE_LABEL: AGENT_ROLE, RUN_LABEL: self.run, FAULT_LABEL: self.fault}
        return {
            "selector": {"matchLabels": selector},
            # A change would reach all nodes at once, as the rollout itself does.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            # the pods outlive the DaemonSet while the garbage collector starves: they carry their end themselves
            "template": {"metadata": {"labels": self.labels, "annotations": self._ends_at}, "spec": self._pod_spec()},
        }

    def _pod_spec(self) -> dict[str, Any]:
        return {
            "serviceAccountName": self.service_account,
            **({"imagePullSecrets": [{"name": self.image_pull_secret}]} if self.image_pull_secret else {}),
            "nodeSelector": {OS_LABEL: LINUX},
            "tolerations": [{"operator": "Exists"}],
            "dnsPolicy": "Default",  # the agent finds the API by its Service address: it is no victim of DNS itself
            "terminationGracePeriodSeconds": 5,
            # The image names its user (65532); naming it here would make a rootless kubelet change owners, and fail.
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [self._container()],
            "volumes": [
                {"name": "profile", "configMap": {"name": self.name}},
                {"name": "state", "emptyDir": {}},
            ],
        }

    def _container(self) -> dict[str, Any]:
        return {
            "name": AGENT_ROLE,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "args": ["load", "--profile", f"{_PROFILE_FOLDER}/profile.json", "--state", _STATE_FOLDER],
            "resources": {
                "requests": {"cpu": "1m", "memory": "16Mi"},
                "limits": {"memory": "256Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "profile", "mountPath": _PROFILE_FOLDER, "readOnly": True},
                {"name": "state", "mountPath": _STATE_FOLDER},
            ],
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
