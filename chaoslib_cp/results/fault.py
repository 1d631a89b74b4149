"""When the fault was on: from the first injection that declared an effect to the first thing that ended it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.endings import AGENT_DEADLINE, DELETE_LANDED
from chaoslib_cp.results.recording import Event, Recording
from chaoslib_cp.vantage import ADMIN_WRITE, API_LIVEZ, API_READ

ROLLBACK = "rollback"
RUN_ENDED = "run ended"

_API = (API_LIVEZ.name, API_READ.name, ADMIN_WRITE.name)
_LAST_S = 10.0


@dataclass(frozen=True)
class Fault:
    """The injection of a run; all times in epoch seconds of the timeline.

    Attributes:
        began_s: Start of the first activity that declared an effect. The report counts seconds from here.
        deadline_s: When the injected agents stop by themselves, without any order; None when not declared.
        delete_landed_s: When the API server acknowledged the ordinary admin's delete; None when it never did.
        rolled_back_s: When a stop action of method or rollbacks had removed the fault; None when it was not needed.
        ended_s: The first of the three above; the end of the recording when there is none. A delete that was accepted
            while the API still failed right up to the deadline ended nothing: the controllers that must carry it out
            were starved, and the agents went on.
        ended_by: Which one it was.
    """

    began_s: float
    deadline_s: float | None
    delete_landed_s: float | None
    rolled_back_s: float | None
    ended_s: float
    ended_by: str


def find_fault(recording: Recording) -> Fault | None:
    """Find the injection in the events of a run, or None when nothing declared an effect."""
    declared = recording.named("effect_declared")
    if not declared:
        return None
    activity = declared[0].details.get("name")
    starts = [event.at_s for event in recording.named("activity_started") if event.details.get("name") == activity]
    began_s = max((at_s for at_s in starts if at_s <= declared[0].at_s), default=declared[0].at_s)
    ended = [event for event in recording.named("activity_ended") if event.at_s >= began_s]
    deadline_s = _first_number(ended, "deadline_epoch_s")
    delete_landed_s = _first_number(ended, "landed_epoch_s")
    rolled_back_s = next((event.at_s for event in ended if _stopped_something(event)), None)
    ends = [(deadline_s, AGENT_DEADLINE)]
    if deadline_s is None or not _failing_until(recording, deadline_s):
        ends += [(delete_landed_s, DELETE_LANDED), (rolled_back_s, ROLLBACK)]
    known = [(at_s, word) for at_s, word in ends if at_s is not None and began_s <= at_s <= recording.ends_at_s]
    ended_s, ended_by = min(known, default=(recording.ends_at_s, RUN_ENDED))
    return Fault(began_s, deadline_s, delete_landed_s, rolled_back_s, ended_s, ended_by)


def _failing_until(recording: Recording, deadline_s: float) -> bool:
    """Whether most calls to the API failed in the last seconds before the deadline."""
    last = [
        sample
        for vantage in _API
        for sample in recording.of(vantage)
        if deadline_s - _LAST_S <= sample.at_s < deadline_s <= recording.ends_at_s
    ]
    return bool(last) and sum(sample.ok for sample in last) < len(last) / 2


def _output(event: Event) -> Mapping[str, Any]:
    output = event.details.get("output")
    return output if isinstance(output, Mapping) else {}


def _first_number(ended: list[Event], key: str) -> float | None:
    values = (_output(event).get(key) for event in ended)
    return next((float(value) for value in values if isinstance(value, int | float)), None)


def _stopped_something(event: Event) -> bool:
    """A ``stop_*`` that found the fault still there; one that came after the fact says so and does not count."""
    stopped = str(event.details.get("func", "")).startswith("stop_") and event.details.get("status") == "succeeded"
    return stopped and bool(_output(event).get("undone"))
