"""What a run left behind, in memory: the samples and events of one timeline, in the order of time.

A timeline may be torn (the run was killed) or hold lines of a later version: a line that cannot be used is counted
and left out, never guessed at.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaoslib_cp.limits import is_number
from chaoslib_cp.outcome import was_let_in

MAX_LAG_S = 0.25
"""A sample that started later than this against its schedule measured our own machine, not the cluster."""


@dataclass(frozen=True)
class Sample:
    """One attempt of one vantage point.

    Attributes:
        at_s: Start of the attempt, epoch seconds on a clock that is steady within a run.
        vantage: Which question was asked, for example ``dns_cached``.
        target: Whom it was asked.
        ok: The answer came in time and was right.
        outcome: ``ok`` or the class of the failure.
        latency_s: Duration of the attempt; of a time-out, the whole time-out.
        lag_s: How late the attempt started against its schedule.
        void: The attempt started too late to say anything about the cluster.
        ttl_s: What is left of the answer's TTL, in seconds; None when the answer has none.
        failed_in: Of a call that got no answer, the phase that did not finish (``tcp``, ``tls``, ``first_byte`` or
            ``body``); empty for all others.
        counts: What was counted where a fault is injected: running totals by name.
        fault: Id of the fault that the counts are of; empty when they are of none.
        never_began: The most frequent reason why something that is counted did not begin; empty when none is known.
        node: The node that it was asked from; empty where nobody told it.
        hung_up: Whoever was asked had closed connections that were kept, since the attempt before.
    """

    at_s: float
    vantage: str
    target: str
    ok: bool
    outcome: str
    latency_s: float
    lag_s: float = 0.0
    void: bool = False
    ttl_s: float | None = None
    failed_in: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    never_began: str = ""
    node: str = ""
    hung_up: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened during a run."""

    at_s: float
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """The samples and events of one run, each sorted by time."""

    samples: tuple[Sample, ...]
    events: tuple[Event, ...]
    unusable_lines: int = 0

    def of(self, vantage: str) -> list[Sample]:
        """The samples of ``vantage`` that say something, in the order of time.

        Left out are void ones, and those that were not let in (401, 403): nobody is locked out by a credential of his
        own that has expired.
        """
        return [one for one in self.samples if one.vantage == vantage and not one.void and was_let_in(one.outcome)]

    def not_let_in(self, vantage: str, from_s: float, until_s: float) -> list[Sample]:
        """The samples of ``vantage`` from the first time to the second that were answered 401 or 403."""
        return [
            one
            for one in self.samples
            if one.vantage == vantage and from_s <= one.at_s <= until_s and not was_let_in(one.outcome)
        ]

    def before(self, vantage: str, until_s: float) -> list[Sample]:
        """The usable samples of ``vantage`` that had ended by ``until_s``: what came then cannot have spoilt them."""
        return [sample for sample in self.of(vantage) if sample.at_s + sample.latency_s <= until_s]

    def named(self, name: str) -> list[Event]:
        """The events called ``name``, in the order of time."""
        return [event for event in self.events if event.name == name]

    def series(self, vantage: str, from_s: float = 0.0) -> list[list[Sample]]:
        """The usable samples of ``vantage`` that started at ``from_s`` or later, a list for each target and node.

        A node's cache has one address on all nodes in many clusters, and a server that one node reaches may be out of
        another's reach.
        """
        found: dict[tuple[str, str], list[Sample]] = {}
        for sample in self.of(vantage):
            if sample.at_s >= from_s:
                found.setdefault((sample.target, sample.node), []).append(sample)
        return list(found.values())

    def nodes(self, vantage: str, until_s: float = math.inf) -> list[str]:
        """The nodes from which ``vantage`` was asked before that time, in alphabetical order."""
        asked = (one for one in self.samples if one.vantage == vantage and one.at_s < until_s)
        return sorted({one.node for one in asked} - {""})

    def seen_from(self, node: str) -> "Recording":
        """The same without what was asked from other nodes."""
        here = tuple(one for one in self.samples if one.node in ("", node))
        return replace(self, samples=here)

    @property
    def vantages(self) -> list[str]:
        """Every vantage point that was asked at least once, in alphabetical order."""
        return sorted({sample.vantage for sample in self.samples})

    @property
    def ends_at_s(self) -> float:
        """Time of the last line, or 0 when there is none."""
        last_sample = self.samples[-1].at_s if self.samples else 0.0
        last_event = self.events[-1].at_s if self.events else 0.0
        return max(last_sample, last_event)


def record(lines: Iterable[Mapping[str, Any]]) -> Recording:
    """Sort the lines of a timeline into samples and events.

    Args:
        lines: The decoded lines, as ``observe.timeline.read_timeline`` returns them.

    Returns:
        The recording; lines of a known kind with missing or wrong fields are counted in ``unusable_lines``.
    """
    samples: list[Sample] = []
    events: list[Event] = []
    unusable = 0
    for line in lines:
        try:
            if line.get("kind") == "sample":
                samples.append(_sample(line))
            elif line.get("kind") == "event":
                events.append(_event(line))
        except (KeyError, TypeError, ValueError):
            unusable += 1
    samples.sort(key=lambda sample: sample.at_s)
    events.sort(key=lambda event: event.at_s)
    return Recording(tuple(samples), tuple(events), unusable)


def _sample(line: Mapping[str, Any]) -> Sample:
    if not isinstance(line["ok"], bool):
        raise TypeError("ok is not a truth value")
    lag_s = float(line.get("lag_s", 0.0))
    return Sample(
        at_s=float(line["at_s"]),
        vantage=str(line["vantage"]),
        target=str(line["target"]),
        ok=line["ok"],
        outcome=str(line["outcome"]),
        latency_s=float(line["latency_s"]),
        lag_s=lag_s,
        void=bool(line.get("void", False)) or lag_s > MAX_LAG_S,
        ttl_s=None if line.get("ttl_s") is None else float(line["ttl_s"]),
        failed_in=str(line.get("failed_in", "")),
        counts=_counts(line.get("counts", {})),
        fault=str(line.get("fault", "")),
        never_began=str(line.get("never_began", "")),
        node=str(line.get("node", "")),
        hung_up=line.get("hung_up") is True,
    )


def _counts(told: Any) -> dict[str, float]:
    if not isinstance(told, Mapping) or not all(is_number(count) for count in told.values()):
        raise TypeError("counts are not numbers by name")
    return {str(name): float(count) for name, count in told.items()}


def _event(line: Mapping[str, Any]) -> Event:
    known = ("kind", "at_s", "event")
    return Event(float(line["at_s"]), str(line["event"]), {key: line[key] for key in line if key not in known})
