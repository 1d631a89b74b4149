"""What is watched while DNS servers are armed: the names that they tell of, at every layer, against the truth.

The truth is what the servers themselves say past their caches while no lie is told: learnt between arming and the
lie's begin, and again after its end. So an answer can be wrong, or stale, and not only missing.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from chaoslib_cp.agent.prober_settings import ProberSettings, one_text
from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.poison.revision import Revision
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import query_for
from chaoslib_cp.engine.sample.pace import Question
from chaoslib_cp.vantage import (
    DNS_WATCHED_BACKEND,
    DNS_WATCHED_CACHED,
    DNS_WATCHED_POD,
    DNS_WATCHED_UNCACHED,
    SERVER_AFTER,
)
from chaoslib_cp.vantage_point import VantagePoint

CLOCKS_APART_S: Final = 2.0
"""How far the clocks of two nodes may differ: near a gate's begin and end nobody learns what is true."""

# A server that answers nothing for so many seconds about its revision has none; one that is drowned has more silences
# than answers, too, so a single one says nothing.
_SILENCES: Final = 4
_Truth = tuple[str, frozenset[str]]
# What a server says when it knows: any other outcome is a failure, and no truth.
_KNOWING: Final = ("ok", "nxdomain", "nodata")


@dataclass
class Truths:
    """What was true of each question, the newest last."""

    known: dict[tuple[str, str], list[_Truth]] = field(default_factory=dict)

    def learn(self, asked: tuple[str, str], sample: dns.DnsSample) -> None:
        """Remember what a server said past its cache while no lie was told."""
        said = _said(sample)
        history = self.known.setdefault(asked, [])
        if sample.outcome in _KNOWING and (not history or history[-1] != said):
            history.append(said)

    def judged(self, asked: tuple[str, str], sample: dns.DnsSample) -> dns.DnsSample:
        """The sample with its outcome against the truth.

        ``ok`` is the truth, be it that there is no such name; ``stale`` was it before; ``wrong`` is an answer that
        never was; everything else is as the server said it.
        """
        history = self.known.get(asked) or []
        if not history:
            return sample
        if _said(sample) == history[-1]:
            return replace(sample, outcome="ok")
        if _said(sample) in history:
            return replace(sample, outcome="stale")
        return replace(sample, outcome="wrong") if sample.outcome == "ok" else sample


def _said(sample: dns.DnsSample) -> _Truth:
    return sample.outcome, frozenset(map(one_text, sample.answers))


class Watch:
    """Knows what armed servers tell of, and makes the questions that follow from it."""

    def __init__(self, settings: ProberSettings, time: SteadyTime) -> None:
        self._settings = settings
        self._time = time
        self._told: dict[str, Revision] = {}
        self._silences: dict[str, int] = {}
        self._truths = Truths()

    def heard(self, server: str, revision: Revision | None, is_silent: bool = False) -> None:
        """Note what a DNS server says of itself: its revision, or that it has none.

        A single silence says nothing. Several do: without an upstream, a server that is not armed says nothing at all
        about this name. A revision without questions is that of a node cache that only keeps what it hears.
        """
        if revision is not None and revision.questions:
            self._silences[server] = 0
            if revision.id not in {one.id for one in self._told.values()}:
                self._truths.known.clear()
            self._told[server] = revision
            return
        self._silences[server] = self._silences.get(server, 0) + 1
        if not is_silent or self._silences[server] >= _SILENCES:
            self._told.pop(server, None)

    def gone(self, server: str) -> None:
        """Forget a server that is no longer there."""
        self._silences.pop(server, None)
        self._told.pop(server, None)

    def questions(self) -> Mapping[Hashable, Question]:
        """What is to be asked now, by what tells one question from another."""
        asked = dict.fromkeys(one for revision in self._told.values() for one in revision.questions)
        # what a cache says can be judged only by who knows the truth
        known = [one for one in asked if self._truths.known.get(one)]
        port, pods_port = self._settings.dns_port, self._settings.pods_port or self._settings.dns_port
        backends = [(DNS_WATCHED_BACKEND, server, self._settings.backend_port) for server in self._told]
        caches = [
            *((DNS_WATCHED_POD, server, pods_port) for server in self._told),
            (DNS_WATCHED_UNCACHED, self._settings.cluster_dns, port),
            (DNS_WATCHED_CACHED, self._settings.nameserver, port),
        ]
        wanted = [
            *((place, one) for place in backends for one in asked),
            *((place, one) for place in caches for one in known),
        ]
        return {(place, one): self._question(*place, one) for place, one in wanted}

    def _question(self, point: VantagePoint, server: str, port: int, asked: tuple[str, str]) -> Question:
        name, type_ = asked

        async def ask_and_judge() -> dns.DnsSample:
            at_s = self._time.now_s()
            sample = await dns.ask(server, query_for(name, type_), point.deadline_s, port=port)
            if point is DNS_WATCHED_BACKEND and self._is_truthful_at(at_s):
                self._truths.learn(asked, sample)
            return self._truths.judged(asked, sample)

        return Question(point.name, f"{name} {type_}{SERVER_AFTER}{server}", point.period_s, ask_and_judge)

    def _is_truthful_at(self, at_s: float) -> bool:
        return all(revision.is_truthful_at(at_s, CLOCKS_APART_S) for revision in self._told.values())
