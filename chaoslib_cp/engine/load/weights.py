"""Weights: requests that share one rate instead of each having a period. Arithmetic only; the load stays an open model.

A weight is not drawn by lot: each request gets the period that is its share of the rate, so the mix that is sent is
the one that was written, however short the run.
"""

from typing import Any, Final

from chaoslib_cp.engine.load.fields import check
from chaoslib_cp.limits import is_number

_MOST_PER_S: Final = 160.0  # sixteen kinds of request at the shortest period, 0.1 s


def with_periods(requests: list[Any], rate_per_s: Any) -> list[Any]:
    """Give each request that has a weight its period.

    Args:
        requests: as a profile's JSON form has them; what is no mapping, or has no weight, is left alone.
        rate_per_s: requests per second of one agent that those with a weight share; None where the profile has none.

    Raises:
        ProfileInvalid: weight or rate is no number above 0, one is there without the other, or a request has both a
            weight and a period; the message names the key.
    """
    weights = {i: one["weight"] for i, one in enumerate(requests) if isinstance(one, dict) and "weight" in one}
    for i, weight in weights.items():
        where = f"requests[{i}]"
        check(is_number(weight) and 0 < weight <= 1e6, f"{where}.weight", f"must be above 0, not {weight!r}")
        check("period_s" not in requests[i], f"{where}.period_s", "stands beside a weight, which makes the period")
    if rate_per_s is None:
        check(not weights, "rate_per_s", "is missing: weights are shares of it")
        return requests
    check(bool(weights), "rate_per_s", "is for requests with a weight, and there is none")
    is_rate = is_number(rate_per_s) and 0 < rate_per_s <= _MOST_PER_S
    check(is_rate, "rate_per_s", f"must be above 0 and at most {_MOST_PER_S:g}, not {rate_per_s!r}")
    total = sum(weights.values())
    return [_weighed(one, total / (weights[i] * rate_per_s)) if i in weights else one for i, one in enumerate(requests)]


def _weighed(request: dict[str, Any], period_s: float) -> dict[str, Any]:
    return {**{key: value for key, value in request.items() if key != "weight"}, "period_s": period_s}
