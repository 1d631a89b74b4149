"""The overload as a kind of fault."""

from typing import Any, Final

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
)
