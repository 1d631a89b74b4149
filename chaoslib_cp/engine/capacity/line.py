"""A straight line through measured points, with what it knows of its own doubt.

Source: any textbook on regression: weighted least squares, intervals of intercept, slope and mean response.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

CONFIDENCE: Final = 0.95
FEWEST_POINTS: Final = 3
"""Two points always lie on a line, so they tell nothing of its doubt."""
# Two-sided 95 % quantiles of Student's t for 1, 2, 3 ... degrees of freedom.
# Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, critical values of Student's t.
_T: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL: Final = 1.960


@dataclass(frozen=True)
class Point:
    """One of them.

    Attributes:
        x: What was varied.
        y: What was measured.
        weight: How much it counts, above 0: one over its variance, but for a factor.
    """

    x: float
    y: float
    weight: float = 1.0


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: Best guess.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The same of something ``factor`` times as large; above 0."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Line:
    """``y = intercept + slope * x``.

    Attributes:
        slope: With its interval.
        points: How many points it was fitted to.
    """

    slope: Estimate
    points: int
    _mean_x: float
    _mean_y: float
    _weight: float
    _spread_x: float
    _scatter: float

    def at(self, x: float) -> Estimate:
        """The mean of ``y`` at ``x``; the further from the points, the wider the interval."""
        distance = x - self._mean_x
        middle = self._mean_y + self.slope.value * distance
        width = _t(self.points - 2) * self._scatter * math.sqrt(1 / self._weight + distance**2 / self._spread_x)
        return Estimate(middle, middle - width, middle + width)


def fit_line(points: Sequence[Point]) -> Line | None:
    """Fit a line; None with fewer than ``FEWEST_POINTS`` points, or when all of them have the same x."""
    xs = [point.x for point in points]
    if len(points) < FEWEST_POINTS or math.isclose(min(xs), max(xs), rel_tol=1e-9, abs_tol=1e-12):
        return None
    weight = sum(point.weight for point in points)
    mean_x = sum(point.weight * point.x for point in points) / weight
    mean_y = sum(point.weight * point.y for point in points) / weight
    spread_x = sum(point.weight * (point.x - mean_x) ** 2 for point in points)
    slope = sum(point.weight * (point.x - mean_x) * (point.y - mean_y) for point in points) / spread_x
    missed = sum(point.weight * (point.y - mean_y - slope * (point.x - mean_x)) ** 2 for point in points)
    scatter = math.sqrt(missed / (len(points) - 2))
    half = _t(len(points) - 2) * scatter / math.sqrt(spread_x)
    with_doubt = Estimate(slope, slope - half, slope + half)
    return Line(with_doubt, len(points), mean_x, mean_y, weight, spread_x, scatter)


def fit_mean(points: Sequence[Point]) -> Estimate | None:
    """The mean of ``y``, where nothing was varied; None with fewer than two points."""
    if len(points) < 2:
        return None
    weight = sum(point.weight for point in points)
    mean = sum(point.weight * point.y for point in points) / weight
    missed = sum(point.weight * (point.y - mean) ** 2 for point in points)
    half = _t(len(points) - 1) * math.sqrt(missed / (len(points) - 1) / weight)
    return Estimate(mean, mean - half, mean + half)


def _t(degrees: int) -> float:
    return next(chain(_T[degrees - 1 : degrees], [_NORMAL]))
