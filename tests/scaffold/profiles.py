"""A telemetry rollout for tests that are about something else."""

from typing import Any, Final

from chaoslib_cp.rollout.start import StartPlan

PROFILE: Final[dict[str, Any]] = {
    "schema": 1,
    "name": "telemetry",
    "requests": [{"path": "/metrics", "period_s": 10.0}],
}
PLAN: Final = StartPlan(PROFILE, "telemetry-agent", "kube-system", 60.0, "image")

WRITES: dict[str, Any] = {
    "schema": 1,
    "name": "writes",
    "requests": [{"pattern": name, "period_s": 0.5} for name in ("create-events", "renew-leases", "patch-node-status")],
}

WRITERS: Final = ("event-flood", "node-join-surge")
"""The presets that write."""

OVERLOAD: dict[str, Any] = {
    "schema": 1,
    "name": "pod-lists",
    "requests": [{"path": "/api/v1/pods", "query": {"resourceVersion": "0"}, "period_s": 1.0}],
}
