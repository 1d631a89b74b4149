"""One API server, asked for some seconds: five small questions at a beat, and now and then its page of metrics.

Each question separates two resources (docs/what-is-saturated.md). Nothing is changed, and no more is asked when the
server is slow: a question waits for its answer, and the beats that it missed are counted later (``evidence.py``).
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chaoslib_cp.apiserver.saturated.metrics import KEPT, QUERY
from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.cluster.door.address import joined
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.exposition import MetricsPage
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, HttpsTarget, KeptConnections
from chaoslib_cp.engine.sample.pace import StallMeter

BEAT_S: Final = 1.0
CALL_LIMIT_S: Final = 5.0
"""Longer than that is lost for a person who works on an outage; the observer's limit, too (``vantage.py``)."""
PAGE_EVERY_S: Final = 5.0
"""A page costs a server far more than all the rest (docs/what-is-saturated.md), so it is asked this often at most."""
PAGE_LIMIT_S: Final = 10.0
# After the first questions: a page that is being written slows the answers beside it.
_FIRST_PAGE_S: Final = 0.4
_APART_S: Final = 0.02
_PAUSE_AFTER_PAGE_S: Final = 1.0
_SHIFTED: Final = 0.8
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Question:
    """One small question.

    Attributes:
        name: What it is called.
        path: What is read; ``{namespace}`` stands for the namespace of the library's own objects.
        is_kept: Over a connection that is kept.
    """

    name: str
    path: str
    is_kept: bool = True


# `/livez` is exempt from fair queueing; without its look at etcd it needs nothing but the process itself.
_EXEMPT: Final = "/livez?exclude=etcd"
_OBJECT: Final = "/api/v1/namespaces/{namespace}"
FRESH: Final = Question("fresh", _EXEMPT, is_kept=False)
LIVEZ: Final = Question("livez", _EXEMPT)
VERSION: Final = Question("version", "/version")
STORED: Final = Question("stored", _OBJECT)
"""Without a resourceVersion a single object always comes from etcd."""
CACHED: Final = Question("cached", f"{_OBJECT}?resourceVersion=0")
"""With one it comes from the watch cache, in the server's memory."""
QUESTIONS: Final = (FRESH, LIVEZ, VERSION, STORED, CACHED)


@dataclass(frozen=True)
class Attempt:
    """One question, asked once.

    Attributes:
        question: Its name.
        sample: What came.
        lag_s: Seconds for which this process did not run meanwhile.
        at_s: When it ended, epoch seconds.
    """

    question: str
    sample: HttpsSample
    lag_s: float
    at_s: float


@dataclass(frozen=True)
class PageRead:
    """One attempt at the page of metrics.

    Attributes:
        at_s: When its first byte came, seconds.
        sample: How the call went.
        page: What was kept of it; only whole pages count.
    """

    at_s: float
    sample: HttpsSample
    page: MetricsPage


@dataclass
class Seen:
    """All that came of asking one server.

    Attributes:
        server: ``ip:port``.
        since_s: When the asking began, epoch seconds.
        attempts: The small questions, in the order in which they ended.
        pages: The pages of metrics, likewise.
    """

    server: str
    since_s: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    pages: list[PageRead] = field(default_factory=list)

    @property
    def samples(self) -> list[HttpsSample]:
        """Every call."""
        return [*(one.sample for one in self.attempts), *(one.sample for one in self.pages)]

    @property
    def body_bytes(self) -> int:
        """Bytes of all bodies that were read."""
        return sum(one.body_bytes for one in self.samples)


@dataclass(frozen=True)
class Way:
    """What one look needs.

    Attributes:
        target: The server, and as whom.
        namespace: Where the object that is read is.
        window_s: How long to ask; the last questions may take their own limit longer.
        time: The time.
        stalls: Notices when this process does not run.
    """

    target: HttpsTarget
    namespace: str
    window_s: float
    time: SteadyTime
    stalls: StallMeter


