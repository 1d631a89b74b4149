"""How well we watched: a starved observer must not pass its own trouble off as the cluster's."""

from collections.abc import Mapping

from chaoslib_cp.results.figure import Figure, absent, seconds
from chaoslib_cp.results.recording import Recording


def observer_samples(recording: Recording) -> Figure:
    """Number of samples in the timeline."""
    return Figure(len(recording.samples))


def observer_void_samples(recording: Recording) -> Figure:
    """Number of samples that started more than 250 ms late and were left out of every other figure."""
    return Figure(sum(sample.void for sample in recording.samples))


def observer_lag_p99_s(recording: Recording) -> Figure:
    """99th percentile of how late samples started against their schedule, in seconds."""
    if not recording.samples:
        return absent("there are no samples")
    lags_s = sorted(sample.lag_s for sample in recording.samples)
    return seconds(lags_s[min(len(lags_s) - 1, int(len(lags_s) * 0.99))])


def void_ratio(recording: Recording, vantage: str, from_s: float, until_s: float) -> float:
    """Share (0..1) of the samples of ``vantage`` begun between the two times that are void; 0 when there are none."""
    asked = [sample for sample in recording.samples if sample.vantage == vantage and from_s <= sample.at_s <= until_s]
    return sum(sample.void for sample in asked) / len(asked) if asked else 0.0


def longest_unseen_s(recording: Recording, vantage: str, from_s: float, until_s: float) -> float:
    """The longest time between the two in which no usable attempt of ``vantage`` was under way, in seconds.

    An attempt sees from its start to its end, whatever it says: one that times out has seen that nobody answered.
    Attempts of all targets count together, since targets come and go (a DNS server that restarts has a new address).
    """
    seen_until_s, longest_s = from_s, 0.0
    for sample in recording.of(vantage):
        if sample.at_s > until_s:
            break
        longest_s = max(longest_s, sample.at_s - seen_until_s)
        seen_until_s = max(seen_until_s, sample.at_s + sample.latency_s)
    return max(longest_s, until_s - seen_until_s)


def planned_period_s(recording: Recording, vantage: str) -> float | None:
    """Seconds between two attempts of ``vantage`` as the observer was told; None when it does not ask that itself.

    The plan and not what was seen: of a starved observer, the usual spacing of its samples is the gap.
    """
    for event in recording.named("observer_started"):
        periods_s = event.details.get("periods_s")
        period_s = periods_s.get(vantage) if isinstance(periods_s, Mapping) else None
        if isinstance(period_s, int | float):
            return float(period_s)
    return None
