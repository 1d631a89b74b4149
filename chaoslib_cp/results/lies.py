"""Lies of DNS servers: how long caches kept the truth after a lie began, and the lie after it was withdrawn."""

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent, seconds
from chaoslib_cp.results.lockout import lockouts
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import bad_time_s
from chaoslib_cp.vantage import DNS_WATCHED_CACHED

_NO_LIE = "no DNS server was made to lie"
_NEVER_HEARD = "no workload heard the lie"


def truth_kept_s(recording: Recording, faults: Faults) -> Figure:
    """Begin of a lie to the first false answer that a workload got, in seconds: caches kept the truth so long.

    The lie begins when its action returns. Of several lies this is the first.
    """
    lie = next(iter(faults.lies), None)
    if lie is None:
        return absent(_NO_LIE)
    false = [one.at_s for one in recording.of(DNS_WATCHED_CACHED.name) if not one.ok and one.at_s >= lie.began_s]
    return seconds(max(0.0, min(false) - lie.injected_s)) if false else absent(_NEVER_HEARD)


def lie_heard_s(recording: Recording, faults: Faults) -> Figure:
    """Time in which a workload's newest answer about a name that was lied about was false, in seconds.

    Of several names, and of several probers, the longest.
    """
    if not faults.lies:
        return absent(_NO_LIE)
    heard = recording.series(DNS_WATCHED_CACHED.name, faults.began_s)
    lasted_s = max(map(bad_time_s, heard), default=0.0)
    return seconds(lasted_s) if lasted_s else absent(_NEVER_HEARD)


def lie_kept_s(recording: Recording, faults: Faults) -> Figure:
    """End of a lie to the first of the true answers that a workload got after its last false one, in seconds.

    0 where nothing false was heard after the end. Of several lies, and of several names, the longest.
    """
    ends_s = [fault.ended_s for fault in faults.lies]
    if not ends_s:
        return absent(_NO_LIE)
    heard = recording.series(DNS_WATCHED_CACHED.name, faults.began_s)
    if not any(not one.ok for samples in heard for one in samples):
        return absent(_NEVER_HEARD)
    last_s, is_over = max(map(_last_false, heard))
    kept_s = max(0.0, last_s - max(ends_s))
    return seconds(kept_s, None if is_over else "lower bound: it was heard still when nobody watched any more")


def lie_kept_locked_out_s(recording: Recording, faults: Faults) -> Figure:
    """Time after the end of a lie in which a workload heard it and the ordinary administrator was locked out, seconds.

    So long nobody could have flushed the caches.
    """
    kept = lie_kept_s(recording, faults)
    if kept.value is None:
        return kept
    from_s = max(fault.ended_s for fault in faults.lies)
    until_s = from_s + float(kept.value)
    shared_s = [
        min(until_s, until_s if one.ended_s is None else one.ended_s) - max(from_s, one.began_s)
        for one in lockouts(recording, faults.began_s)
    ]
    return seconds(sum((max(0.0, one) for one in shared_s), 0.0))


def _last_false(samples: list[Sample]) -> tuple[float, bool]:
    """When the first true answer after the last false one began, and whether there was one; 0 if none was false."""
    false = [number for number, one in enumerate(samples) if not one.ok]
    if not false:
        return 0.0, True
    last = false[-1]
    is_over = last + 1 < len(samples)
    return (samples[last + 1] if is_over else samples[last]).at_s, is_over
