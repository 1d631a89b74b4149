"""Profiles of telemetry agents for tests that are about something else."""

from typing import Any, Final

PROFILE: Final[dict[str, Any]] = {
    "schema": 1,
    "name": "telemetry",
    "requests": [{"path": "/metrics", "period_s": 10.0}],
}