async def look_at(way: Way) -> Seen:
    """Ask one server for the window; never raises for a sick server or network."""
    start_s = way.time.now_s()
    seen = Seen(joined(way.target.address, way.target.port), start_s)
    kept, page_kept = KeptConnections(), KeptConnections()
    try:
        async with asyncio.TaskGroup() as group:
            for number, question in enumerate(QUESTIONS):
                group.create_task(_keep_asking(way, question, start_s + number * _APART_S, kept, seen.attempts.append))
            group.create_task(_keep_reading(way, start_s + _FIRST_PAGE_S, page_kept, seen))
    finally:
        kept.close()
        page_kept.close()
    return seen


async def _keep_asking(
    way: Way, question: Question, start_s: float, kept: KeptConnections, take: Callable[[Attempt], None]
) -> None:
    request = HttpsRequest("GET", question.path.replace("{namespace}", way.namespace))
    beat = 0
    while beat * BEAT_S < way.window_s:
        due_s = start_s + beat * BEAT_S + _shift_s(beat)
        await asyncio.sleep(max(0.0, due_s - way.time.now_s()))
        at_s = way.time.now_s()
        sample = await https.ask(way.target, request, CALL_LIMIT_S, kept if question.is_kept else None)
        lag_s = max(at_s - due_s, way.stalls.worst_since(at_s), 0.0)
        take(Attempt(question.name, sample, lag_s, way.time.now_s()))
        beat = max(beat + 1, math.ceil((way.time.now_s() - start_s) / BEAT_S))


def _shift_s(beat: int) -> float:
    """How late within its beat a question is asked.

    What comes and goes twice a second would always be met in the same state otherwise (source: the golden ratio spreads
    any number of points evenly, D. Knuth, The Art of Computer Programming 3, 6.4).
    """
    return _SHIFTED * BEAT_S * (beat * _GOLDEN % 1.0)


async def _keep_reading(way: Way, due_s: float, kept: KeptConnections, seen: Seen) -> None:
    ends_s = due_s + way.window_s
    limit_s = min(PAGE_LIMIT_S, CALL_LIMIT_S + way.window_s)  # a short look ends soon
    while await _is_due(way, due_s, ends_s, seen):
        at_s = way.time.now_s()
        page = MetricsPage(KEPT)
        request = HttpsRequest("GET", f"/metrics?{QUERY}", keep_body_bytes=0, take_body=page.feed)
        sample = await https.ask(way.target, request, limit_s, kept)
        page.end()
        before_body_s = sum(spent_s for phase, spent_s in sample.phases_s.items() if phase != "body")
        seen.pages.append(PageRead(at_s + before_body_s, sample, page))
        next_s = at_s if _is_turned_away(sample) else at_s + PAGE_EVERY_S
        due_s = max(next_s, way.time.now_s() + _PAUSE_AFTER_PAGE_S)


async def _is_due(way: Way, due_s: float, ends_s: float, seen: Seen) -> bool:
    """Wait for the next page; False where the end comes before it.

    After one that broke off the next is due as soon as nobody listens: its process is gone, and the one that comes
    after it has written no page yet.
    """
    began_s = way.time.now_s()
    broke_off = bool(seen.pages) and _broke_off(seen.pages[-1].sample)
    while (left_s := min(due_s, ends_s) - way.time.now_s()) > 0:
        if broke_off and _is_refused_since(seen, began_s):
            return True
        await asyncio.sleep(min(left_s, BEAT_S))
    return due_s <= ends_s


def _is_refused_since(seen: Seen, since_s: float) -> bool:
    return any(one.sample.outcome == "refused" and one.at_s >= since_s for one in seen.attempts)


def _is_turned_away(sample: HttpsSample) -> bool:
    """Whether no page was written, so none was paid for.

    A server that has just come back refuses, and then says 403 until it has read its roles: the first page that it
    gives is worth having, as it may not live for long.
    """
    return sample.outcome not in ("ok", "timeout") and not _broke_off(sample)


def _broke_off(sample: HttpsSample) -> bool:
    return sample.failed_in == "body" and sample.outcome != "timeout"
