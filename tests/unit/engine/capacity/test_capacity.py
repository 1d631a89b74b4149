"""What small rungs say of large sizes, and how sure that is."""

import math
import random

import pytest

from chaoslib_cp.engine.capacity.agents import ReadKind, Rung, fit_agent_cost, objects_per_request
from chaoslib_cp.engine.capacity.power_law import fit_power_law

LISTS = ReadKind(rate_per_s=1 / 15, objects=2000, grows=True)
# kube-apiserver 1.36.4 at 0.4 core, 2,000 pods, each agent lists them every 15 s (shared facts, API-server overload
# 6.1): agents and the cores that were used; 0.083 without any.
MEASURED = [(5, 0.12), (10, 0.17), (15, 0.20), (20, 0.31), (25, 0.32)]
IDLE = 0.083


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_what_is_exact_is_found_exactly(exponent: float) -> None:
    """Without scatter there is no doubt, at any distance."""
    law = fit_power_law([(x, 3 * x**exponent) for x in (1, 2, 4, 8)])
    assert law is not None
    assert (law.exponent.low, law.exponent.value, law.exponent.high) == pytest.approx((exponent,) * 3)
    at = law.at(1e6)
    assert (at.low, at.value, at.high) == pytest.approx((3 * 1e6**exponent,) * 3)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 400 ladders with a scatter of a tenth, about 95 in 100 intervals hold the exponent and the value far away."""
    draws = random.Random(1)  # noqa: S311 - guards nothing
    held_exponent = held_value = 0
    for _ in range(400):
        law = fit_power_law([(x, 0.02 * x * math.exp(draws.gauss(0, 0.1))) for x in (1, 2, 4, 8, 16)])
        assert law is not None
        held_exponent += law.exponent.low <= 1.0 <= law.exponent.high
        held_value += law.at(1000).low <= 20.0 <= law.at(1000).high
    assert 0.92 * 400 <= held_exponent <= 0.98 * 400
    assert 0.92 * 400 <= held_value <= 0.98 * 400


@pytest.mark.parametrize("points", [[], [(1, 1), (2, 2)], [(1, 1), (2, 2), (3, -0.1)], [(5, 1), (5, 2), (5, 3)]])
def test_too_little_is_no_fit(points: list[tuple[float, float]]) -> None:
    """Two points, or one size, tell nothing of the doubt; a cost of nothing has no logarithm."""
    assert fit_power_law(points) is None


def test_the_knee_of_a_measured_ladder_is_predicted() -> None:
    """From 5 to 25 agents of a real server: its 0.4 core are used up near 41, as was seen."""
    cost = fit_agent_cost([Rung(nodes, LISTS.objects, cores - IDLE) for nodes, cores in MEASURED], [LISTS])
    assert cost is not None
    assert cost.law.exponent.low <= 1.0 <= cost.law.exponent.high
    reached = cost.nodes_at(0.4 - IDLE, None)
    assert reached is not None
    assert 25 < reached < 50
    at_knee = cost.cores(41, 1.0)
    assert at_knee.low <= 0.4 - IDLE <= at_knee.high


def test_objects_that_grow_with_the_nodes_make_the_cost_grow_with_their_square() -> None:
    """That of single objects does not, and a mean is weighed by rate."""
    cost = fit_agent_cost([Rung(nodes, 2000, 0.01 * nodes) for nodes in (1, 2, 4)], [LISTS])
    assert cost is not None
    assert cost.cores(100, 10.0).value == pytest.approx(10 * cost.cores(100, 1.0).value)
    assert cost.nodes_at(100.0, None) == pytest.approx(10_000, abs=1)
    assert cost.nodes_at(100.0, 100.0) == pytest.approx(1000, abs=1)
    assert cost.nodes_at(1e9, None) is None
    mixed = [LISTS, ReadKind(rate_per_s=3 / 15, objects=1)]
    assert objects_per_request(mixed) == pytest.approx((2000 + 3) / 4)
    assert objects_per_request(mixed, 2.0) == pytest.approx((4000 + 3) / 4)
