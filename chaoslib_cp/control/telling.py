"""The control's own lines in the timeline: what the run did, when, and with which result."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.fault import FAULT_ENDED, FAULT_INJECTED, Ended, Injected, read
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
        self._started_s: dict[object, float] = {}
        self.time = SteadyTime(clock)

    def tell(self, event: str, **details: Any) -> None:
        """Write one event now."""
        self._timeline.append({"kind": "event", "at_s": self.time.now_s(), "event": event, **details})

    def activity_started(self, activity: Mapping[str, Any], phase: str) -> None:
        """An activity of method or rollbacks is about to start."""
        self._started_s[activity.get("name")] = self.time.now_s()
        self.tell("activity_started", **_identity(activity), phase=phase)

    def activity_ended(self, activity: Mapping[str, Any], phase: str, run: Mapping[str, Any]) -> None:
        """It ended; what it injected, or what it ended, gets a line of its own.

        Raises:
            ProfileInvalid: It says that it injected or ended something, and what it says cannot be read.
        """
        output = _plain(run.get("output"))
        self.tell(
            "activity_ended", **_identity(activity), phase=phase, status=run.get("status"), output=fitting(output)
        )
        result = read(output)
        # Parameters and details are in the line above; these lines must never be cut.
        if isinstance(result, Injected):
            began_s = self._started_s.get(activity.get("name"), self.time.now_s())
            short = replace(result, parameters={}, details={}).as_dict()
            self.tell(FAULT_INJECTED, name=activity.get("name"), began_s=began_s, result=short)
        elif isinstance(result, Ended) and result.faults:
            self.tell(FAULT_ENDED, name=activity.get("name"), result=replace(result, details={}).as_dict())

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
