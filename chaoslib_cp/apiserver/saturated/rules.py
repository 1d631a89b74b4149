"""The table of rules: which evidence marks which resource, from where on, and in which words.

A rule that lacks its evidence says None: neither yes nor no.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from chaoslib_cp.apiserver.saturated.evidence import Evidence, Waits
from chaoslib_cp.apiserver.saturated.metrics import LONG_WAIT_S, EtcdCalls, Level, Metrics

Resource = Literal["memory", "network", "cpu", "etcd", "seats"]

#: Light in glass takes 0.2 s to the other side of the earth and back (20,000 km each way at 200,000 km/s): a kernel
#: that answers later is not far away, its packets wait.
FAR_S: Final = 0.25
#: A share of calls of which a packet was lost. TCP bears 1 % of lost packets with little harm and a call has some ten
#: packets, so one call in ten; two calls may be chance.
LOST_SHARE: Final = 0.15
#: A list of 2,000 pods (8 MB) then takes the 30 s that are Kubernetes' own objective for one (sig-scalability, API call
#: latency SLO).
NARROW_BYTES_PER_S: Final = 270_000
#: Where the knee is: a call of 10 ms took 100 ms when a server had just run out (facts/api-overload.md 6.1). Measured
#: on a server of 1.36 at 0.4 core: /livez takes 2 ms while it is calm or uses 0.32 core, 160 ms when it wants more.
KNEE_S: Final = 0.1
#: A wait in a queue is told from one for the processor by /livez, so it may be taken for one a little later.
QUEUED_S: Final = 0.25
#: Goroutines that wait for a processor at a time, each for over 10 ms (as many as come in a second times the seconds
#: that each waits: Little's law). Measured there: 0.1 while it is calm, 0.4 at 0.24 core, 1.1 at 0.30 core, and 2.6
#: (a few Events lists, 0.37 core) to 56 when it wants more than it has.
WAITING_GOROUTINES: Final = 2.0
#: Go's threads are hardly ever idle. Measured there: 0.57 at 0.24 core of 0.4, 0.19 at 0.395 (one client that asks for
#: YAML and is served well), 0.025 and less where two or more want more than it has; 0.47 at 0.86 core without a quota.
HARDLY_IDLE: Final = 0.05
#: etcd itself warns of requests that take longer (its flag --warning-apply-duration).
ETCD_S: Final = 0.1
#: A mean that the API server measures has its own waits for the processor in it, of reads and writes alike. Measured
#: over 20 s at 0.4 core where nothing but CPU was short: writes, which come in bursts, took 0.9 to 2.8 times as long.
WRITES_TO_READS: Final = 4.0
#: Fewer wait for a processor: what the server measures of etcd is etcd's (0.4 at 0.24 core, 0.9 where it had pauses).
FEW_WAITING: Final = 0.5
#: Memory when it was last seen against what it had while it was calm: more than a process grows by itself in a run.
GROWN: Final = 1.25
#: The same of one that has just come back: it reads everything anew, and is asked for all that was not answered before.
#: Measured on the testbed: 1.1 with twelve clients that list after a SIGKILL, 2.0 with eight that ask for YAML.
GROWN_BACK: Final = 1.5


@dataclass(frozen=True)
class Rule:
    """One row.

    Attributes:
        resource: What is saturated where it holds.
        looks_at: The evidence that it needs, in words.
        holds: Whether it does; None where the evidence is missing.
        words: What was seen, with numbers; asked only where it holds.
    """

    resource: Resource
    looks_at: str
    holds: Callable[[Evidence], bool | None]
    words: Callable[[Evidence], str]


def _killed_for_memory(seen: Evidence) -> bool | None:
    """Its kubelet says so; or it went away, and a process that did had far more than it has while it is calm."""
    memory = seen.memory
    if memory.kills:
        return True
    if not memory.went_away or memory.ended_otherwise:
        return False if memory.ended_otherwise or seen.metrics is not None else None
    if memory.growth_since_back is not None and memory.growth_since_back.factor >= GROWN_BACK:
        return True
    return None if memory.growth is None else memory.growth.factor >= GROWN


def _far(seen: Evidence) -> bool | None:
    return None if seen.connect_s is None else seen.connect_s >= FAR_S


def _loses(seen: Evidence) -> bool | None:
    return None if seen.sent_again is None else seen.sent_again >= LOST_SHARE


def _narrow(seen: Evidence) -> bool | None:
    """Only where the server has its CPU: one that lacks it writes slowly, too."""
    if seen.body_bytes_per_s is None or _waits_for_processors(seen) is not False:
        return None
    return seen.body_bytes_per_s < NARROW_BYTES_PER_S


def _waits_for_processors(seen: Evidence) -> bool | None:
    """Goroutines wait, and the exempt question as they do: many that are woken at once wait for a moment, too.

    Its mean counts, not its median: where all agents ask at once, every 5 s, the server is calm for half of the time.
    """
    waiting = seen.metrics.waiting_goroutines if seen.metrics else None
    if waiting is None:
        return None
    is_felt = seen.livez is None or seen.livez.mean_s - (seen.connect_s or 0.0) >= LONG_WAIT_S
    return waiting >= WAITING_GOROUTINES and is_felt


def _never_idle(seen: Evidence) -> bool | None:
    """A few goroutines can use up all there is, and hardly anybody stands in their queue."""
    idle_share = seen.metrics.idle_share if seen.metrics else None
    return None if idle_share is None else idle_share <= HARDLY_IDLE


def _starved(seen: Evidence) -> bool | None:
    """The exempt question waits, which needs neither seat nor etcd, and the way there is short."""
    if seen.livez is None or seen.connect_s is None or seen.connect_s >= FAR_S:
        return None
    if _waits_for_processors(seen) is False or _loses(seen):
        return False  # the server says itself that it does not wait for processors; or packets are lost
    return seen.livez.median_s >= max(KNEE_S, 4 * seen.connect_s)


def _etcd_slow(seen: Evidence) -> bool | None:
    """The server says so, and its own waits are not why: it has none, the observer feels it, or writes alone are slow.

    A slow disk slows writes more than reads.
    """
    told = _etcd_calls(seen)
    if not told:
        return None
    if max(one.mean_s for one in told) < ETCD_S:
        return False
    felt_s = _etcd_adds_s(seen)
    return felt_s is None or felt_s >= ETCD_S / 2 or _few_wait(seen) or _writes_alone(seen)


def _few_wait(seen: Evidence) -> bool:
    waiting = seen.metrics.waiting_goroutines if seen.metrics else None
    return waiting is not None and waiting < FEW_WAITING


def _writes_alone(seen: Evidence) -> bool:
    reads, writes = (seen.metrics.etcd_reads, seen.metrics.etcd_writes) if seen.metrics else (None, None)
    return reads is not None and writes is not None and writes.mean_s >= WRITES_TO_READS * reads.mean_s


def _etcd_slower_than_cache(seen: Evidence) -> bool | None:
    """A slow process slows this one more. Where all wait for seconds two differ by chance: etcd must be most of it."""
    added_s = _etcd_adds_s(seen)
    if seen.stored is None or added_s is None or (seen.livez is not None and seen.livez.median_s >= KNEE_S):
        return None
    return added_s >= max(ETCD_S, seen.stored.median_s / 2)


def _etcd_adds_s(seen: Evidence) -> float | None:
    """How much longer a read from etcd takes than one from memory; both wait in one queue, as /version does."""
    if seen.stored is None or seen.cached is None:
        return None
    return seen.stored.median_s - max(one.median_s for one in (seen.cached, seen.version) if one is not None)


def _etcd_calls(seen: Evidence) -> list[EtcdCalls]:
    told = seen.metrics
    return [one for one in (told.etcd_reads, told.etcd_writes) if one is not None] if told else []


def _rejected(seen: Evidence) -> bool | None:
    told = seen.metrics
    return None if told is None or told.seconds is None else any(level.rejected for level in told.levels)


def _queued(seen: Evidence) -> bool | None:
    """On one page alone a request may wait by chance."""
    told = seen.metrics
    return None if told is None or told.seconds is None else bool(_waiting_levels(seen))


def _told_to_wait(seen: Evidence) -> bool:
    return seen.failures.get("429 fair queueing", 0) > 0


def _queued_only(seen: Evidence) -> bool | None:
    """What is exempt is answered at once, what queues is not."""
    if seen.livez is None or seen.version is None:
        return None
    return seen.livez.median_s < KNEE_S and seen.version.median_s >= QUEUED_S


def _waiting_levels(seen: Evidence) -> list[Level]:
    levels = seen.metrics.levels if seen.metrics else ()
    return [one for one in levels if one.waiting > 0 or (one.wait_s or 0.0) >= KNEE_S]


def _memory_words(seen: Evidence) -> str:
    memory = seen.memory
    growth, since_back = memory.growth, memory.growth_since_back
    told = [
        f"its kubelet tells that it was killed for memory {memory.kills} x" if memory.kills else "it went away",
        f"restarted {memory.restarts} x" if memory.restarts else "",
        f"with {_mib(growth.last_bytes)} when it was last seen, {_mib(growth.calm_bytes)} while calm" if growth else "",
        f"{_mib(since_back.last_bytes)} since it is back" if since_back else "",
    ]
    return ", ".join(one for one in told if one)


def _cpu_words(seen: Evidence) -> str:
    told = seen.metrics
    if told is None or told.waiting_goroutines is None:
        return ""
    waiting = f"{told.waiting_goroutines:.1f} of its goroutines wait for a processor at a time"
    return f"{waiting}, over {LONG_WAIT_S * 1000:.0f} ms each{_got(told)}"


def _got(told: Metrics) -> str:
    return "" if told.cores is None else f", and it got {told.cores:.2f} cores"


def _never_idle_words(seen: Evidence) -> str:
    told = seen.metrics
    if told is None or told.idle_share is None:
        return ""
    return f"its threads had nothing to do for {told.idle_share:.1%} of the time{_got(told)}"


def _starved_words(seen: Evidence) -> str:
    return (
        f"its kernel takes connections in {_ms(seen.connect_s)}, but its process needs {_first(seen.livez)} for /livez "
        f"and {_ms(seen.handshake_s)} for a TLS handshake"
    )


def _rejected_words(seen: Evidence) -> str:
    levels = [one for one in seen.metrics.levels if one.rejected] if seen.metrics else []
    return ", ".join(
        f"{sum(one.rejected.values()):.0f} requests of {one.name} rejected ({', '.join(sorted(one.rejected))}; "
        f"{one.executing:.0f} of {one.limit:.0f} seats)"
        for one in levels
    )


def _queued_words(seen: Evidence) -> str:
    return ", ".join(
        f"{_count(one)}requests of {one.name} wait{_each(one)} ({one.executing:.0f} of {one.limit:.0f} seats)"
        for one in _waiting_levels(seen)
    )


def _count(level: Level) -> str:
    """How many stood on a page; those of a short burst stand on none."""
    return f"{level.most_waiting:.0f} " if level.most_waiting else ""


def _each(level: Level) -> str:
    """How long requests wait; one that is turned away at a full queue did not wait."""
    return f", {_ms(level.wait_s)} each" if (level.wait_s or 0.0) >= KNEE_S else ""


def _etcd_words(seen: Evidence) -> str:
    told = seen.metrics
    kinds = (("read", told.etcd_reads), ("write", told.etcd_writes)) if told else ()
    times = [f"{_ms(one.mean_s)} to {does} one object ({one.count:.0f} x)" for does, one in kinds if one is not None]
    return f"etcd needs {' and '.join(times)}"


def _ms(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds * 1000:.0f} ms"


def _first(waits: Waits | None) -> str:
    return _ms(waits.median_s if waits else None)


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"


RULES: Final = (
    Rule("memory", "its memory before it went away (/metrics)", _killed_for_memory, _memory_words),
    Rule("network", "TCP handshakes", _far, lambda seen: f"a TCP handshake takes {_ms(seen.connect_s)}"),
    Rule(
        "network",
        "packets sent again",
        _loses,
        lambda seen: f"of {seen.sent_again or 0:.0%} of the calls a packet had to be sent again",
    ),
    Rule(
        "network",
        "the pace of a large answer",
        _narrow,
        lambda seen: f"a large answer comes at {(seen.body_bytes_per_s or 0) / 1000:.0f} kB/s",
    ),
    Rule("cpu", "goroutines that wait for a processor (/metrics)", _waits_for_processors, _cpu_words),
    Rule("cpu", "how often its threads are idle (/metrics)", _never_idle, _never_idle_words),
    Rule("cpu", "/livez against the TCP handshake", _starved, _starved_words),
    Rule("etcd", "etcd requests (/metrics)", _etcd_slow, _etcd_words),
    Rule(
        "etcd",
        "a read from etcd against one from memory",
        _etcd_slower_than_cache,
        lambda seen: f"a read from etcd takes {_first(seen.stored)}, from memory {_first(seen.cached)}",
    ),
    Rule("seats", "rejected requests (/metrics)", _rejected, _rejected_words),
    Rule("seats", "queues (/metrics)", _queued, _queued_words),
    Rule(
        "seats",
        "answers of 429",
        _told_to_wait,
        lambda seen: f"{seen.failures['429 fair queueing']} of {seen.asked} calls were answered 429 by fair queueing",
    ),
    Rule(
        "seats",
        "/livez against /version",
        _queued_only,
        lambda seen: f"/livez, which is exempt, takes {_first(seen.livez)}, /version {_first(seen.version)}",
    ),
)
