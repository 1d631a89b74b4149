"""The way in: how long an ordinary administrator was locked out, what ended it, and whether break-glass worked."""

from statistics import median

from chaoslib_cp.fault import OWN_DEADLINE
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent, ratio, seconds
from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.results.streaks import Episode, episodes_of, good_at
from chaoslib_cp.vantage import ADMIN_WRITE, BREAK_GLASS_WRITE

BY_ITSELF = "itself, before any load ended"
_SHOWN = 3


def lockouts(recording: Recording, from_s: float) -> list[Episode]:
    """Find the lock-outs of the ordinary administrator after ``from_s``."""
    return episodes_of(recording, ADMIN_WRITE.name, from_s)


def lockout_s(recording: Recording, faults: Faults) -> Figure:
    """First of three failed ordinary writes in a row to the first of three good ones, in seconds.

    Failed: refused, in error, or not done within 5 s. Of several lock-outs this is the first. A lower bound when the
    recording ends before it does, or when the fault's own deadline ended it.
    """
    if not recording.series(ADMIN_WRITE.name, faults.began_s):
        return absent(f"no usable sample of {ADMIN_WRITE.name} since the fault began")
    found = lockouts(recording, faults.began_s)
    if not found:
        return absent(f"no {ADMIN_WRITE.bad_in_a_row} ordinary writes in a row failed: nobody was locked out")
    notes = []
    if found[0].ended_s is None:
        notes.append("lower bound: still locked out when the recording ended")
    elif _ended_by(_answered_s(recording, found[0].ended_s), faults) == OWN_DEADLINE:
        notes.append("lower bound: the fault's own deadline ended it")
    lucky = lucky_writes(recording, found[0])
    if lucky:
        times = ", ".join(f"{sample.at_s - faults.began_s:.1f} s" for sample in lucky[:_SHOWN])
        more = f" and {len(lucky) - _SHOWN} more" if len(lucky) > _SHOWN else ""
        notes.append(f"{len(lucky)} lucky write{'s' if len(lucky) > 1 else ''} inside, at {times}{more}")
    return seconds(found[0].length_s(recording.ends_at_s), "; ".join(notes) or None)


def lucky_writes(recording: Recording, lockout: Episode) -> list[Sample]:
    """Ordinary writes that got through inside a lock-out: too few in a row to end it, and yet somebody got in."""
    until_s = recording.ends_at_s if lockout.ended_s is None else lockout.ended_s
    is_good = good_at(ADMIN_WRITE.name)
    writes = recording.of(ADMIN_WRITE.name)
    return [sample for sample in writes if lockout.began_s < sample.at_s < until_s and is_good(sample)]


def lockout_total_s(recording: Recording, faults: Faults) -> Figure:
    """All lock-outs of the run together, in seconds."""
    found = lockouts(recording, faults.began_s)
    if not found:
        return absent("nobody was locked out")
    return seconds(sum(episode.length_s(recording.ends_at_s) for episode in found))


def lockout_ended_by(recording: Recording, faults: Faults) -> Figure:
    """What ended the first lock-out.

    "own deadline" of a fault, "delete landed", "rollback", or "itself, before any load ended". When the deadline had
    passed, it is named whatever else happened before: the load may have gone on until then.
    """
    found = lockouts(recording, faults.began_s)
    if not found:
        return absent("nobody was locked out")
    if found[0].ended_s is None:
        return absent("it had not ended when the recording did")
    return Figure(_ended_by(_answered_s(recording, found[0].ended_s), faults))


def _answered_s(recording: Recording, started_s: float) -> float:
    """When the write that started then was answered: one that waits for the load to end starts before that end."""
    return started_s + next(sample.latency_s for sample in recording.of(ADMIN_WRITE.name) if sample.at_s == started_s)


def _ended_by(ended_s: float, faults: Faults) -> str:
    happened = [one.by for one in faults.load_endings if one.at_s <= ended_s]
    return OWN_DEADLINE if OWN_DEADLINE in happened else next(iter(happened), BY_ITSELF)


def break_glass_s(recording: Recording, faults: Faults) -> Figure:
    """Begin of the first lock-out to the end of the first break-glass write that worked since then, in seconds."""
    writes = _break_glass_writes(recording, faults)
    if isinstance(writes, str):
        return absent(writes)
    done = [sample.at_s + sample.latency_s for sample in writes if sample.ok]
    if not done:
        return absent("no break-glass write worked while the ordinary administrator was locked out")
    return seconds(min(done) - lockouts(recording, faults.began_s)[0].began_s)


def break_glass_latency_p50_s(recording: Recording, faults: Faults) -> Figure:
    """Median duration of the break-glass writes during the first lock-out that were accepted, in seconds."""
    writes = _break_glass_writes(recording, faults)
    if isinstance(writes, str):
        return absent(writes)
    latencies_s = [sample.latency_s for sample in writes if sample.ok]
    return seconds(median(latencies_s)) if latencies_s else absent("no break-glass write was accepted")


def break_glass_success_ratio(recording: Recording, faults: Faults) -> Figure:
    """Share (0..1) of the break-glass writes during the first lock-out that worked, however slowly."""
    writes = _break_glass_writes(recording, faults)
    if isinstance(writes, str):
        return absent(writes)
    return ratio(sum(sample.ok for sample in writes), len(writes), "no break-glass write was tried")


def _break_glass_writes(recording: Recording, faults: Faults) -> list[Sample] | str:
    """The break-glass writes that started during the first lock-out, or why there are none."""
    found = lockouts(recording, faults.began_s)
    if not found:
        return "nobody was locked out"
    until_s = recording.ends_at_s if found[0].ended_s is None else found[0].ended_s
    writes = [sample for sample in recording.of(BREAK_GLASS_WRITE.name) if found[0].began_s <= sample.at_s <= until_s]
    return writes or f"no usable sample of {BREAK_GLASS_WRITE.name} during the lock-out"
