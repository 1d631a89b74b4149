"""Who is who, and priority and fairness, for ``KubeObjects``: what a cluster has of both by itself.

    flow_control = FlowControl(kube)
    flow_control.groups["user-admin"] = ("system:masters",)     # by the common name of the client's certificate
    flow_control.schema_of["user-observer"] = "catch-all"

A bearer token ``token-of-USER`` stands for that user.
"""

import json

from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import WHO_AM_I, KubeObjects

FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
# FlowSchema: its priority level, and how it tells flows apart.
SCHEMAS = {
    "exempt": ("exempt", None),
    "global-default": ("global-default", "ByUser"),
    "service-accounts": ("workload-low", "ByUser"),
    "catch-all": ("catch-all", "ByUser"),
    "one-for-all": ("workload-low", None),
}


class FlowControl:
    """Serves reviews of who one is.

    Attributes:
        groups: Groups of a user.
        schema_of: FlowSchema of a user, where it is not that of the user's groups.
        is_on: Whether the server has priority and fairness.
    """

    def __init__(self, kube: KubeObjects) -> None:
        self.groups: dict[str, tuple[str, ...]] = {}
        self.schema_of: dict[str, str] = {}
        self.is_on = True
        for name, (level, method) in SCHEMAS.items():
            spec = {"distinguisherMethod": {"type": method}} if method else {}
            kube.objects[f"{FLOW_CONTROL}/flowschemas/{name}"] = _object(f"schema-{name}", name, spec)
            kind = {"type": "Exempt" if level == "exempt" else "Limited"}
            path = f"{FLOW_CONTROL}/prioritylevelconfigurations/{level}"
            kube.objects[path] = _object(f"level-{level}", level, kind)
        kube.server.on("POST", WHO_AM_I, self._review)

    def _review(self, request: Request) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer token-of-")
        user = token or request.peer_name or ""
        if not user:
            return Answer(401)
        groups = self.groups.get(user, ())
        usual = "exempt" if "system:masters" in groups else "service-accounts" if token else "global-default"
        schema = self.schema_of.get(user, usual)
        headers = {
            "X-Kubernetes-Pf-Flowschema-Uid": f"schema-{schema}",
            "X-Kubernetes-Pf-Prioritylevel-Uid": f"level-{SCHEMAS[schema][0]}",
        }
        body = {"status": {"userInfo": {"username": user, "groups": [*groups, "system:authenticated"]}}}
        return Answer(201, headers if self.is_on else {}, json.dumps(body).encode())


def _object(uid: str, name: str, spec: object) -> dict[str, object]:
    return {"metadata": {"uid": uid, "name": name}, "spec": spec}
