"""How long lookups took, layer by layer, before the fault and while it was on."""

import math
from collections.abc import Mapping, Sequence

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import all_points


def latency_before(recording: Recording, faults: Faults, quantile: float) -> Figure:
    """Quantile of what lookups took that had ended when the first fault began, in seconds by vantage point."""
    return _latencies(
        {point: recording.before(point, faults.began_s) for point in _layers()}, recording, quantile, "before the fault"
    )


def latency_during(recording: Recording, faults: Faults, quantile: float) -> Figure:
    """Quantile of what lookups took that began while the fault was on, in seconds by vantage point."""
    asked = {
        point: [one for one in recording.of(point) if faults.began_s <= one.at_s <= faults.ended_s]
        for point in _layers()
    }
    return _latencies(asked, recording, quantile, "while the fault was on")


def _latencies(asked: Mapping[str, Sequence[Sample]], recording: Recording, quantile: float, when: str) -> Figure:
    """Of all attempts, well or badly answered: one that nobody answered took its whole deadline."""
    doubts = {point: false_premise(recording, point) for point, samples in asked.items() if samples}
    found = {
        point: round(_quantile([one.latency_s for one in asked[point]], quantile), 6)
        for point, doubt in doubts.items()
        if not doubt
    }
    reason = "; ".join(dict.fromkeys(doubt for doubt in doubts.values() if doubt)) or None
    return Figure(found, reason) if found else absent(reason or f"no usable sample of DNS {when}")


def _quantile(latencies_s: list[float], quantile: float) -> float:
    """The nearest rank: a value that was really seen."""
    return sorted(latencies_s)[math.ceil(quantile * len(latencies_s)) - 1]


def _layers() -> list[str]:
    return [point.name for point in all_points() if point.dns_path]
