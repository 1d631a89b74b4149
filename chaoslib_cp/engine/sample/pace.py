"""Fixed times, an open model, and the truth about our own lateness.

An attempt starts when its time has come, whether or not the previous one was answered: a sampler that waits for
answers takes the fewest samples when the system is worst. And a starved sampler must not blame the system, so each
sample carries how late we were ourselves.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.outcome import Outcome

#: Later than this (s) and the sample says more about us than about the cluster (design.md section 4).
VOID_LAG_S: Final = 0.25
_HEARTBEAT_S: Final = 0.1
#: Questions begin at whole ticks of the clock, so that many that are asked each second wake the process less often.
_TICK_S: Final = 0.01
_REMEMBER_STALLS: Final = 64

Record = dict[str, object]


class Attempt(Protocol):
    """What one attempt brought, whatever was asked."""

    @property
    def outcome(self) -> Outcome:
        """How the attempt ended."""

    @property
    def latency_s(self) -> float:
        """Seconds it took."""

    def extras(self) -> Record:
        """Further keys for the timeline line."""


class StallMeter:
    """Notices when this process did not run: a heartbeat in the event loop that should come every 0.1 s.

    Without it, an answer that lay unread in the socket while we were starved would count as a slow server.
    """

    def __init__(self, time: SteadyTime) -> None:
        self._time = time
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_REMEMBER_STALLS)
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat in the running event loop."""
        self._due_s = self._time.now_s() + _HEARTBEAT_S
        self._timer = asyncio.get_running_loop().call_later(_HEARTBEAT_S, self._beat)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst_since(self, start_s: float) -> float:
        """Longest stall in seconds that ended after ``start_s``, one that is only just ending included."""
        if self._timer is None:
            return 0.0
        ended = (stall_s for end_s, stall_s in self._stalls if end_s >= start_s)
        return max(self._time.now_s() - self._due_s, *ended, 0.0)

    def _beat(self) -> None:
        now_s = self._time.now_s()
        if now_s - self._due_s > _HEARTBEAT_S / 2:
            self._stalls.append((now_s, now_s - self._due_s))
        self.start()


@dataclass(frozen=True)
class Question:
    """Something to ask at fixed times.

    Attributes:
        vantage: Name of the vantage point in the timeline.
        target: Whom it asks, as text for the reader of the timeline.
        period_s: Seconds between two attempts.
        ask: The attempt itself; it must end by a deadline of its own.
        first_s: Seconds to wait before the first attempt, and up to 10 ms more: spreads the questions over the period.
    """

    vantage: str
    target: str
    period_s: float
    ask: Callable[[], Awaitable[Attempt]]
    first_s: float = 0.0


class Sampler:
    """Asks questions at fixed times and hands each finished sample, as a timeline record, to ``sink``.

    Records come in the order in which attempts *end*; ``at_s`` says when they began.
    """

    def __init__(self, time: SteadyTime, stalls: StallMeter, sink: Callable[[Record], None]) -> None:
        self._time = time
        self._stalls = stalls
        self._sink = sink
        self._in_flight: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    async def keep_asking(self, question: Question) -> None:
        """Start an attempt at every fixed time until cancelled; attempts in flight go on to their own deadline.

        Raises whatever the sink or an attempt raised: nothing should, so going on would hide missing samples.
        """
        due_s = math.ceil((self._time.now_s() + question.first_s) / _TICK_S) * _TICK_S
        missed = 0
        while True:
            await asyncio.sleep(max(0.0, due_s - self._time.now_s()))
            if self._broken is not None:
                raise self._broken
            self._start(question, due_s, missed)
            # Times that passed while we were starved are counted, not asked in a burst: a burst would be load.
            missed = max(0, int((self._time.now_s() - due_s) / question.period_s))
            due_s += (1 + missed) * question.period_s

    async def finish(self) -> None:
        """Wait for the attempts in flight; each has a deadline of its own."""
        while self._in_flight:
            await asyncio.wait(tuple(self._in_flight))

    def _start(self, question: Question, due_s: float, missed: int) -> None:
        at_s = self._time.now_s()
        task = asyncio.get_running_loop().create_task(self._attempt(question, at_s, at_s - due_s, missed))
        self._in_flight.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()

    async def _attempt(self, question: Question, at_s: float, late_s: float, missed: int) -> None:
        attempt = await question.ask()
        lag_s = max(late_s, self._stalls.worst_since(at_s), 0.0)
        record = sample_record(question.vantage, question.target, at_s, lag_s, attempt)
        if missed:
            record["missed"] = missed
        self._sink(record)


def sample_record(vantage: str, target: str, at_s: float, lag_s: float, attempt: Attempt) -> Record:
    """Put one sample into the form of a timeline line."""
    record: Record = {
        "kind": "sample",
        "at_s": at_s,
        "vantage": vantage,
        "target": target,
        "ok": attempt.outcome == "ok",
        "outcome": attempt.outcome,
        "latency_s": attempt.latency_s,
        "lag_s": lag_s,
        **attempt.extras(),
    }
    if lag_s > VOID_LAG_S:
        record["void"] = True
    return record
