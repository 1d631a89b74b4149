"""What an audit log says of one agent, added up line by line: memory grows with its kinds of request, not with the log.

How often an agent asks is counted over the time in which it was seen, which ends one gap after its last request: n
requests at a distance of p are seen for n * p seconds, not for (n - 1) * p. The gap is the mean one, each weighed by
its length, so that agents which ask in bursts count from burst to burst. One that asked in a single burst is taken to
have gone on without asking until the log ends.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from chaoslib_cp.engine.load.audit_log.event import COMPLETE, RECEIVED, STARTED, AuditEvent
from chaoslib_cp.engine.load.audit_log.request import LoggedRequest, playable

MOST_SOURCES: Final = 5000
"""Agents that are told apart: the largest cluster that Kubernetes promises to work with; all further are one."""
MOST_KINDS: Final = 128
"""Kinds of request that are told apart; a profile has 16."""
MANY_KINDS: Final = "requests of ever new forms"
#: What came within so little time is one burst, as clients have when they start.
_BURST_S: Final = 10.0
_METHOD_NOT_ALLOWED: Final = 405  # to a HEAD of a resource, which is told as a get or list


@dataclass
class Span:
    """A time in which something was seen again and again.

    Attributes:
        first_s: Of the first, seconds since 1970.
        last_s: Of the latest so far.
    """

    first_s: float
    last_s: float
    _squares: float = 0.0

    def add(self, at_s: float) -> None:
        """Count one; lines come in the order in which answers ended, so it may lie before the latest."""
        if at_s > self.last_s:
            self._squares += (at_s - self.last_s) ** 2
            self.last_s = at_s
        self.first_s = min(self.first_s, at_s)

    def seconds(self, log_ends_s: float) -> float:
        """How long that was; 0 where nothing tells, since the log ends with the one burst that was seen."""
        span_s = self.last_s - self.first_s
        if span_s >= _BURST_S:
            return span_s + self._squares / span_s
        silent_s = log_ends_s - self.first_s
        return silent_s if silent_s >= _BURST_S else 0.0


@dataclass
class Kind:
    """One kind of request, as it was seen.

    Attributes:
        example: The first of them.
        stages: Lines by stage. One request has at most one of each, and a policy may leave stages out, so the number of
            requests is that of the stage that was told most often.
        pages: The same for further pages of the list.
        statuses: Requests by HTTP status, where the log says it.
        took_s: Seconds of all that ended.
        varied: Words in whose place more than one name stood.
        sources: Agents that asked for it.
        begin_s: How long after each agent was first seen it asked for this first, added up.
    """

    example: LoggedRequest
    stages: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    took_s: float = 0.0
    varied: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    begin_s: float = 0.0

    @property
    def requests(self) -> int:
        """How many there were, further pages not counted."""
        return max(self.stages.values(), default=0)

    @property
    def mean_s(self) -> float:
        """Mean time from a request to its end; 0 where the log does not say."""
        ended = self.stages[COMPLETE] + self.pages[COMPLETE]
        return self.took_s / ended if ended else 0.0


@dataclass
class AgentSeen:
    """One agent, as the log has it.

    Attributes:
        kinds: By what they are counted under.
        left_out: Lines by stage that cannot be played, by the reason.
        sources: When each of several agents was seen.
        span: When any of them was.
        user_agents: Lines by user agent.
        log_ends_s: When the latest request of the log came, by whomever.
    """

    kinds: dict[tuple[str, tuple[tuple[str, str], ...]], Kind] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, Span] = field(default_factory=dict)
    span: Span | None = None
    user_agents: Counter[str] = field(default_factory=Counter)
    log_ends_s: float = 0.0

    def add(self, event: AuditEvent) -> None:
        """Count a line about it."""
        if event.status == _METHOD_NOT_ALLOWED:
            return
        request = playable(event)
        if isinstance(request, str):
            self._leave_out(request, event)
            return
        kind = self.kinds.get(request.kind)
        if kind is None and len(self.kinds) >= MOST_KINDS:
            self._leave_out(MANY_KINDS, event)
            return
        if kind is None:
            kind = self.kinds[request.kind] = Kind(request)
        self._count(kind, request, event)

    def requests_left_out(self) -> dict[str, int]:
        """How many requests cannot be played, by the reason."""
        return {reason: max(stages.values()) for reason, stages in self.left_out.items()}

    @property
    def agent_seconds(self) -> float:
        """Time in which each agent was seen, added up; 0 where nothing tells."""
        return sum(span.seconds(self.log_ends_s) for span in self.sources.values())

    @property
    def seconds(self) -> float:
        """Time in which any of them was seen."""
        return self.span.seconds(self.log_ends_s) if self.span else 0.0

    @property
    def agents(self) -> int:
        """How many there were at a time, in the mean; at least 1."""
        return max(1, round(self.agent_seconds / self.seconds)) if self.seconds else 1

    @property
    def begin_within_s(self) -> float:
        """Between the first requests of the first agent and of the last one."""
        firsts = [span.first_s for span in self.sources.values()]
        return max(firsts, default=0.0) - min(firsts, default=0.0)

    def _count(self, kind: Kind, request: LoggedRequest, event: AuditEvent) -> None:
        (kind.pages if request.is_page else kind.stages)[event.stage] += 1
        kind.varied |= {word for (word, name), (_, first) in zip(request.names, kind.example.names, strict=True)
                        if name != first}  # fmt: skip
        if event.stage not in (RECEIVED, STARTED):
            kind.statuses[event.status] += 1
            kind.took_s += event.took_s
        self.user_agents[event.user_agent] += 1
        source = event.source if event.source in self.sources or len(self.sources) < MOST_SOURCES else ""
        span = self.sources.setdefault(source, Span(event.at_s, event.at_s))
        span.add(event.at_s)
        if source not in kind.sources:
            kind.sources.add(source)
            kind.begin_s += event.at_s - span.first_s
        self.span = self.span or Span(event.at_s, event.at_s)
        self.span.add(event.at_s)

    def _leave_out(self, reason: str, event: AuditEvent) -> None:
        self.left_out.setdefault(reason, Counter())[event.stage] += 1
