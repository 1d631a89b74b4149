"""Fixed times, an open model, and honesty about our own lateness."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from chaoslib_cp.clock import Clock, SteadyTime, SystemClock
from chaoslib_cp.engine.sample.pace import Question, Record, Sampler, StallMeter
from chaoslib_cp.outcome import Outcome
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual


@dataclass(frozen=True)
class Made:
    """A sample that says it is well."""

    outcome: Outcome = "ok"
    latency_s: float = 0.0

    def extras(self) -> Record:
        """Nothing more."""
        return {}


def sample_for(
    duration_s: float, period_s: float, ask: Callable[[], Awaitable[Made]], starved: tuple[float, float] | None = None
) -> list[Record]:
    """Sample a question on virtual time; ``starved`` is (after, for): once, time passes and we do not run."""
    loop = VirtualLoop()

    def starve(for_s: float) -> None:
        loop._jumping.now_s += for_s

    async def run() -> list[Record]:
        if starved is not None:
            loop.call_later(starved[0], starve, starved[1])
        return await sample(VirtualClock(loop), duration_s, period_s, ask)

    return list(run_virtual(loop, run()))


async def sample(clock: Clock, duration_s: float, period_s: float, ask: Callable[[], Awaitable[Made]]) -> list[Record]:
    """Sample a question with a stall meter running."""
    steady = SteadyTime(clock)
    stalls = StallMeter(steady)
    records: list[Record] = []
    sampler = Sampler(steady, stalls, records.append)
    stalls.start()
    asking = asyncio.ensure_future(sampler.keep_asking(Question("m", "t", period_s, ask)))
    await asyncio.sleep(duration_s)
    asking.cancel()
    await sampler.finish()
    stalls.stop()
    return records


def number(record: Record, key: str) -> float:
    """A number of a record."""
    value = record[key]
    assert isinstance(value, float)
    return value


async def at_once() -> Made:
    """Answer at once."""
    return Made()


async def after_a_while() -> Made:
    """Answer after five periods."""
    await asyncio.sleep(0.5)
    return Made(latency_s=0.5)


def test_times_are_fixed() -> None:
    """Attempts keep to their grid for ten minutes: small delays do not add up."""
    records = sample_for(600.5, 1.0, after_a_while)
    began = [number(record, "at_s") for record in records]
    assert len(began) == 601
    assert [at_s - began[0] for at_s in began] == pytest.approx(range(601), abs=1e-3)


def test_unanswered_question_delays_no_other() -> None:
    """Open model: with answers after five periods there are as many attempts as with quick ones."""
    slow, quick = (sample_for(1.05, 0.1, ask) for ask in (after_a_while, at_once))
    assert len(slow) == len(quick) == 11
    assert not any("void" in record for record in slow)


def test_starvation_is_owned_up_to() -> None:
    """An attempt that started late says how late, is void, counts the times it missed, and keeps its true time."""
    records = sample_for(1.45, 0.1, at_once, starved=(0.32, 0.6))
    (late,) = [record for record in records if record.get("void")]
    assert number(late, "lag_s") == pytest.approx(0.52, abs=0.01)
    assert number(late, "at_s") - number(records[0], "at_s") == pytest.approx(0.92, abs=0.01)
    after = records[records.index(late) + 1]
    assert after["missed"] == 5
    assert number(after, "at_s") - number(records[0], "at_s") == pytest.approx(1.0, abs=0.01)  # no burst, on the grid


def test_answer_unread_while_we_were_starved_is_void() -> None:
    """A stall in mid-attempt voids the sample, although it began on time."""
    records = sample_for(1.2, 1.0, after_a_while, starved=(0.12, 0.5))
    assert [record.get("void", False) for record in records] == [True, False]
    assert number(records[0], "lag_s") == pytest.approx(0.42, abs=0.01)  # from the next heartbeat on


def test_blocked_event_loop_is_noticed_in_real_time() -> None:
    """What really blocks the loop, here a long callback, shows in the lag of the attempt it delayed."""

    async def run() -> list[Record]:
        asyncio.get_running_loop().call_later(0.15, time.sleep, 0.5)
        return await sample(SystemClock(), 1.0, 0.1, at_once)

    late = [number(record, "lag_s") for record in asyncio.run(run()) if record.get("void")]
    assert late
    assert max(late) > 0.3


def test_broken_sink_is_not_silent() -> None:
    """When samples cannot be kept (a full disk), asking ends with the reason."""

    def full(_: Record) -> None:
        raise OSError("no space left on device")

    async def run() -> None:
        steady = SteadyTime(SystemClock())
        await Sampler(steady, StallMeter(steady), full).keep_asking(Question("m", "t", 0.05, at_once))

    with pytest.raises(OSError, match="no space"):
        asyncio.run(run())


def test_steady_time_does_not_follow_the_wall_clock() -> None:
    """A step of the wall clock in mid-run moves no sample."""

    class Stepping(SystemClock):
        stepped_s = 0.0

        def epoch_s(self) -> float:
            return super().epoch_s() + self.stepped_s

    clock = Stepping()
    steady = SteadyTime(clock)
    before_s = steady.now_s()
    clock.stepped_s = 3600.0
    assert steady.now_s() - before_s < 600


def test_two_processes_share_one_time() -> None:
    """With an offset handed over, the time is that of whoever read it."""
    clock = SystemClock()
    steady = SteadyTime(clock, 1000.0)
    before_s = clock.monotonic_s()
    now_s = steady.now_s()
    assert before_s + 1000.0 <= now_s <= clock.monotonic_s() + 1000.0
