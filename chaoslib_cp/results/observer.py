"""How well we watched: a starved observer must not pass its own trouble off as the cluster's."""

from chaoslib_cp.results.measured import Measured, absent, seconds
from chaoslib_cp.results.recording import Recording


def observer_samples(recording: Recording) -> Measured:
    """Number of samples in the timeline."""
    return Measured(len(recording.samples))


def observer_void_samples(recording: Recording) -> Measured:
    """Number of samples that started more than 250 ms late and were left out of every other figure."""
    return Measured(sum(sample.void for sample in recording.samples))


def observer_lag_p99_s(recording: Recording) -> Measured:
    """99th percentile of how late samples started against their schedule, in seconds."""
    if not recording.samples:
        return absent("there are no samples")
    lags_s = sorted(sample.lag_s for sample in recording.samples)
    return seconds(lags_s[min(len(lags_s) - 1, int(len(lags_s) * 0.99))])


def void_ratio(recording: Recording, measure: str, from_s: float) -> float:
    """Share (0..1) of the samples of ``measure`` since ``from_s`` that are void; 0 when there are none."""
    asked = [sample for sample in recording.samples if sample.measure == measure and sample.at_s >= from_s]
    return sum(sample.void for sample in asked) / len(asked) if asked else 0.0
