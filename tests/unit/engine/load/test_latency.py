"""The latency histogram: how far a percentile may be off, merging."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoslib_cp.engine.load.latency import Histogram, bucket_of, bucket_top_us

DURATIONS = st.lists(st.floats(min_value=0, max_value=4000, allow_nan=False), min_size=1, max_size=200)


@given(st.integers(min_value=0, max_value=2**42))
def test_a_value_lies_in_its_bucket_and_the_bucket_is_narrow(value_us: int) -> None:
    """Buckets touch, do not overlap, and are at most 1/128 of their value wide."""
    bucket = bucket_of(value_us)
    assert bucket_top_us(bucket) >= value_us
    assert bucket == 0 or bucket_top_us(bucket - 1) < value_us
    assert bucket_top_us(bucket) - value_us <= value_us / 128


@given(DURATIONS, st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_never_too_low_and_at_most_one_bucket_too_high(durations: list[float], percent: float) -> None:
    """A reported p99 covers at least 99 % of the requests: the histogram flatters nobody."""
    histogram = Histogram()
    for one in durations:
        histogram.record(one)
    exact = sorted(durations)[max(math.ceil(len(durations) * percent / 100), 1) - 1]
    reported = histogram.percentile_s(percent)
    assert reported is not None
    assert exact <= reported <= exact * (1 + 1 / 128) + 2e-6
    assert reported <= histogram.max_s


@given(DURATIONS, DURATIONS)
def test_merging_two_equals_recording_into_one(left: list[float], right: list[float]) -> None:
    """Results of several processes add up to what one would have counted."""
    parts, whole = [Histogram(), Histogram()], Histogram()
    for part, durations in zip(parts, (left, right), strict=True):
        for one in durations:
            part.record(one)
            whole.record(one)
    merged = parts[0]
    merged.merge(parts[1])
    assert merged.sum_s == pytest.approx(whole.sum_s)
    exact = {"count", "min_s", "max_s"}
    assert {key: merged.summary()[key] for key in exact} == {key: whole.summary()[key] for key in exact}
    assert [merged.percentile_s(percent) for percent in range(101)] == [
        whole.percentile_s(percent) for percent in range(101)
    ]


def test_an_empty_histogram_has_no_percentiles() -> None:
    """Missing data shows as null, not as a latency of zero."""
    assert set(Histogram().summary().values()) == {0, None}
    assert Histogram().percentile_s(50) is None


def test_what_came_after_a_copy_is_told_apart() -> None:
    """Percentiles of one rung of a ramp are not those of all its rungs together."""
    whole = Histogram()
    for duration_s in (0.001, 0.002, 5.0):
        whole.record(duration_s)
    earlier = Histogram()
    earlier.merge(whole)
    for duration_s in (0.1, 0.2, 0.3):
        whole.record(duration_s)
    later = whole.since(earlier)
    assert later.count == 3
    assert later.sum_s == pytest.approx(0.6)
    assert later.percentile_s(50) == pytest.approx(0.2, rel=0.01)
    assert later.max_s == pytest.approx(0.3, rel=0.01)
    assert later.min_s == pytest.approx(0.1, rel=0.01)
    assert (whole.since(whole).count, whole.since(whole).percentile_s(99)) == (0, None)
