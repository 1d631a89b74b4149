"""Which checks stayed green while users suffered: the ones not to page by."""

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import Episode, episodes_of
from chaoslib_cp.vantage import DNS_CACHED, DNS_WATCHED_CACHED, all_points

GREEN_RATIO = 0.95
"""A check that was good this often while users suffered would not have raised an alarm."""

MIN_SAMPLES = 3

_OF_USERS = (DNS_CACHED.name, DNS_WATCHED_CACHED.name)
"""What users suffer from: the names that they ask for fail, or have false answers."""


def misleading_green(recording: Recording, faults: Faults) -> Figure:
    """List the checks that were good at least 95 % of the time while workload lookups failed, or were answered falsely.

    Returns:
        A list of ``{"check": vantage, "target": whom, "ok_ratio": 0..1}``; empty when every check told the truth.
    """
    suffered = {name: episodes_of(recording, name, faults.began_s) for name in _OF_USERS}
    suffering = [episode for found in suffered.values() for episode in found]
    if not suffering:
        return absent("workload lookups never failed: users did not suffer")
    left_out = {name for name, found in suffered.items() if found}
    left_out |= {point.name for point in all_points() if not point.is_check}
    green = []
    for vantage in recording.vantages:
        if vantage in left_out:
            continue
        for samples in _by_target(recording, vantage, faults.began_s):
            during = [sample for sample in samples if _within(sample, suffering)]
            good = sum(sample.ok for sample in during)
            if len(during) >= MIN_SAMPLES and good / len(during) >= GREEN_RATIO:
                ok_ratio = round(good / len(during), 4)
                green.append({"check": vantage, "target": during[0].target, "ok_ratio": ok_ratio})
    return Figure(green)


def _by_target(recording: Recording, vantage: str, from_s: float) -> list[list[Sample]]:
    """The samples of each target, from all nodes together: a check is one, wherever it is made."""
    found: dict[str, list[Sample]] = {}
    for samples in recording.series(vantage, from_s):
        found.setdefault(samples[0].target, []).extend(samples)
    return list(found.values())


def _within(sample: Sample, stretches: list[Episode]) -> bool:
    return any(
        stretch.began_s <= sample.at_s and (stretch.ended_s is None or sample.at_s < stretch.ended_s)
        for stretch in stretches
    )
