"""Workload DNS: how long caches masked the failure, and how long lookups failed."""

from itertools import pairwise

from chaoslib_cp.results.fault import Fault
from chaoslib_cp.results.figure import Figure, absent, ratio, seconds
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.streaks import bad_time_s, episodes_of
from chaoslib_cp.vantage import DNS_CACHED, DNS_UNCACHED

PREDICTION_WINDOW_S = 3.0
"""A prediction belongs to a mask when it was written this close to the mask's begin (a few sampling periods)."""


def mask_began_s(recording: Recording, fault: Fault) -> float | None:
    """Begin of the uncached failure that the workload met once its cache ran out, in epoch seconds.

    It is the first failure since that cache was last filled: what the servers answered before that hid nothing any
    more. Where the caches outlasted everything, it is the last failure.
    """
    cached = episodes_of(recording, DNS_CACHED.name, fault.began_s)
    if not cached:
        uncached = episodes_of(recording, DNS_UNCACHED.name, fault.began_s)
        return max((episode.began_s for episode in uncached), default=None)
    met_s = cached[0].began_s
    uncached = episodes_of(recording, DNS_UNCACHED.name, max(fault.began_s, _last_filled_s(recording, met_s)))
    return next((episode.began_s for episode in uncached if episode.began_s <= met_s), None)


def _last_filled_s(recording: Recording, met_s: float) -> float:
    """When the cache that failed at ``met_s`` was last filled before, at the earliest: its TTLs went up after this."""
    caches = recording.series(DNS_CACHED.name)
    asked = [one for one in caches if any(sample.at_s == met_s and not sample.ok for sample in one)]
    series = min(asked, key=lambda one: one[0].target)
    answered = [sample for sample in series if sample.ttl_s is not None and sample.at_s < met_s]
    fills = [
        before.at_s
        for before, after in pairwise(answered)
        if before.ttl_s is not None and after.ttl_s is not None and after.ttl_s > before.ttl_s
    ]
    return max(fills, default=0.0)


def mask_s(recording: Recording, fault: Fault) -> Figure:
    """Time from the first wrong uncached answer to the first wrong answer a workload got, in seconds.

    Wrong means: the answer and the next one to the same question were wrong, late or missing. The uncached failure
    meant is the first one since the workload's cache was last filled.
    """
    missing = [vantage for vantage in (DNS_UNCACHED.name, DNS_CACHED.name) if not recording.of(vantage)]
    if missing:
        return absent(f"no usable sample of {' and '.join(missing)}")
    cached = episodes_of(recording, DNS_CACHED.name, fault.began_s)
    began_s = mask_began_s(recording, fault)
    if began_s is None:
        if cached:
            return absent("workload lookups failed although the DNS servers answered: no mask")
        return absent("the DNS servers never failed: nothing to mask")
    if not cached:
        return absent("workload lookups never failed: the caches outlasted the servers' failure")
    return seconds(cached[0].began_s - began_s)


def predicted_mask_s(recording: Recording, fault: Fault) -> Figure:
    """Remaining TTL of the cached answer when the servers failed, as written down about that moment, in seconds.

    Of several predictions the one that reaches furthest counts: it knows of the cache's latest filling.
    """
    began_s = mask_began_s(recording, fault)
    if began_s is None:
        return absent("the DNS servers never failed: nothing to predict")
    near = [
        (event.at_s - began_s, event.details.get("predicted_mask_s"))
        for event in recording.named("mask_predicted")
        if abs(event.at_s - began_s) <= PREDICTION_WINDOW_S
    ]
    ends_s = [after_s + value for after_s, value in near if isinstance(value, int | float)]
    if not ends_s:
        return absent(f"no prediction was written within {PREDICTION_WINDOW_S:g} s of the servers' failure")
    return seconds(max(ends_s))


def dns_lost_s(recording: Recording, fault: Fault) -> Figure:
    """Time in which a workload's newest lookup was wrong, from the fault to the end of the run, in seconds.

    Of several probers the one that lost most counts.
    """
    series = recording.series(DNS_CACHED.name, fault.began_s)
    if not series:
        return absent(f"no usable sample of {DNS_CACHED.name} since the fault began")
    return seconds(max(bad_time_s(samples) for samples in series))


def success_ratio(recording: Recording, fault: Fault, vantage: str) -> Figure:
    """Share (0..1) of right answers among the lookups that started while the fault was on."""
    asked = [sample for sample in recording.of(vantage) if fault.began_s <= sample.at_s <= fault.ended_s]
    right = sum(sample.ok for sample in asked)
    return ratio(right, len(asked), f"no usable sample of {vantage} while the fault was on")
