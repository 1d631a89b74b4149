"""What happened when, in a reader's words: the moments of a run in seconds since the first injection."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chaoslib_cp.fault import FAULT_TROUBLE, OWN_DEADLINE, ROLLBACK
from chaoslib_cp.results import dns, recovery
from chaoslib_cp.results.faults import OVER_AT_ONCE, Faults
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Recording
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
    """Tell the run: acts of the method, first failures, the ends of the faults, and last recoveries."""
    moments = [*_acts(recording, faults), *_ends(faults), *_failures_and_recoveries(recording, faults)]
    return sorted(moments, key=lambda moment: moment.since_s)


def _ends(faults: Faults) -> Iterator[Moment]:
    """Whatever ends a fault before its own stop action does: that one is told as an act."""
    for fault in faults.each:
        for ending in fault.endings:
            since_s = round(ending.at_s - faults.began_s, 3)
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
            yield Moment(round(event.at_s - faults.began_s, 3), str(event.details.get("name")), "act")
    for event in recording.named("activity_ended"):
        if event.details.get("status") != "succeeded" and event.at_s >= faults.began_s:
            yield Moment(round(event.at_s - faults.began_s, 3), f"{event.details.get('name')}: FAILED", "bad")
    for event in recording.named(FAULT_TROUBLE):
        yield Moment(round(event.at_s - faults.began_s, 3), str(event.details.get("words")), "bad")
    for event in recording.named("run_aborted"):
        yield Moment(round(event.at_s - faults.began_s, 3), "the run ABORTS itself; rollbacks follow", "act")


def _failures_and_recoveries(recording: Recording, faults: Faults) -> Iterator[Moment]:
    mask_s = dns.mask_began_s(recording, faults)
    for vantage, failed in recovery.broken_episodes(recording, faults.began_s).items():
        if false_premise(recording, vantage):
            continue  # "caches still answer" would be said of the cache that failed
        began_s = mask_s if vantage == DNS_UNCACHED.name and mask_s is not None else failed[0].began_s
        yield Moment(round(began_s - faults.began_s, 3), named(vantage).fails, "bad")
        again = f" (after {len(failed)} failures)" if len(failed) > 1 else ""
        if failed[-1].ended_s is not None:
            yield Moment(round(failed[-1].ended_s - faults.began_s, 3), named(vantage).works + again, "good")
