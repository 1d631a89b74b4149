"""What happened when, in a reader's words: the moments of a run in seconds since the first injection."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chaoslib_cp.fault import FAULT_TROUBLE, NOT_PLAYED, OWN_DEADLINE, ROLLBACK
from chaoslib_cp.results import dns, lockout, recovery
from chaoslib_cp.results.faults import OVER_AT_ONCE, Faults
from chaoslib_cp.results.nodes import on_nodes
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Event, Recording
from chaoslib_cp.results.streaks import healed_s
from chaoslib_cp.vantage import DNS_UNCACHED, named

Kind = Literal["act", "bad", "good"]


@dataclass(frozen=True)
class Moment:
    """One line of the story.

    Attributes:
        since_s: Seconds since the first injection.
        what: What happened.
        kind: ``act`` (somebody did something), ``bad`` (something broke) or ``good`` (something works again).
    """

    since_s: float
    what: str
    kind: Kind

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        return asdict(self)


def tell(recording: Recording, faults: Faults) -> list[Moment]:
    """Tell the run: acts of the method, first failures, the ends of the faults, last recoveries, lucky writes."""
    moments = [
        *_acts(recording, faults),
        *_begins_and_ends(faults),
        *_failures_and_recoveries(recording, faults),
        *_lucky_writes(recording, faults),
    ]
    return sorted(moments, key=lambda moment: moment.since_s)


def _begins_and_ends(faults: Faults) -> Iterator[Moment]:
    """When a lie is first told, and what ends a fault before its own stop action does: that one is told as an act."""
    for fault in faults.each:
        if fault.is_lie:  # its action has armed the servers first, and returns when they lie
            yield Moment(round(fault.injected_s - faults.began_s, 3), f"{fault.label} begins", "act")
        own = next((ending for ending in fault.endings if ending.by == OWN_DEADLINE), None)
        for ending in fault.endings:
            since_s = round(ending.at_s - faults.began_s, 3)
            if ending.by == OWN_DEADLINE and ending is not own:
                continue  # what noticed later that it had ended by itself
            if ending.by == OWN_DEADLINE:
                words = (
                    " ends by itself, at its own deadline" if fault.ended_by == OWN_DEADLINE else ": its own deadline"
                )
                yield Moment(since_s, f"{fault.label}{words}", "act")
            elif ending.by not in (ROLLBACK, OVER_AT_ONCE):
                yield Moment(since_s, f"{fault.label}: {ending.by}", "good")


def _acts(recording: Recording, faults: Faults) -> Iterator[Moment]:
    for event in recording.named("activity_started"):
        if event.details.get("type") == "action" and event.at_s >= faults.began_s:
            words = f"{event.details.get('name')}{_not_played(recording, event)}"
            yield Moment(round(event.at_s - faults.began_s, 3), words, "act")
    for event in recording.named("activity_ended"):
        if event.details.get("status") != "succeeded" and event.at_s >= faults.began_s:
            yield Moment(round(event.at_s - faults.began_s, 3), f"{event.details.get('name')}: FAILED", "bad")
    for event in recording.named(FAULT_TROUBLE):
        yield Moment(round(event.at_s - faults.began_s, 3), str(event.details.get("words")), "bad")
    for event in recording.named("run_aborted"):
        yield Moment(round(event.at_s - faults.began_s, 3), "the run ABORTS itself; rollbacks follow", "act")


def _not_played(recording: Recording, started: Event) -> str:
    """Why an act did nothing, where its result says so."""
    name = started.details.get("name")
    ends = [
        event
        for event in recording.named("activity_ended")
        if event.at_s >= started.at_s and event.details.get("name") == name
    ]
    output = ends[0].details.get("output") if ends else None
    if isinstance(output, Mapping) and output.get("type") == NOT_PLAYED:
        return f": not played, {output.get('why')}"
    return ""


def _failures_and_recoveries(recording: Recording, faults: Faults) -> Iterator[Moment]:
    mask_s = dns.mask_began_s(recording, faults)
    hidden = dns.mask_words(recording, faults)
    for vantage, failed in recovery.broken_episodes(recording, faults.began_s).items():
        if false_premise(recording, vantage):
            continue  # "caches still answer" would be said of the cache that failed
        began_s = mask_s if vantage == DNS_UNCACHED.name and mask_s is not None else failed[0].began_s
        where = on_nodes(recording, (vantage,), failed)
        words = f"{named(vantage).fails}{where}{hidden.get(vantage, '')}"
        yield Moment(round(began_s - faults.began_s, 3), words, "bad")
        again = f" (after {len(failed)} failures)" if len(failed) > 1 else ""
        ended_s = healed_s(failed)
        if ended_s is not None:
            yield Moment(round(ended_s - faults.began_s, 3), named(vantage).works + again, "good")


def _lucky_writes(recording: Recording, faults: Faults) -> Iterator[Moment]:
    """What got through inside a lock-out, told once for each lock-out."""
    for episode in lockout.lockouts(recording, faults.began_s):
        lucky = lockout.lucky_writes(recording, episode)
        if lucky:
            words = "a lucky write got" if len(lucky) == 1 else f"the first of {len(lucky)} lucky writes got"
            since_s = round(lucky[0].at_s - faults.began_s, 3)
            yield Moment(since_s, f"ordinary admin: {words} through, still locked out", "act")
