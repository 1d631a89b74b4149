"""The control's own lines in the timeline: what the run did, when, and with which result."""

import json
from collections.abc import Mapping
from typing import Any

from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.observe.timeline import Timeline

_MAX_OUTPUT_BYTES = 3000
"""A line of the timeline is cut at 4 kB; the rest of the line needs its share."""


class Teller:
    """Writes events with times that cannot step.

    Attributes:
        time: The run's steady clock; the observer counts with the same offset, so that all lines share one clock.
    """

    def __init__(self, timeline: Timeline, clock: Clock) -> None:
        self._timeline = timeline
        self.time = SteadyTime(clock)

    def tell(self, event: str, **details: Any) -> None:
        """Write one event now."""
        self._timeline.append({"kind": "event", "at_s": self.time.now_s(), "event": event, **details})

    def activity_started(self, activity: Mapping[str, Any], phase: str) -> None:
        """An activity of method or rollbacks is about to start."""
        self.tell("activity_started", **_identity(activity), phase=phase)

    def activity_ended(self, activity: Mapping[str, Any], phase: str, run: Mapping[str, Any]) -> None:
        """It ended; declared effects get lines of their own."""
        output = _plain(run.get("output"))
        self.tell(
            "activity_ended", **_identity(activity), phase=phase, status=run.get("status"), output=fitting(output)
        )
        effects = output.get("effects") if isinstance(output, Mapping) else None
        for effect in effects if isinstance(effects, list) else []:
            self.tell("effect_declared", **{**effect, "name": activity.get("name")})

    def close(self) -> None:
        """Close the timeline."""
        self._timeline.close()


def fitting(output: Any) -> Any:
    """Cut an activity's output, plain JSON, down to what fits a line: all of it, else its scalars."""
    if len(json.dumps(output)) <= _MAX_OUTPUT_BYTES:
        return output
    if not isinstance(output, Mapping):
        return {"truncated": True}
    scalars = {
        str(key): value[:200] if isinstance(value, str) else value
        for key, value in output.items()
        if isinstance(value, str | int | float | bool)
    }
    return {**scalars, "truncated": True} if len(json.dumps(scalars)) <= _MAX_OUTPUT_BYTES else {"truncated": True}


def _plain(output: Any) -> Any:
    """Make an output plain JSON: activities of others return dates, sets and objects of their own."""
    return json.loads(json.dumps(output, default=str, skipkeys=True))


def _identity(activity: Mapping[str, Any]) -> dict[str, Any]:
    provider = activity.get("provider") or {}
    return {"name": activity.get("name"), "type": activity.get("type"), "func": provider.get("func")}
