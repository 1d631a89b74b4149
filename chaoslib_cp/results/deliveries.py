"""What each fault delivered: measured where it was injected, and not at the victim."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chaoslib_cp.fault import FAULT_TROUBLE, Delivers
from chaoslib_cp.results.delivery import delivered
from chaoslib_cp.results.faults import Fault, Faults
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.vantage import AGENT_LOAD, SERVER_AFTER


@dataclass(frozen=True)
class Delivered:
    """What one fault delivered.

    Attributes:
        fault: Id of the fault.
        label: What a report calls it.
        what: What was counted, in the plural; empty when the fault counts nothing.
        wanted: How many of them there should be; None where nobody knows.
        done: How many there were; None where nothing was counted.
        shortfall: Why that is too little, in words; empty when it was delivered.
        counts: Other counts by name, for example requests sent and answered.
    """

    fault: str
    label: str
    what: str = ""
    wanted: int | None = None
    done: int | None = None
    shortfall: str = ""
    counts: Mapping[str, int | float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping for summary.json."""
        return {key: value for key, value in asdict(self).items() if key not in ("fault", "label")}


def judge_deliveries(recording: Recording, faults: Faults | None) -> list[Delivered]:
    """Judge what each fault delivered while it was on, in the order of the faults."""
    return [_judge(recording, fault) for fault in faults.each] if faults else []


def _judge(recording: Recording, fault: Fault) -> Delivered:
    promised = fault.delivers
    if promised is None:
        return Delivered(fault.id, fault.label)
    if not promised.vantage:
        return _at_once(fault, promised)
    is_told = promised.vantage == AGENT_LOAD.name
    return _by_accounts(recording, fault, promised) if is_told else _as_seen(recording, fault, promised)


def _as_seen(recording: Recording, fault: Fault, promised: Delivers) -> Delivered:
    """How many of those that are asked where the fault is injected were seen to do what it promised."""
    until_s = fault.ended_s if fault.deadline_s is None else fault.deadline_s
    asked = [sample for sample in recording.of(promised.vantage) if fault.began_s <= sample.at_s <= until_s]
    slow_s = math.inf if promised.slow_s is None else promised.slow_s
    told = [sample for sample in asked if not sample.ok or sample.latency_s >= slow_s]
    done = len({sample.target.rpartition(SERVER_AFTER)[2] for sample in told})
    wanted = promised.wanted or 0
    is_short = done < promised.share * wanted or not done
    why = f"only {done} of {wanted} {promised.what}" if asked else f"nobody saw whether {promised.what}"
    return Delivered(fault.id, fault.label, promised.what, promised.wanted, done, why if is_short else "")


def _trouble(recording: Recording, fault: Fault) -> str:
    """Why nothing of a fault had begun, as it was told last while the run was played; empty when nobody told."""
    told = [event for event in recording.named(FAULT_TROUBLE) if event.details.get("fault") == fault.id]
    return str(told[-1].details.get("words") or "") if told else ""


def _at_once(fault: Fault, promised: Delivers) -> Delivered:
    """What the action itself counted."""
    done, wanted = promised.done or 0, promised.wanted or 0
    is_short = done < promised.share * wanted or not done
    shortfall = f"only {done} of {wanted} {promised.what}" if is_short else ""
    return Delivered(fault.id, fault.label, promised.what, promised.wanted, done, shortfall)


def _by_accounts(recording: Recording, fault: Fault, promised: Delivers) -> Delivered:
    """What the injectors told, as samples of their own vantage point."""
    told = delivered(recording.of(promised.vantage), fault.id, promised.wanted, fault.began_s, fault.ended_s)
    counts: dict[str, int | float] = {
        "due": told.due,
        "held_back": told.held_back,
        "sent": told.sent,
        "answered": told.answered,
        "refused": told.refused,
        "unauthorized": told.unauthorized,
        "failed": told.failed,
        "share_began": round(told.share_began, 4),
        "share_sent": round(told.share_sent, 4),
    }
    if told.queries:
        counts |= {"queries": told.queries, "good": told.good, "unwell": told.unwell}
    shortfall = told.shortfall(promised.share, promised.is_let_in)
    trouble = _trouble(recording, fault) if shortfall and not told.began else ""
    if trouble:
        shortfall = f"{shortfall}; {trouble}" if told.sources else trouble
    return Delivered(fault.id, fault.label, promised.what, told.wanted, told.began, shortfall, counts)
