"""What was seen, in words with numbers, for each rule that holds."""

from chaoslib_cp.apiserver.saturated.conditions import KNEE_S, waiting_levels
from chaoslib_cp.apiserver.saturated.evidence import Evidence, Waits
from chaoslib_cp.apiserver.saturated.metrics import LONG_WAIT_S, Level


def memory(seen: Evidence) -> str:
    """How its memory grew, and how it ended."""
    known = seen.memory
    growth, since_back = known.growth, known.growth_since_back
    told = [
        f"its kubelet tells that it was killed for memory {known.kills} x" if known.kills else "it went away",
        f"restarted {known.restarts} x" if known.restarts else "",
        f"with {_mib(growth.last_bytes)} when it was last seen, {_mib(growth.calm_bytes)} while calm" if growth else "",
        f"{_mib(since_back.last_bytes)} since it is back" if since_back else "",
    ]
    return ", ".join(one for one in told if one)


def handshake(seen: Evidence) -> str:
    """How long the way there is."""
    return f"a TCP handshake takes {_ms(seen.connect_s)}"


def sent_again(seen: Evidence) -> str:
    """How many packets are lost."""
    return f"of {seen.sent_again or 0:.0%} of the calls a packet had to be sent again"


def large_answer(seen: Evidence) -> str:
    """How fast a large answer comes."""
    return f"a large answer comes at {(seen.body_bytes_per_s or 0) / 1000:.0f} kB/s"


def waiting_goroutines(seen: Evidence) -> str:
    """How many wait for a processor."""
    told = seen.metrics
    if told is None or told.waiting_goroutines is None:
        return ""
    got = "" if told.cores is None else f", and it got {told.cores:.2f} cores"
    waiting = f"{told.waiting_goroutines:.1f} of its goroutines wait for a processor at a time"
    return f"{waiting}, over {LONG_WAIT_S * 1000:.0f} ms each{got}"


def idle_threads(seen: Evidence) -> str:
    """How often its threads had nothing to do."""
    told = seen.metrics
    if told is None or told.idle_share is None:
        return ""
    return f"its threads had nothing to do for {told.idle_share:.1%} of the time"


def starved(seen: Evidence) -> str:
    """Its kernel against its process."""
    return (
        f"its kernel takes connections in {_ms(seen.connect_s)}, but its process needs {_first(seen.livez)} for /livez "
        f"and {_ms(seen.handshake_s)} for a TLS handshake"
    )


def rejected(seen: Evidence) -> str:
    """How many requests of which level were rejected, and why."""
    levels = [one for one in seen.metrics.levels if one.rejected] if seen.metrics else []
    return ", ".join(
        f"{sum(one.rejected.values()):.0f} requests of {one.name} rejected ({', '.join(sorted(one.rejected))}; "
        f"{one.executing:.0f} of {one.limit:.0f} seats)"
        for one in levels
    )


def queued(seen: Evidence) -> str:
    """How many requests of which level wait, and how long."""
    return ", ".join(
        f"{_count(one)}requests of {one.name} wait{_each(one)} ({one.executing:.0f} of {one.limit:.0f} seats)"
        for one in waiting_levels(seen)
    )


def _count(level: Level) -> str:
    """How many stood on a page; those of a short burst stand on none."""
    return f"{level.most_waiting:.0f} " if level.most_waiting else ""


def _each(level: Level) -> str:
    """How long requests wait; one that is turned away at a full queue did not wait."""
    return f", {_ms(level.wait_s)} each" if (level.wait_s or 0.0) >= KNEE_S else ""


def etcd_calls(seen: Evidence) -> str:
    """How long a read and a write take."""
    told = seen.metrics
    kinds = (("read", told.etcd_reads), ("write", told.etcd_writes)) if told else ()
    times = [f"{_ms(one.mean_s)} to {does} one object ({one.count:.0f} x)" for does, one in kinds if one is not None]
    return f"etcd needs {' and '.join(times)}"


def etcd_and_cache(seen: Evidence) -> str:
    """The same read from both."""
    return f"a read from etcd takes {_first(seen.stored)}, from memory {_first(seen.cached)}"


def told_to_wait(seen: Evidence) -> str:
    """How many calls were turned away."""
    return f"{seen.failures['429 fair queueing']} of {seen.asked} calls were answered 429 by fair queueing"


def exempt_and_queued(seen: Evidence) -> str:
    """What waits for no seat against what does."""
    return f"/livez, which is exempt, takes {_first(seen.livez)}, /version {_first(seen.version)}"


def _ms(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds * 1000:.0f} ms"


def _first(waits: Waits | None) -> str:
    return _ms(waits.median_s if waits else None)


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"
