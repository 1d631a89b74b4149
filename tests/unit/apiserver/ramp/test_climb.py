"""Where a ramp goes next: each dwell that can be shown to it, and what it finds in the end."""

from dataclasses import replace
from typing import Any

import pytest

from chaoslib_cp.apiserver.ramp import climb
from chaoslib_cp.apiserver.ramp.climb import Climb
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.reading import Reading, ServerReading

CLIENT = Ladder(first_nodes=10, step_nodes=10, max_nodes=40, dwell_s=10.0, hold_s=20.0, stop_at_restart=False)
SERVERS = replace(CLIENT, until={"server_cpu_cores": 0.38}, stop_at_restart=True)
CALM = ServerReading(cpu_cores=0.2, rss_mib_per_s=0.0)


def dwell(nodes: int, **seen: Any) -> Reading:
    """Ten seconds in which all was answered in 0.1 s, but for what is said."""
    usual = {"due": nodes, "ended": nodes, "answered": nodes, "p50_s": 0.05, "p99_s": 0.1, "lag_p99_s": 0.001}
    return Reading(**{"nodes": nodes, "seconds": 10.0, "servers": CALM, **usual, **seen})


def climbed(ladder: Ladder, *shown: dict[str, Any], spent_at: int = -1) -> Climb:
    """Show one dwell after the other, each with the nodes that the ramp asked for, until it is over."""
    made = Climb(ladder)
    for number, seen in enumerate(shown):
        assert not made.is_over, f"{made.ended_by}, before dwell {number}"
        made.take(dwell(made.nodes, **seen), is_spent=number == spent_at)
    return made


SLOW = {"p99_s": 3.0}
WELL: dict[str, Any] = {}
LATE = {"lag_p99_s": 0.6}


def test_it_climbs_until_a_signal_crosses_twice_and_holds_at_the_last_good_rung() -> None:
    """The capacity is the rung before; the hold lasts as long as was asked, and all load is gone afterwards."""
    made = climbed(CLIENT, WELL, WELL, SLOW, SLOW)
    assert (made.phase, made.nodes) == ("hold", 20)
    made.take(dwell(20))
    assert not made.is_over
    made.take(dwell(20))
    found = made.result()
    assert (made.nodes, found["ended_by"], found["is_backed_off"]) == (0, climb.HELD, False)
    assert (found["capacity_nodes"], found["capacity_rate_per_s"], found["held_s"]) == (20, 2.0, 20.0)
    assert found["crossed"] == {"signal": "client_p99_s", "value": 3.0, "line": 1.0, "nodes": 30}
    assert [(row["phase"], row["nodes"]) for row in found["ladder"]] == [
        ("climb", 10), ("climb", 20), ("climb", 30), ("climb", 30), ("hold", 20), ("hold", 20),
    ]  # fmt: skip


def test_one_slow_dwell_is_no_saturation() -> None:
    """It is looked at once more, and the climb goes on."""
    made = climbed(CLIENT, SLOW, WELL)
    assert (made.phase, made.nodes, made.crossing) == ("climb", 20, None)


@pytest.mark.parametrize(("factor", "nodes"), [(0.5, 10), (1.6, 32), (9.0, 40), (0.1, 2)])
def test_the_hold_is_never_above_the_cap(factor: float, nodes: int) -> None:
    """Nobody is asked for more than was allowed, whatever the factor."""
    assert climbed(replace(CLIENT, hold_factor=factor), WELL, WELL, SLOW, SLOW).hold_nodes == nodes


ENDS: dict[str, tuple[Ladder, list[dict[str, Any]], str, int | None, bool]] = {
    "the cap": (CLIENT, [WELL, WELL, WELL, WELL], climb.CAP, 40, False),
    "on the first rung": (CLIENT, [SLOW, SLOW], climb.AT_ONCE, None, False),
    "no hold": (replace(CLIENT, hold_s=0.0), [WELL, SLOW, SLOW], climb.FOUND, 10, False),
    "errors": (CLIENT, [WELL, {"ended": 20, "failed": 10}], "guard rail: 50% of the tries", 10, True),
    "errors in the hold": (CLIENT, [WELL, SLOW, SLOW, {"ended": 30, "failed": 30}], "guard rail: 100%", 10, True),
    "our own machine": (CLIENT, [WELL, LATE, LATE], "this machine began requests 0.60 s late", 10, True),
    "nothing to judge": (CLIENT, [WELL, {"p99_s": None}, {"p99_s": None}], "client_p99_s was not read", 10, True),
    "a restart": (SERVERS, [WELL, WELL, {"servers": ServerReading(restarts=1)}], "API server was restarted", 10, True),
    "blind": (
        SERVERS,
        [WELL, WELL, *[{"servers": ServerReading(trouble="/metrics of a: timeout")}] * 2],
        "server_cpu_cores was not read (/metrics of a: timeout)",
        10,
        True,
    ),
    "busy without load": (
        SERVERS,
        [{"servers": ServerReading(cpu_cores=0.39)}],
        "server_cpu_cores is 0.39 without any load",
        None,
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_it_ends_by_itself_and_says_why(case: str) -> None:
    """Whatever ends it, no load is left, and what was found until then is told."""
    ladder, shown, words, capacity, is_backed_off = ENDS[case]
    made = climbed(ladder, *shown)
    found = made.result()
    assert made.is_over
    assert words in found["ended_by"]
    assert (made.nodes, found["capacity_nodes"], found["is_backed_off"]) == (0, capacity, is_backed_off)


def test_a_budget_that_is_used_up_ends_it() -> None:
    """Nodes that have ended by themselves offer nothing: the next rung would be no rung."""
    made = climbed(CLIENT, WELL, WELL, spent_at=1)
    assert "the budget of requests or bytes of the profile is used up" in made.ended_by


def test_a_few_errors_are_chance() -> None:
    """Of three tries one that fails ends nothing."""
    assert not climbed(CLIENT, {"ended": 3, "failed": 3}).is_over


def test_what_our_own_machine_delayed_crosses_no_line_of_the_client() -> None:
    """A late client sees high latency whatever the server does; what servers say of themselves still counts."""
    late_and_slow = {**LATE, **SLOW}
    assert climbed(CLIENT, WELL, late_and_slow).crossing is None
    full = {**LATE, "servers": ServerReading(cpu_cores=0.4)}
    assert climbed(SERVERS, WELL, WELL, full, full).crossing is not None
