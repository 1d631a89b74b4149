"""A power law, ``y = k * x ** exponent``, fitted to measured points, with what the fit knows of its own doubt.

Least squares on logarithms: the error of a measured cost grows with the cost, so it is the ratio that scatters alike.
Source: any textbook on regression, "simple linear regression", intervals of the slope and of the mean response.
"""

import math
import statistics
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
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: Best guess.
        low: Lower end.
        high: Upper end; infinite where it is beyond what a number can hold.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    """What was fitted.

    Attributes:
        exponent: With its interval.
        points: How many points it was fitted to.
    """

    exponent: Estimate
    points: int
    _log_k: float
    _mean_x: float
    _spread_x: float
    _scatter: float

    def at(self, x: float) -> Estimate:
        """The mean of ``y`` at ``x``, which must be above 0; the further from the points, the wider the interval."""
        distance = math.log(x) - self._mean_x
        middle = self._log_k + self.exponent.value * math.log(x)
        width = _t(self.points - 2) * self._scatter * math.sqrt(1 / self.points + distance**2 / self._spread_x)
        return Estimate(_exp(middle), _exp(middle - width), _exp(middle + width))


def fit_power_law(points: Sequence[tuple[float, float]]) -> PowerLaw | None:
    """Fit ``y = k * x ** exponent``.

    Args:
        points: Pairs of x and y. Those with a number that is not above 0 have no logarithm and are left out.

    Returns:
        None with fewer than ``FEWEST_POINTS`` points left, or when all of them have the same x.
    """
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    xs, ys = [x for x, _ in logs], [y for _, y in logs]
    if len(logs) < FEWEST_POINTS or math.isclose(min(xs), max(xs), abs_tol=1e-9):
        return None
    slope, log_k = statistics.linear_regression(xs, ys)
    mean_x = statistics.fmean(xs)
    spread_x = sum((x - mean_x) ** 2 for x in xs)
    missed = sum((y - log_k - slope * x) ** 2 for x, y in logs)
    scatter = math.sqrt(missed / (len(logs) - 2))
    half = _t(len(logs) - 2) * scatter / math.sqrt(spread_x)
    return PowerLaw(Estimate(slope, slope - half, slope + half), len(logs), log_k, mean_x, spread_x, scatter)


def _t(degrees: int) -> float:
    return next(chain(_T[degrees - 1 : degrees], [_NORMAL]))


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
