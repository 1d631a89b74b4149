"""What was seen of one server, in numbers that a rule can ask for. Pure: nothing is asked here."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chaoslib_cp.apiserver.saturated.asking import (
    BEAT_S,
    CACHED,
    LIVEZ,
    STORED,
    VERSION,
    Attempt,
    PageRead,
    Question,
    Seen,
)
from chaoslib_cp.apiserver.saturated.failures import NOT_LET_IN, failure_of, is_told_off
from chaoslib_cp.apiserver.saturated.memory import Memory, Note
from chaoslib_cp.apiserver.saturated.metrics import Metrics, metrics_of, notes_of
from chaoslib_cp.cluster.door.container_ends import ContainerEnd
from chaoslib_cp.engine.sample.https import HttpsSample
from chaoslib_cp.engine.sample.pace import VOID_LAG_S

# Slower than this is a failure for whoever asked (source: sig-scalability, API call latency SLO, single object).
_OBJECTIVE_S: Final = 1.0
# Fewer bytes come too quickly to be timed.
_LEAST_BODY_BYTES: Final = 100_000


@dataclass(frozen=True)
class Waits:
    """How long one question waited for its first byte.

    Attributes:
        median_s: At half of the beats; a beat that was missed because the question was still waiting counts with the
            time that was left to wait.
        mean_s: The mean of the same.
        slow_share: Share of beats with a wait over a second, or no answer at all, 0..1.
        asked: How often it was asked.
    """

    median_s: float
    mean_s: float
    slow_share: float
    asked: int


@dataclass(frozen=True)
class Evidence:
    """All that is known of one server. None is "not known", which is never good or bad news.

    Attributes:
        server: ``ip:port``.
        asked: Calls that count, pages of metrics left out.
        void: Calls that do not count: this process did not run in the meantime.
        failures: How many calls failed in which way.
        connect_s: Median time of a TCP handshake, which the kernel of the server answers.
        connect_worst_s: The longest.
        handshake_s: Median time of a TLS handshake, which its process answers.
        sent_again: Share of calls of which a packet had to be sent again, 0..1.
        livez: The exempt question, without etcd, over a kept connection.
        version: The same in the observer's own queue.
        stored: A read from etcd.
        cached: The same read from the server's memory.
        body_bytes_per_s: How fast a large answer came, once it came.
        metrics: What the server says of itself.
        metrics_trouble: Why it does not; empty where it does.
        memory: What is known of its memory, and of the ends of its processes.
    """

    server: str
    asked: int = 0
    void: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    connect_s: float | None = None
    connect_worst_s: float | None = None
    handshake_s: float | None = None
    sent_again: float | None = None
    livez: Waits | None = None
    version: Waits | None = None
    stored: Waits | None = None
    cached: Waits | None = None
    body_bytes_per_s: float | None = None
    metrics: Metrics | None = None
    metrics_trouble: str = ""
    memory: Memory = field(default_factory=lambda: Memory(0.0))

    @property
    def waits(self) -> tuple[Waits, ...]:
        """Those of all questions that were answered."""
        return tuple(one for one in (self.livez, self.version, self.stored, self.cached) if one is not None)

    @property
    def told_off(self) -> int:
        """Calls that got no answer they could use."""
        return sum(count for failure, count in self.failures.items() if failure not in _NO_HARM)


_NO_HARM: Final = ("asked to leave", NOT_LET_IN)


def evidence_of(seen: Seen, earlier: Iterable[Note] = (), ends: Iterable[ContainerEnd] | None = None) -> Evidence:
    """Sum up what was seen of one server.

    Args:
        seen: What this look brought.
        earlier: Notes of its memory from before.
        ends: How containers of it ended, as their kubelet tells; None where nobody can see that.
    """
    counted = [one for one in seen.attempts if one.lag_s <= VOID_LAG_S]
    samples = [one.sample for one in counted]
    connects = _connects(samples)
    again = [one.sent_again > 0 for one in samples if one.sent_again is not None]
    failures = Counter(str(one) for one in map(failure_of, samples) if one is not None)
    whole = [one for one in seen.pages if one.sample.outcome == "ok"]
    pages = [(one.at_s, one.page) for one in whole]
    metrics = metrics_of(pages)
    return Evidence(
        server=seen.server,
        asked=len(counted),
        void=len(seen.attempts) - len(counted),
        failures=dict(failures),
        connect_s=_median(connects),
        connect_worst_s=max(connects, default=None),
        handshake_s=_median([one.phases_s["tls"] for one in samples if "tls" in one.phases_s]),
        sent_again=sum(again) / len(again) if again else None,
        livez=_waits(counted, LIVEZ),
        version=_waits(counted, VERSION),
        stored=_waits(counted, STORED),
        cached=_waits(counted, CACHED),
        body_bytes_per_s=_rate(seen.pages),
        metrics=metrics,
        metrics_trouble="" if metrics else _trouble(seen.pages),
        memory=Memory(
            seen.since_s,
            notes=(*earlier, *notes_of(pages)),
            signs_s=tuple(one.at_s for one in counted if one.sample.outcome == "refused" or one.sample.hung_up),
            ends=None if ends is None else tuple(one for one in ends if one.at_s >= seen.since_s),
        ),
    )


def _connects(samples: Iterable[HttpsSample]) -> list[float]:
    """Seconds of TCP handshakes that ended, or that nobody answered; a refusal is an answer, and tells no distance."""
    return [
        one.phases_s["tcp"]
        for one in samples
        if "tcp" in one.phases_s and (one.failed_in != "tcp" or one.outcome == "timeout")
    ]


def _waits(attempts: Iterable[Attempt], question: Question) -> Waits | None:
    """The waits of one question; None where it was never answered with what it asked, nor waited in vain."""
    samples = [one.sample for one in attempts if one.question == question.name]
    samples = [one for one in samples if failure_of(one) != NOT_LET_IN]
    beats: list[float] = []
    failed = 0
    for one in samples:
        if not is_told_off(failure_of(one)) or one.outcome == "timeout":
            beats += _beats(_waited_s(one))
        else:
            failed += 1
    if not beats:
        return None
    slow = sum(wait_s > _OBJECTIVE_S for wait_s in beats) + failed
    return Waits(statistics.median(beats), statistics.fmean(beats), slow / (len(beats) + failed), len(samples))


def _waited_s(sample: HttpsSample) -> float:
    """What the server took, where it could: without the kernel's handshake, and without the body."""
    return sum(spent_s for phase, spent_s in sample.phases_s.items() if phase in ("tls", "first_byte"))


def _beats(wait_s: float) -> list[float]:
    """The wait of a beat, and of those that were missed meanwhile."""
    return [wait_s - missed * BEAT_S for missed in range(int(wait_s / BEAT_S) + 1)]


def _rate(pages: Sequence[PageRead]) -> float | None:
    rates = [
        one.sample.body_bytes / one.sample.phases_s["body"]
        for one in pages
        if one.sample.body_bytes >= _LEAST_BODY_BYTES and one.sample.phases_s.get("body")
    ]
    return _median(rates)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _trouble(pages: Sequence[PageRead]) -> str:
    if not pages:
        return "not asked"
    failed = [failure for failure in (failure_of(one.sample) for one in pages) if failure is not None]
    return failed[-1] if failed else "no metrics of an API server"
