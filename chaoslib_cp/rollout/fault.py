"""The rollout as a kind of fault, and what an administrator does against it."""

from typing import Any, Final

from chaoslib_cp.fault import FaultKind, Mitigation

_PROFILE: Final[dict[str, Any]] = {
    "schema": 1,
    "name": "telemetry",
    "requests": [{"path": "/metrics", "period_s": 10.0}],
}

AGENT_ROLLOUT: Final = FaultKind(
    name="agent_rollout",
    label="agent rollout",
    start="chaoslib_cp.rollout.actions:start_agent_rollout",
    stop="chaoslib_cp.rollout.actions:stop_agent_rollout",
    standing="chaoslib_cp.cluster.agents.standing:agents_standing",
    example={"profile": _PROFILE, "duration_s": 20.0},
)

REMOVE_AGENT: Final = Mitigation(
    name="remove_agent",
    label="the administrator deletes the agent",
    action="chaoslib_cp.rollout.actions:remove_agent",
    against=(AGENT_ROLLOUT.name,),
    example={"timeout_s": 5.0, "attempt_deadline_s": 2.0},
)
