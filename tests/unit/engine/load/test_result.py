"""Results of a load that several processes play: told in few bytes, and added up to what one process would tell."""

import asyncio
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.result import LoadResult, merged, unpacked
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.virtual_nodes import node_name
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.memory_peer import HANG, OK, MemoryAnswer, MemoryPeer, status_answer
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

PROFILE = LoadProfile(
    requests=(RequestSpec("/api/v1/pods", period_s=1.0), RequestSpec("/metrics", query={"a": "b"}, period_s=3.0)),
    duration_s=30.0,
    request_timeout_s=2.0,
    max_in_flight_per_agent=2,
    retry="naive",
)


def played(numbers: range, begins_at_s: float = 0.0) -> LoadResult:
    """What comes of some virtual nodes; a tenth of the answers is refused and some never come, by what is asked."""
    loop = VirtualLoop()
    made: list[LoadResult] = []

    def script(_number: int, head: bytes) -> MemoryAnswer:
        kind = sum(head.split(b"Bearer ")[1][:16]) % 7
        return {0: status_answer(429), 1: HANG}.get(kind, replace(OK, delay_s=0.01 * kind))

    async def play() -> None:
        await asyncio.sleep(begins_at_s)
        runner = LoadRunner(PROFILE, "10.96.0.1", MemoryPeer(loop, script).connect, VirtualClock(loop), loop)
        runner.add_agents({node_name(number): Credentials(token=node_name(number)) for number in numbers})
        await runner.wait_until_over()
        made.append(runner.result("at its own end", len(numbers)))

    run_virtual(loop, play())
    return made[0]


def exact(result: LoadResult) -> dict[str, Any]:
    """What must not depend on how many processes play: sums of seconds are sums of floats, in another order."""
    told: dict[str, Any] = json.loads(json.dumps(result.as_dict()))
    for of_all in (told["total"], *told["requests"]):
        summaries = (of_all["lag"], of_all["latency"])
        for one in (*summaries, *of_all["latency_from_send"].values(), *of_all["latency_from_due"].values()):
            del one["mean_s"]
    return {key: told[key] for key in told.keys() - {"cpu_s", "peak_rss_bytes", "elapsed_s"}}


def test_three_processes_add_up_to_one_exactly() -> None:
    """Offered, begun and answered in each second, outcomes, every bin of every histogram, bytes."""
    whole = played(range(12))
    parts = [played(range(4)), played(range(4, 8)), played(range(8, 12))]
    told = merged([unpacked(one.packed()) for one in parts])
    assert exact(told) == exact(whole)
    assert [one.as_bins()["from_due"].keys() for one in told.totals] == [
        one.as_bins()["from_due"].keys() for one in whole.totals
    ]
    for one, other in zip(told.totals, whole.totals, strict=True):
        for outcome, histogram in other.from_due.items():
            assert one.from_due[outcome].as_bins()["bins"] == histogram.as_bins()["bins"]
    assert {"ok", "http_429", "timeout"} <= told.total.outcomes.keys()
    assert told.total.held_back > 0
    assert told.nodes == 12
    assert told.cpu_s == pytest.approx(sum(one.cpu_s for one in parts))
    assert told.peak_rss_bytes == sum(one.peak_rss_bytes for one in parts)


def test_what_began_later_is_counted_in_the_second_in_which_it_was() -> None:
    """Seconds are those of the load, which begins with its first process."""
    early, late = played(range(2)), played(range(2, 4), begins_at_s=3.0)
    both, alone = merged([late, early]).per_second.as_dict(), early.per_second.as_dict()
    assert both["due"][:3] == alone["due"][:3]
    assert sum(both["due"]) == sum(alone["due"]) + sum(late.per_second.due)
    assert len(both["due"]) == len(alone["due"]) + 3


def test_results_of_different_loads_are_not_added_up() -> None:
    """Somebody else told the prober something."""
    one = played(range(1))
    with pytest.raises(ProfileInvalid, match="different loads"):
        merged([one, replace(one, seed=2)])


def told_as(**changes: Any) -> bytes:
    """A result with something wrong in it."""
    told = json.loads(zlib.decompress(played(range(1)).packed()))
    return zlib.compress(json.dumps({**told, **changes}).encode())


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no zlib",
        zlib.compress(b"{}"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b" " * 5_000_000),
        told_as(nodes=-1),
        told_as(cpu_s="much"),
        told_as(elapsed_s=float("nan")),
        told_as(kinds=[]),
        told_as(profile="x" * 5000),
        told_as(per_second={"due": [0] * 6000, "begun": [], "answered": []}),
        told_as(totals=[{"due": 1}, {"due": 1}]),
    ],
    ids=range(12),
)
def test_what_is_no_result_is_refused(packed: bytes) -> None:
    """Whoever reaches the prober's page can tell it something."""
    with pytest.raises(ProfileInvalid, match="is no result of a load"):
        unpacked(packed)


def test_a_result_is_small() -> None:
    """Hundreds of them are on a prober's page."""
    assert len(played(range(50)).packed()) < 8_000
