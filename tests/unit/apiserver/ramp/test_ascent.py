"""The whole loop on virtual time, against a server that works off one request after the other."""

from collections.abc import Callable
from typing import Any

import pytest

from chaoslib_cp.apiserver.overload.crew import Crew
from chaoslib_cp.apiserver.ramp.ascent import Ascent
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.servers import ServerWatch
from chaoslib_cp.clock import SteadyTime
from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.runner import LoadRunner
from tests.fakes.memory_peer import HANG, HANG_UP, OK, MemoryAnswer, MemoryPeer, status_answer
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

LADDER = Ladder(first_nodes=5, step_nodes=5, max_nodes=60, dwell_s=20.0, hold_s=40.0, stop_at_restart=False)
Script = Callable[[int, bytes], MemoryAnswer]


class Climbed:
    """A ramp that was played to its end.

    Attributes:
        found: Its result.
        offered: Requests that the server got, by the second.
        took_s: Virtual seconds that it took.
        left: Virtual nodes that are still there.
    """

    def __init__(self, ladder: Ladder, script_of: Callable[[VirtualLoop], Script], **profile: Any) -> None:
        loop = VirtualLoop()
        peer, clock = MemoryPeer(loop, script_of(loop)), VirtualClock(loop)
        made = LoadProfile(requests=(RequestSpec("/api/v1/pods", period_s=1.0),), **{"duration_s": 3600.0, **profile})
        rows: list[str] = []

        async def play() -> None:
            crew = Crew(LoadRunner(made, "10.96.0.1", peer.connect, clock, loop), lambda _number: Credentials(), "x")
            watch = ServerWatch(ladder, {}, {}, (), SteadyTime(clock))
            ascent = Ascent(ladder, watch, clock, lambda phase, _told: rows.append(phase))
            await ascent.play(crew)
            self.found, self.took_s, self.left = ascent.result(), clock.monotonic_s(), crew.runner.running

        run_virtual(loop, play())
        self.offered = len(peer.heads)
        assert rows == ["rung"] * len(self.found["ladder"]) + ["ramp"]


def works_off(service_s: float) -> Callable[[VirtualLoop], Script]:
    """A server that needs so long for each request, and takes the next one only then."""

    def script_of(loop: VirtualLoop) -> Script:
        free_at = 0.0

        def script(_number: int, _head: bytes) -> MemoryAnswer:
            nonlocal free_at
            free_at = max(free_at, loop.time()) + service_s
            return MemoryAnswer(delay_s=free_at - loop.time())

        return script

    return script_of


def always(answer: MemoryAnswer) -> Callable[[VirtualLoop], Script]:
    """A server with one answer to everything."""
    return lambda _loop: lambda _number, _head: answer


@pytest.mark.parametrize(("service_s", "bears"), [(0.1, 10), (0.05, 20)])
def test_the_capacity_is_what_the_server_can_work_off(service_s: float, bears: int) -> None:
    """Each virtual node asks once a second, so it is the reciprocal of the time for one request, to a rung."""
    climbed = Climbed(LADDER, works_off(service_s))
    found = climbed.found
    assert found["capacity_nodes"] in (bears - 5, bears)
    assert found["crossed"]["nodes"] == found["capacity_nodes"] + 5
    assert found["capacity_rate_per_s"] == pytest.approx(found["capacity_nodes"], rel=0.1)
    assert (found["hold_nodes"], found["held_s"]) == (found["capacity_nodes"], 40.0)
    assert climbed.left == 0
    assert climbed.took_s <= LADDER.longest_s


def test_a_server_that_never_answers_is_found_out_by_what_waits() -> None:
    """Nothing is over in the first dwell, and all the same the latency is known to be too long."""
    climbed = Climbed(LADDER, always(HANG), max_in_flight_per_agent=64, request_timeout_s=120.0)
    assert climbed.found["crossed"]["value"] > 10
    assert climbed.found["capacity_nodes"] is None
    assert climbed.found["ended_by"] == "a signal crossed its line on the first rung: the capacity is below it"


@pytest.mark.parametrize("answer", [HANG_UP, status_answer(500)], ids=["resets", "5xx"])
def test_errors_take_all_load_away_within_seconds(answer: MemoryAnswer) -> None:
    """In the middle of a dwell, and for good."""
    climbed = Climbed(LADDER, always(answer))
    assert "guard rail: 100% of the tries got no answer or 5xx" in climbed.found["ended_by"]
    assert climbed.took_s < 6
    assert (climbed.left, climbed.offered <= 30) == (0, True)


def test_a_budget_of_the_profile_ends_it() -> None:
    """No request is sent beyond it, and what was found until then is told."""
    climbed = Climbed(LADDER, always(OK), max_total_requests=250)
    assert "the budget of requests or bytes of the profile is used up" in climbed.found["ended_by"]
    assert (climbed.offered, climbed.found["capacity_nodes"]) == (250, 5)


def test_refusals_are_a_signal_of_their_own() -> None:
    """A 429 is an answer and no error: it ends the climb only where it was named."""
    refusing = always(status_answer(429))
    assert Climbed(Ladder(**{**vars(LADDER), "max_nodes": 10}), refusing).found["capacity_nodes"] == 10
    named = Climbed(Ladder(**{**vars(LADDER), "until": {"refused_ratio": 0.1}}), refusing).found
    assert named["crossed"]["signal"] == "refused_ratio"
