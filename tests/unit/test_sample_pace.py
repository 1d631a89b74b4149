"""Fixed times, an open model, and honesty about our own lateness."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.sample.outcome import Outcome
from chaoslib_cp.engine.sample.pace import Question, Record, Sampler, StallMeter, SteadyTime


@dataclass(frozen=True)
class Made:
    """A sample that says it is well."""

    outcome: Outcome = "ok"
    latency_s: float = 0.0

    def extras(self) -> Record:
        """Nothing more."""
        return {}


async def sample_for(
    duration_s: float, period_s: float, ask: Callable[[], Awaitable[Made]], blocks: tuple[float, float] | None = None
) -> list[Record]:
    """Sample a question; ``blocks`` is (after, for): block the event loop once, as a starved process would be."""
    steady = SteadyTime(SystemClock())
    stalls = StallMeter(steady)
    records: list[Record] = []
    sampler = Sampler(steady, stalls, records.append)
    stalls.start()
    asking = asyncio.ensure_future(sampler.keep_asking(Question("m", "t", period_s, ask)))
    if blocks is not None:
        asyncio.get_running_loop().call_later(blocks[0], time.sleep, blocks[1])
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
    """Attempts keep to their grid: small delays do not add up."""
    records = asyncio.run(sample_for(1.05, 0.1, at_once))
    began = [number(record, "at_s") for record in records]
    assert 10 <= len(began) <= 11
    assert all(abs((at_s - began[0]) - index * 0.1) < 0.08 for index, at_s in enumerate(began))


def test_unanswered_question_delays_no_other() -> None:
    """Open model: with answers after five periods there are as many attempts as with quick ones."""
    records = asyncio.run(sample_for(1.05, 0.1, after_a_while))
    assert 10 <= len(records) <= 11
    assert not any("void" in record for record in records)


def test_blocked_loop_is_owned_up_to() -> None:
    """An attempt that started late says how late, is void, counts the times it missed, and keeps its true time."""
    records = asyncio.run(sample_for(1.5, 0.1, at_once, blocks=(0.32, 0.6)))
    late = [record for record in records if record.get("void")]
    assert len(late) >= 1
    assert number(late[0], "lag_s") > 0.4
    gaps = [number(b, "at_s") - number(a, "at_s") for a, b in itertools.pairwise(records)]
    assert max(gaps) > 0.5  # at_s is when it really began, not when it should have
    assert sum(int(str(record.get("missed", 0))) for record in records) >= 4
    assert min(gaps) > 0.01  # and no burst makes up for it


def test_answer_unread_while_we_were_starved_is_void() -> None:
    """A stall in mid-attempt voids the sample, although it began on time."""

    async def answered_soon() -> Made:
        await asyncio.sleep(0.05)
        return Made(latency_s=0.05)

    records = asyncio.run(sample_for(1.2, 1.0, answered_soon, blocks=(0.02, 0.5)))
    assert records[0]["void"] is True
    assert number(records[0], "lag_s") == pytest.approx(0.45, abs=0.1)


def test_settled_waits_for_the_oldest_attempt() -> None:
    """Readers are told up to when the samples are complete."""

    async def look() -> tuple[float, float, float]:
        steady = SteadyTime(SystemClock())
        sampler = Sampler(steady, StallMeter(steady), lambda _: None)
        asking = asyncio.ensure_future(sampler.keep_asking(Question("m", "t", 9.0, after_a_while)))
        began_s = steady.now_s()
        await asyncio.sleep(0.2)
        during_s = sampler.settled_s()
        asking.cancel()
        await sampler.finish()
        return began_s, during_s, sampler.settled_s() - steady.now_s()

    began_s, during_s, after_s = asyncio.run(look())
    assert during_s - began_s < 0.1
    assert abs(after_s) < 0.05


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
    assert steady.now_s() - before_s < 1


def test_two_processes_share_one_time() -> None:
    """With an offset handed over, the time is that of whoever read it."""
    clock = SystemClock()
    assert SteadyTime(clock, 1000.0).now_s() - clock.monotonic_s() == pytest.approx(1000.0, abs=0.01)
