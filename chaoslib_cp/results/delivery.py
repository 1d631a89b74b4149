"""What a rollout delivered, from the accounts of its agents: how many began, what they sent, what came back.

Delivered is not hurt: a refused request was delivered, and a cluster that answers all of them has held.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from chaoslib_cp.engine.load.account import AGENTS_WANTED, LOOKUPS, RECEIVED, REQUESTS
from chaoslib_cp.results.recording import Sample
from chaoslib_cp.vantage import AGENT_LOAD

_BEGAN = "agents_began"
_COUNTED = (*REQUESTS, *LOOKUPS, RECEIVED)


@dataclass(frozen=True)
class Delivery:
    """What the agents of one fault did within some time.

    Attributes:
        wanted: Agents that there should be, one for each node.
        began: Agents that began by the end of that time.
        sources: Who told it: nodes, and farms that play the agents of many nodes. 0 when nobody did.
        due: Requests whose time came.
        held_back: Those that came due while their agent had as many in flight as its profile allows; the profile asks
            for that cap, so it does not ask for these.
        sent: Tries that were written to a connection.
        resent: Those of a request that had been sent before.
        answered: Tries that were answered, with any HTTP status.
        refused: Those that were answered 429.
        unauthorized: Those that were answered 401 or 403.
        failed: Tries that ended without an answer.
        never_began: The most frequent reason why agents did not begin, where somebody told it.
        queries: Questions of those that look names up: each of their requests is a lookup.
        good: Lookups that brought an address.
        unwell: Lookups without an answer, with SERVFAIL, or of more than 0.1 s.
        received_bytes: Of answers; 0 where agents of an older version do not tell.
    """

    wanted: int
    began: int
    sources: int
    due: int = 0
    held_back: int = 0
    sent: int = 0
    resent: int = 0
    answered: int = 0
    refused: int = 0
    unauthorized: int = 0
    failed: int = 0
    never_began: str = ""
    queries: int = 0
    good: int = 0
    unwell: int = 0
    received_bytes: int = 0

    @property
    def share_began(self) -> float:
        """Share (0..1) of the wanted agents that began; an agent whose pod was replaced counts once."""
        return min(1.0, self.began / self.wanted) if self.wanted else 0.0

    @property
    def asked_for(self) -> int:
        """Requests that the profile asks for."""
        return self.due - self.held_back

    @property
    def share_sent(self) -> float:
        """Share (0..1) of the requests asked for that were sent at least once."""
        return min(1.0, (self.sent - self.resent) / self.asked_for) if self.asked_for > 0 else 0.0

    def shortfall(self, share: float, is_let_in: bool = False) -> str:
        """Why this is less than ``share`` (0..1) of what the fault promised; empty when it was delivered.

        Args:
            share: How much of it is enough.
            is_let_in: Whoever asked was let in when it began.
        """
        if not self.sources:
            return "nobody told what the agents did"
        if self.share_began < share:
            why = f": {self.never_began.replace('-', ' ')}" if self.never_began else ""
            return f"only {self.began} of {self.wanted} agents began{why}"
        if not is_let_in and self.unauthorized > (1 - share) * self.answered:
            part = 100 * self.unauthorized / self.answered
            return f"agents could not authenticate: {part:.0f} % of their answers were 401 or 403"
        if self.share_sent < share:
            return f"agents sent {100 * self.share_sent:.0f} % of what the profile asks for"
        return ""


@dataclass(frozen=True)
class Began:
    """How many agents had begun at one moment.

    Attributes:
        least: As the sources had told by then.
        likely: Where each source's number was at that moment on a straight line between its two accounts around it.
        most: As the sources told next.
        sources: Who told anything at any time; 0 when nobody did.
    """

    least: float
    likely: float
    most: float
    sources: int


def delivered(samples: Iterable[Sample], fault: str, wanted: int | None, from_s: float, until_s: float) -> Delivery:
    """Add up what the agents of ``fault`` did between two moments.

    Args:
        samples: Of a run, in the order of time; those of other vantage points and faults are left out.
        fault: Its id.
        wanted: How many agents there should be; None takes what the agents themselves say.
        from_s: Epoch seconds, normally the injection.
        until_s: Epoch seconds, normally when the fault ended. What was told last before it counts, so what was done
            in the last two seconds may be missing.
    """
    counts = dict.fromkeys(_COUNTED, 0.0)
    began = told_wanted = sources = 0
    never_began = ""
    for told in _by_source(samples, fault, until_s):
        sources += 1
        began += int(max(sample.counts.get(_BEGAN, 0) for sample in told))
        told_wanted += int(told[-1].counts.get(AGENTS_WANTED, 1))
        never_began = _never_began(told) or never_began
        for earlier, later in pairwise([None, *told]):
            if later is not None and later.at_s >= from_s:
                for name, count in _added(earlier, later):
                    counts[name] += count
    return Delivery(
        wanted=told_wanted if wanted is None else wanted,
        began=began,
        sources=sources,
        failed=int(sum(counts[name] for name in REQUESTS if name.startswith("failed_"))),
        never_began=never_began,
        **{name: int(counts[name]) for name in _COUNTED if not name.startswith("failed_")},
    )


def agents_began(samples: Iterable[Sample], fault: str, wanted: int, from_s: float, at_s: float) -> Began:
    """How many agents of ``fault`` had begun at one moment, from what each source told before and after it.

    Args:
        samples: Of a run, in the order of time; those of other vantage points and faults are left out.
        fault: Its id.
        wanted: How many agents there should be.
        from_s: Epoch seconds of the injection; until then none had begun.
        at_s: The moment, epoch seconds.
    """
    sources = [_source_began(told, from_s, at_s) for told in _by_source(samples, fault, math.inf)]
    least, likely, most = (min(sum(column), wanted) for column in zip(*sources, strict=True)) if sources else (0, 0, 0)
    return Began(least=least, likely=likely, most=most, sources=len(sources))


def _source_began(told: list[Sample], from_s: float, at_s: float) -> tuple[float, float, float]:
    """The same of one source: at least, most likely and at most. Between two accounts agents begin evenly."""
    known = [(from_s, 0.0), *((sample.at_s, sample.counts.get(_BEGAN, 0.0)) for sample in told)]
    before_s, before = max(((when_s, count) for when_s, count in known if when_s <= at_s), default=known[0])
    least = max([before, *(count for when_s, count in known if when_s <= at_s)])
    after = [(when_s, max(count, least)) for when_s, count in known if when_s > at_s]
    if not after:  # it told nothing more, so those that it waits for may have begun since
        most = max(least, told[-1].counts.get(AGENTS_WANTED, 1.0))
        return least, least, most
    after_s, most = after[0]
    return least, least + (most - least) * (at_s - before_s) / (after_s - before_s), most


def _accounts(samples: Iterable[Sample], fault: str) -> Iterator[Sample]:
    return (sample for sample in samples if sample.vantage == AGENT_LOAD.name and sample.fault == fault)


def _by_source(samples: Iterable[Sample], fault: str, until_s: float) -> list[list[Sample]]:
    sources: dict[str, list[Sample]] = {}
    for sample in _accounts(samples, fault):
        if sample.at_s <= until_s:
            sources.setdefault(sample.target, []).append(sample)
    return list(sources.values())


def _never_began(told: list[Sample]) -> str:
    """Why agents of a source did not begin: what it said last of those that wait; pods that are gone do not wait."""
    last = told[-1].counts
    if last.get(_BEGAN, 0.0) >= last.get(AGENTS_WANTED, 1.0):
        return ""
    return next((one.never_began for one in reversed(told) if one.never_began), "")


def _added(earlier: Sample | None, later: Sample) -> list[tuple[str, float]]:
    """What a source counted from one account to the next; an agent whose pod was replaced counts from 0 again."""
    before = {} if earlier is None else earlier.counts
    if later.counts.get("due", 0.0) < before.get("due", 0.0):
        before = {}
    return [(name, max(0.0, later.counts.get(name, 0.0) - before.get(name, 0.0))) for name in _COUNTED]
