"""Workload DNS: how long caches masked the failure, and how long lookups failed."""

from itertools import pairwise

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent, ratio, seconds
from chaoslib_cp.results.premise import false_premise
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import bad_time_s, episodes_of
from chaoslib_cp.vantage import DNS_CACHED, DNS_CONNECT, DNS_LOOKUP, DNS_NEVER_ASKED, DNS_POD, DNS_UNCACHED

CONTROLS = (DNS_POD, DNS_UNCACHED, DNS_CACHED, DNS_LOOKUP, DNS_CONNECT, DNS_NEVER_ASKED)
"""What asks for control names: no experiment may lie about the sentinel, nor about a name that nobody ever asked."""


def mask_began_s(recording: Recording, faults: Faults) -> float | None:
    """Begin of the uncached failure that the workload met once its cache ran out, in epoch seconds.

    It is the first failure since that cache was last filled: what the servers answered before that hid nothing any
    more. Where the caches outlasted everything, it is the last failure.
    """
    cached = episodes_of(recording, DNS_CACHED.name, faults.began_s)
    if not cached:
        uncached = episodes_of(recording, DNS_UNCACHED.name, faults.began_s)
        return max((episode.began_s for episode in uncached), default=None)
    met_s = cached[0].began_s
    uncached = episodes_of(recording, DNS_UNCACHED.name, max(faults.began_s, _last_filled_s(recording, met_s)))
    return next((episode.began_s for episode in uncached if episode.began_s <= met_s), None)


def _last_filled_s(recording: Recording, met_s: float) -> float:
    """When the cache that failed at ``met_s`` was last filled before, at the earliest, epoch seconds; 0 if never."""
    filling = _last_filling(_cache_that_failed(recording, met_s), met_s)
    return filling[0].at_s if filling else 0.0


def _cache_that_failed(recording: Recording, met_s: float) -> list[Sample]:
    """The samples of the cache whose failure began at ``met_s``."""
    caches = recording.series(DNS_CACHED.name)
    asked = [one for one in caches if any(sample.at_s == met_s and not sample.ok for sample in one)]
    return min(asked, key=lambda one: (one[0].target, one[0].node))


def _last_filling(cache: list[Sample], until_s: float) -> tuple[Sample, Sample] | None:
    """The last two answers before ``until_s`` between which the cache was filled: its TTLs went up."""
    answered = [sample for sample in cache if sample.ttl_s is not None and sample.at_s < until_s]
    fillings = [
        (before, after)
        for before, after in pairwise(answered)
        if before.ttl_s is not None and after.ttl_s is not None and after.ttl_s > before.ttl_s
    ]
    return fillings[-1] if fillings else None


def mask_s(recording: Recording, faults: Faults) -> Figure:
    """Time from the first wrong uncached answer to the first wrong answer a workload got, in seconds.

    Wrong means: the answer and the next one to the same question were wrong, late or missing. The uncached failure
    meant is the first one since the workload's cache was last filled.
    """
    missing = [vantage for vantage in (DNS_UNCACHED.name, DNS_CACHED.name) if not recording.of(vantage)]
    if missing:
        return absent(f"no usable sample of {' and '.join(missing)}")
    doubt = false_premise(recording, DNS_UNCACHED.name)
    if doubt:
        return absent(doubt)
    cached = episodes_of(recording, DNS_CACHED.name, faults.began_s)
    began_s = mask_began_s(recording, faults)
    if began_s is None:
        if cached:
            return absent("workload lookups failed although the DNS servers answered: no mask")
        return absent("the DNS servers never failed: nothing to mask")
    if not cached:
        return absent("workload lookups never failed: the caches outlasted the servers' failure")
    return seconds(cached[0].began_s - began_s)


def mask_words(recording: Recording, faults: Faults) -> dict[str, str]:
    """What a story adds to the failures of DNS, by vantage point: where a mask began and ended, if there was one."""
    cached = episodes_of(recording, DNS_CACHED.name, faults.began_s)
    if not recording.of(DNS_CACHED.name) or mask_began_s(recording, faults) is None:
        return {}
    begins = {DNS_UNCACHED.name: "; caches still answer (mask begins)"}
    return {**begins, DNS_CACHED.name: " (mask is over)"} if cached else begins


def predicted_mask_s(recording: Recording, faults: Faults) -> Figure:
    """What was left of the cached answer's TTL when the servers failed, in seconds: it could be known then.

    Told by the last good cached answer before that; where the cache was filled just then, by the first one after.
    """
    doubt = false_premise(recording, DNS_UNCACHED.name)
    if doubt:
        return absent(doubt)
    began_s = mask_began_s(recording, faults)
    if began_s is None:
        return absent("the DNS servers never failed: nothing to predict")
    known = _cached_answer_known(recording, faults, began_s)
    if known is None or known.ttl_s is None:
        return absent("no good cached answer with a TTL was seen before the servers failed")
    return seconds(max(0.0, known.at_s + known.ttl_s - began_s))


def _cached_answer_known(recording: Recording, faults: Faults, began_s: float) -> Sample | None:
    """The answer that tells how long the cache that failed, or any if none did, hides a failure from ``began_s`` on."""
    cached = episodes_of(recording, DNS_CACHED.name, faults.began_s)
    cache = recording.of(DNS_CACHED.name)
    if cached:
        cache = _cache_that_failed(recording, cached[0].began_s)
        filling = _last_filling(cache, cached[0].began_s)
        if filling and filling[1].at_s > began_s:
            return filling[1]
    before = [sample for sample in cache if sample.ok and sample.ttl_s is not None and sample.at_s < began_s]
    return before[-1] if before else None


def dns_lost_s(recording: Recording, faults: Faults) -> Figure:
    """Time in which a workload's newest lookup was wrong, from the fault to the end of the run, in seconds.

    Of several probers the one that lost most counts.
    """
    series = recording.series(DNS_CACHED.name, faults.began_s)
    if not series:
        return absent(f"no usable sample of {DNS_CACHED.name} since the fault began")
    return seconds(max(bad_time_s(samples) for samples in series))


def success_ratio(recording: Recording, faults: Faults, vantage: str) -> Figure:
    """Share (0..1) of right answers among the lookups that started while the fault was on."""
    doubt = false_premise(recording, vantage)
    if doubt:
        return absent(doubt)
    asked = [sample for sample in recording.of(vantage) if faults.began_s <= sample.at_s <= faults.ended_s]
    right = sum(sample.ok for sample in asked)
    return ratio(right, len(asked), f"no usable sample of {vantage} while the fault was on")


def control_wrong_count(recording: Recording, faults: Faults) -> Figure:
    """Number of wrong answers about control names from the first fault to the end of the run: none, or a lie spread."""
    asked = [one for point in CONTROLS for one in recording.of(point.name) if one.at_s >= faults.began_s]
    wrong = sum(one.outcome == "wrong" for one in asked)
    return Figure(wrong) if asked else absent("no control name was asked since the fault began")
