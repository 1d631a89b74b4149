"""The faults of a run: each with its begin, its end and what ended it; and all of them as one stretch of time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.fault import (
    DNS_LOAD,
    FAULT_ENDED,
    FAULT_INJECTED,
    LIES,
    OWN_DEADLINE,
    Delivers,
    Ended,
    Expects,
    Injected,
    read,
)
from chaoslib_cp.results.recording import Event, Recording
from chaoslib_cp.vantage import ADMIN_WRITE, AGENT_LOAD, API_LIVEZ, API_READ

OVER_AT_ONCE: Final = "over at once"
RUN_ENDED: Final = "run ended"

_API: Final = (API_LIVEZ.name, API_READ.name, ADMIN_WRITE.name)
_LAST_S: Final = 10.0


@dataclass(frozen=True)
class Ending:
    """Something that would end a fault: when (epoch seconds of the timeline), and what."""

    at_s: float
    by: str


@dataclass(frozen=True)
class Fault:
    """One fault of a run; all times in epoch seconds of the timeline.

    Attributes:
        id: Its id in the run.
        kind: Which kind of fault it is.
        label: What a report calls it.
        activity: Name of the activity that made it.
        began_s: Start of that activity.
        injected_s: When that activity said what it had done.
        deadline_s: When it ends by itself, without any order; None when it does not.
        endings: All that would end it, in the order of time, within the recording.
        ended_s: Its end: the first of them; the end of the recording when there is none. What was accepted while the
            API still failed right up to the deadline ended nothing: the controllers that must carry it out were
            starved, and the injection went on.
        ended_by: What ended it.
        delivers: What it promised to do.
        expects: What the victim was expected to suffer.
    """

    id: str
    kind: str
    label: str
    activity: str
    began_s: float
    injected_s: float
    deadline_s: float | None
    endings: tuple[Ending, ...]
    ended_s: float
    ended_by: str
    delivers: Delivers | None
    expects: tuple[Expects, ...]

    @property
    def is_lie(self) -> bool:
        """Whether DNS servers tell lies while it is on. It is no load."""
        return self.kind in LIES

    @property
    def loads_api(self) -> bool:
        """Whether agents ask the API while it is on, and tell their account."""
        return self.delivers is not None and self.delivers.vantage == AGENT_LOAD.name and self.kind != DNS_LOAD

    @property
    def bites_s(self) -> float:
        """From when on it can be felt: a lie is armed first, and told when its action returns."""
        return self.injected_s if self.is_lie else self.began_s


@dataclass(frozen=True)
class Faults:
    """All faults of a run, at least one, in the order of their begin."""

    each: tuple[Fault, ...]

    @property
    def began_s(self) -> float:
        """Begin of the first; a report counts seconds from here."""
        return self.each[0].began_s

    @property
    def ended_s(self) -> float:
        """End of the one that lasted longest."""
        return self._last.ended_s

    @property
    def ended_by(self) -> str:
        """What ended that one."""
        return self._last.ended_by

    @property
    def lies(self) -> list[Fault]:
        """Those that are lies of DNS servers."""
        return [fault for fault in self.each if fault.is_lie]

    @property
    def loads(self) -> list[Fault]:
        """All others: what may keep the API and its users busy."""
        return [fault for fault in self.each if not fault.is_lie]

    @property
    def load_endings(self) -> list[Ending]:
        """All that would end any of these, in the order of time; what is over at once relieves nobody by that."""
        found = (one for fault in self.loads for one in fault.endings if one.by != OVER_AT_ONCE)
        return sorted(found, key=lambda one: one.at_s)

    @property
    def _last(self) -> Fault:
        return max(self.each, key=lambda fault: fault.ended_s)


def find_faults(recording: Recording) -> Faults | None:
    """Find the faults in the events of a run, or None when nothing was injected."""
    ended = list(_ended(recording))
    found = [_fault(recording, event, made, ended) for event, made in _injected(recording)]
    return Faults(tuple(sorted(found, key=lambda fault: fault.began_s))) if found else None


def _injected(recording: Recording) -> Iterator[tuple[Event, Injected]]:
    for event in recording.named(FAULT_INJECTED):
        made = read(event.details.get("result"))
        if isinstance(made, Injected):
            yield event, made


def _ended(recording: Recording) -> Iterator[tuple[Event, Ended]]:
    for event in recording.named(FAULT_ENDED):
        how = read(event.details.get("result"))
        if isinstance(how, Ended):
            yield event, how


def _fault(recording: Recording, event: Event, made: Injected, ended: Iterable[tuple[Event, Ended]]) -> Fault:
    endings = _endings(recording, event, made, ended)
    first = _first(recording, made.deadline_epoch_s, endings)
    return Fault(
        id=made.fault,
        kind=made.kind,
        label=made.label,
        activity=str(event.details.get("name")),
        began_s=_number(event.details.get("began_s"), event.at_s),
        injected_s=event.at_s,
        deadline_s=made.deadline_epoch_s,
        endings=tuple(endings),
        ended_s=first.at_s,
        ended_by=first.by,
        delivers=made.delivers,
        expects=made.expects,
    )


def _endings(recording: Recording, event: Event, made: Injected, ended: Iterable[tuple[Event, Ended]]) -> list[Ending]:
    if not made.lasts:
        return [Ending(event.at_s, OVER_AT_ONCE)]
    known = [Ending(_number(how.at_epoch_s, at.at_s), how.by) for at, how in ended if made.fault in how.faults]
    if made.deadline_epoch_s is not None:
        known.append(Ending(made.deadline_epoch_s, OWN_DEADLINE))
    return sorted((one for one in known if one.at_s <= recording.ends_at_s), key=lambda one: one.at_s)


def _first(recording: Recording, deadline_s: float | None, endings: list[Ending]) -> Ending:
    own = [one for one in endings if one.by == OWN_DEADLINE]
    if own and deadline_s is not None and _failing_until(recording, deadline_s):
        return own[0]
    return endings[0] if endings else Ending(recording.ends_at_s, RUN_ENDED)


def _failing_until(recording: Recording, deadline_s: float) -> bool:
    """Whether most calls to the API failed in the last seconds before the deadline."""
    last = [
        sample
        for name in _API
        for sample in recording.of(name)
        if deadline_s - _LAST_S <= sample.at_s < deadline_s <= recording.ends_at_s
    ]
    return bool(last) and sum(sample.ok for sample in last) < len(last) / 2


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
