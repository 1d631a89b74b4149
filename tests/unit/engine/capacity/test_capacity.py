"""What small loads say of large sizes, and how sure that is."""

import random

import pytest

from chaoslib_cp.engine.capacity.agents import ReadKind, Rung, fit_agent_cost, objects_per_request
from chaoslib_cp.engine.capacity.line import Point, fit_line, fit_mean

LISTS = ReadKind(rate_per_s=1 / 15, objects=2000, grows=True)
# kube-apiserver 1.36.4 at 0.4 core, 2,000 pods, each agent lists them every 15 s (shared facts, API-server overload
# 6.1): agents and the cores that were used; 0.083 without any.
MEASURED = [(5, 0.12), (10, 0.17), (15, 0.20), (20, 0.31), (25, 0.32)]
IDLE = 0.083


def rung(nodes: float, objects: float, cpu_s: float, rate_per_s: float = 1 / 15) -> Rung:
    """A load of a minute."""
    return Rung(nodes, objects, cpu_s, round(60 * nodes * rate_per_s))


def test_what_is_exact_is_found_exactly() -> None:
    """Without scatter there is no doubt, at any distance and with any weights."""
    line = fit_line([Point(x, 3 + 2 * x, weight) for x, weight in ((1, 1), (2, 9), (4, 0.5), (8, 2))])
    assert line is not None
    for estimate, value in ((line.slope, 2), (line.at(0), 3), (line.at(1e6), 2_000_003)):
        assert (estimate.low, estimate.value, estimate.high) == pytest.approx((value,) * 3)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 1,000 ladders, about 95 in 100 intervals hold the slope and the value far away; so does that of a mean."""
    draws = random.Random(1)  # noqa: S311 - guards nothing
    held = {"slope": 0, "value": 0, "mean": 0}
    for _ in range(1000):
        points = [Point(x, 1 + 0.5 * x + draws.gauss(0, 0.3 / x**0.5), x) for x in (1, 2, 4, 8, 16)]
        line = fit_line(points)
        mean = fit_mean([Point(0, 7 + draws.gauss(0, 1)) for _ in range(4)])
        assert line is not None
        assert mean is not None
        held["slope"] += line.slope.low <= 0.5 <= line.slope.high
        held["value"] += line.at(1000).low <= 501 <= line.at(1000).high
        held["mean"] += mean.low <= 7 <= mean.high
    assert all(930 <= count <= 970 for count in held.values()), held


@pytest.mark.parametrize("points", [[], [(1, 1), (2, 2)], [(5, 1), (5, 2), (5, 3)]])
def test_too_little_is_no_line(points: list[tuple[float, float]]) -> None:
    """Two points, or one place, tell nothing of the doubt."""
    assert fit_line([Point(x, y) for x, y in points]) is None


def test_the_knee_of_a_measured_ladder_is_predicted() -> None:
    """From 5 to 25 agents of a real server: its 0.4 core are used up near 41, as was seen between 40 and 50."""
    loads = [rung(nodes, LISTS.objects, (cores - IDLE) * 15 / nodes) for nodes, cores in MEASURED]
    cost = fit_agent_cost(loads, [LISTS])
    assert cost is not None
    assert cost.request is None, "objects were not varied"
    assert cost.exponent.low <= 1.0 <= cost.exponent.high
    reached = cost.nodes_at(0.4 - IDLE, None)
    assert reached is not None
    assert 30 < reached < 50
    at_knee = cost.cores(41, 1.0)
    assert at_knee.low <= 0.4 - IDLE <= at_knee.high


def test_a_fixed_part_and_one_for_each_object_are_told_apart() -> None:
    """Below 1 is the exponent then, though far away it is the part of the objects that counts."""
    loads = [rung(8, objects, 0.008 + 0.00013 * objects) for objects in (80, 160, 320)]
    cost = fit_agent_cost([*loads, rung(4, 320, 0.0496), rung(2, 320, 0.0496)], [ReadKind(1 / 15, 320, grows=True)])
    assert cost is not None
    assert cost.exponent.value < 1.0
    assert cost.request is not None
    assert cost.request.slope.value == pytest.approx(0.00013)
    assert cost.request.at(0).value == pytest.approx(0.008)
    assert cost.cores(5000, 100.0).value == pytest.approx(5000 / 15 * (0.008 + 0.00013 * 32_000))
    assert cost.cores(5000, 1.0).value == pytest.approx(5000 / 15 * 0.0496)


def test_objects_that_grow_with_the_nodes_make_the_cost_grow_with_their_square() -> None:
    """That of single objects does not, and a mean is weighed by rate."""
    cost = fit_agent_cost([rung(nodes, 2000, 0.15) for nodes in (1, 2, 4)], [LISTS])
    assert cost is not None
    assert cost.cores(100, 10.0).value == pytest.approx(10 * cost.cores(100, 1.0).value)
    assert cost.nodes_at(100.0, None) == pytest.approx(10_000, abs=1)
    assert cost.nodes_at(100.0, 100.0) == pytest.approx(1000, abs=1)
    assert cost.nodes_at(1e9, None) is None
    mixed = [LISTS, ReadKind(rate_per_s=3 / 15, objects=1)]
    assert objects_per_request(mixed) == pytest.approx((2000 + 3) / 4)
    assert objects_per_request(mixed, 2.0) == pytest.approx((4000 + 3) / 4)


def test_loads_that_cost_nothing_that_is_seen_are_no_fit() -> None:
    """A cost of nothing has no logarithm."""
    assert fit_agent_cost([rung(nodes, 10, cpu_s) for nodes, cpu_s in ((1, 0.1), (2, 0.1), (3, -0.1))], [LISTS]) is None
    assert fit_agent_cost([], [LISTS]) is None
