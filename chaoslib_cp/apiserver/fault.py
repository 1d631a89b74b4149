"""The loads of the API servers as kinds of fault: an overload from the runner's machine or from pods, and a ramp.

The overloads are two kinds and not one with an argument: an owner grants Jobs only for the second, one is ended as a
process of this machine and the other by the API, and only one of them has the credentials of a kubeconfig.
"""

from typing import Any, Final

from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.gate.roles import object_names
from chaoslib_cp.cluster.undo.kinds.written_by_load import GROUPS
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE
from chaoslib_cp.fault import FaultKind

AGENT_CONTEXT: Final = "agent"
"""Context of the kubeconfig as which the load asks, where nobody names another."""
_PROFILE: Final[dict[str, Any]] = {
    "schema": 1,
    "name": "pod-lists",
    "requests": [{"path": "/api/v1/pods", "query": {"resourceVersion": "0"}, "period_s": 10.0}],
}

API_OVERLOAD: Final = FaultKind(
    name="api_overload",
    label="API overload",
    start="chaoslib_cp.apiserver.actions:start_api_overload",
    stop="chaoslib_cp.apiserver.actions:stop_api_overload",
    example={"profile": _PROFILE, "nodes": 3, "duration_s": 20.0},
    # to take back what a load wrote
    rights=tuple(
        {
            "namespace": WRITES_NAMESPACE,
            "apiGroups": [group],
            "resources": [resource],
            "verbs": ["deletecollection", "list"],
        }
        for group, resource in GROUPS.values()
    ),
)

_IN_CLUSTER: Final = "api_overload_in_cluster"


def _takes_back(group: str, resource: str, namespace: str = "") -> dict[str, Any]:
    names, verbs = object_names(_IN_CLUSTER), ["delete", "get"]
    return {
        "namespace": namespace,
        "apiGroups": [group],
        "resources": [resource],
        "resourceNames": names,
        "verbs": verbs,
    }


API_OVERLOAD_IN_CLUSTER: Final = FaultKind(
    name=_IN_CLUSTER,
    label="API overload from pods",
    start="chaoslib_cp.apiserver.actions:start_api_overload_in_cluster",
    stop="chaoslib_cp.apiserver.actions:stop_api_overload_in_cluster",
    standing="chaoslib_cp.cluster.agents.standing:agents_standing",
    example={"profile": _PROFILE, "pods": 2, "nodes_per_pod": 2, "duration_s": 20.0, "begin_in_s": 0.0},
    rights=(
        {"namespace": LIBRARY_NAMESPACE, "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
        _takes_back("batch", "jobs", LIBRARY_NAMESPACE),
        _takes_back("", "serviceaccounts", LIBRARY_NAMESPACE),
        _takes_back("rbac.authorization.k8s.io", "clusterroles"),
        _takes_back("rbac.authorization.k8s.io", "clusterrolebindings"),
    ),
)

API_RAMP: Final = FaultKind(
    name="api_ramp",
    label="API ramp",
    start="chaoslib_cp.apiserver.actions:ramp_until_saturated",
    stop="chaoslib_cp.apiserver.actions:stop_ramp",
    example={
        "profile": {**_PROFILE, "requests": [{**_PROFILE["requests"][0], "period_s": 1.0}]},
        "first_nodes": 2,
        "step_nodes": 2,
        "max_nodes": 4,
        "dwell_s": 3.0,
        "hold_s": 3.0,
        "stop_at_restart": False,
    },
)
