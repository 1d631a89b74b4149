"""What happened when, in a reader's words: the moments of a run in seconds since the rollout began."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chaoslib_cp.endings import AGENT_DEADLINE
from chaoslib_cp.results import dns, recovery
from chaoslib_cp.results.fault import Fault
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.vantage import DNS_UNCACHED, named

Kind = Literal["act", "bad", "good"]


@dataclass(frozen=True)
class Moment:
    """One line of the story.

    Attributes:
        since_s: Seconds since the fault began.
        what: What happened.
        kind: ``act`` (somebody did something), ``bad`` (something broke) or ``good`` (something works again).
    """

    since_s: float
    what: str
    kind: Kind

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        return asdict(self)


def tell(recording: Recording, fault: Fault) -> list[Moment]:
    """Tell the run: acts of the method, first failures, the end of the fault, and last recoveries."""
    moments = [*_acts(recording, fault), *_failures_and_recoveries(recording, fault)]
    if fault.deadline_s is not None and fault.deadline_s <= recording.ends_at_s:
        by_itself = ": the load ends by itself" if fault.ended_by == AGENT_DEADLINE else ""
        moments.append(
            Moment(round(fault.deadline_s - fault.began_s, 3), f"the agents' own deadline{by_itself}", "act")
        )
    if fault.delete_landed_s is not None:
        since_s = round(fault.delete_landed_s - fault.began_s, 3)
        moments.append(Moment(since_s, "the ordinary admin's delete of the agent lands", "good"))
    return sorted(moments, key=lambda moment: moment.since_s)


def _acts(recording: Recording, fault: Fault) -> Iterator[Moment]:
    for event in recording.named("activity_started"):
        if event.details.get("type") == "action" and event.at_s >= fault.began_s:
            yield Moment(round(event.at_s - fault.began_s, 3), str(event.details.get("name")), "act")
    for event in recording.named("activity_ended"):
        if event.details.get("status") != "succeeded" and event.at_s >= fault.began_s:
            yield Moment(round(event.at_s - fault.began_s, 3), f"{event.details.get('name')}: FAILED", "bad")
    for event in recording.named("run_aborted"):
        yield Moment(round(event.at_s - fault.began_s, 3), "the run ABORTS itself; rollbacks follow", "act")


def _failures_and_recoveries(recording: Recording, fault: Fault) -> Iterator[Moment]:
    mask_s = dns.mask_began_s(recording, fault)
    for vantage, failed in recovery.broken_episodes(recording, fault.began_s).items():
        began_s = mask_s if vantage == DNS_UNCACHED.name and mask_s is not None else failed[0].began_s
        yield Moment(round(began_s - fault.began_s, 3), named(vantage).fails, "bad")
        again = f" (after {len(failed)} failures)" if len(failed) > 1 else ""
        if failed[-1].ended_s is not None:
            yield Moment(round(failed[-1].ended_s - fault.began_s, 3), named(vantage).works + again, "good")
