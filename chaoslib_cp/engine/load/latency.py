"""A latency histogram: log-linear buckets, small and mergeable.

Each power of two is split into 128 equal buckets (7 sub-bits), so a percentile is at most 1/128 = 0.8 % too high and
never too low. Minimum, maximum, count and sum are exact.
"""

import math
from bisect import bisect_left
from itertools import accumulate
from typing import Any

from chaoslib_cp.engine.load.told import count_of, seconds_of

SUB_BITS = 7
_SUB_BUCKETS = 1 << SUB_BITS
MAX_BUCKET = 64 << SUB_BITS
"""No duration of this world has a higher one."""


def bucket_of(value_us: int) -> int:
    """Return the bucket of a value in microseconds; values below 128 have a bucket each."""
    exponent = value_us.bit_length() - SUB_BITS - 1
    if exponent <= 0:
        return value_us
    return (exponent << SUB_BITS) + (value_us >> exponent)


def bucket_top_us(bucket: int) -> int:
    """Return the highest value, in microseconds, that falls into a bucket."""
    exponent = (bucket >> SUB_BITS) - 1
    if exponent <= 0:
        return bucket
    return (((bucket & (_SUB_BUCKETS - 1)) + _SUB_BUCKETS + 1) << exponent) - 1


class Histogram:
    """Counts of durations. Not thread-safe: one per event loop, merged afterwards."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.sum_s = 0.0
        self.min_s = math.inf
        self.max_s = 0.0

    def record(self, duration_s: float) -> None:
        """Count one duration in seconds; a negative one (a clock's rounding) counts as 0."""
        duration_s = max(duration_s, 0.0)
        bucket = bucket_of(int(duration_s * 1e6))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.sum_s += duration_s
        self.min_s = min(self.min_s, duration_s)
        self.max_s = max(self.max_s, duration_s)

    def percentile_s(self, percent: float) -> float | None:
        """Return a duration in seconds that ``percent`` of the values do not exceed; None when nothing was counted.

        The upper edge of the bucket, at most 0.8 % above the true value and never above the exact maximum.
        """
        return self._percentiles_s(percent)[0] if self.count else None

    def _percentiles_s(self, *percents: float) -> list[float]:
        """Return several of what was counted; the buckets are sorted once."""
        buckets = sorted(self._buckets)
        seen = list(accumulate(map(self._buckets.__getitem__, buckets)))
        wanted = (max(math.ceil(self.count * percent / 100), 1) for percent in percents)
        return [min((bucket_top_us(buckets[bisect_left(seen, one)]) + 1) / 1e6, self.max_s) for one in wanted]

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another histogram to this one."""
        if self._buckets:
            for bucket, count in other._buckets.items():
                self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        else:
            self._buckets = other._buckets.copy()
        self.count += other.count
        self.sum_s += other.sum_s
        self.min_s = min(self.min_s, other.min_s)
        self.max_s = max(self.max_s, other.max_s)

    def since(self, earlier: "Histogram") -> "Histogram":
        """Return what was counted after an earlier copy of this one; its extremes are edges of buckets, not exact."""
        later = Histogram()
        for bucket, count in self._buckets.items():
            more = count - earlier._buckets.get(bucket, 0)
            if more > 0:
                later._buckets[bucket] = more
        if later._buckets:
            top_s = (bucket_top_us(max(later._buckets)) + 1) / 1e6
            later.count = sum(later._buckets.values())
            later.sum_s = self.sum_s - earlier.sum_s
            later.max_s = min(top_s, self.max_s)
            later.min_s = max(self.min_s, bucket_top_us(min(later._buckets) - 1) / 1e6 if min(later._buckets) else 0.0)
        return later

    def summary(self) -> dict[str, float | int | None]:
        """Return count, mean, the usual percentiles and the exact extremes, durations in seconds."""
        p50_s, p90_s, p99_s = self._percentiles_s(50, 90, 99) if self.count else (None, None, None)
        return {
            "count": self.count,
            "min_s": self.min_s if self.count else None,
            "mean_s": self.sum_s / self.count if self.count else None,
            "p50_s": p50_s,
            "p90_s": p90_s,
            "p99_s": p99_s,
            "max_s": self.max_s if self.count else None,
        }

    def as_bins(self) -> dict[str, Any]:
        """Return all of it as JSON: what :meth:`of_bins` reads is merged as this one would be."""
        least_s = self.min_s if self.count else None
        return {"bins": sorted(self._buckets.items()), "sum_s": self.sum_s, "min_s": least_s, "max_s": self.max_s}

    @staticmethod
    def of_bins(told: Any) -> "Histogram":
        """Read what :meth:`as_bins` wrote, which came over the network.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        made = Histogram()
        made._buckets = {count_of(bucket, MAX_BUCKET): count_of(count) for bucket, count in told["bins"]}
        made.count = sum(made._buckets.values())
        made.sum_s, made.max_s = seconds_of(told["sum_s"]), seconds_of(told["max_s"])
        made.min_s = seconds_of(told["min_s"]) if made.count else math.inf
        return made
