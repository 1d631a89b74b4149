"""What must hold of the evidence for each rule, and the thresholds with where each comes from.

A condition that lacks its evidence says None: neither yes nor no.
"""

from typing import Final

from chaoslib_cp.apiserver.saturated.evidence import Evidence
from chaoslib_cp.apiserver.saturated.metrics import LONG_WAIT_S, EtcdCalls, Level

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


def killed_for_memory(seen: Evidence) -> bool | None:
    """Its kubelet says so; or it went away, and a process that did had far more than it has while it is calm."""
    memory = seen.memory
    if memory.kills:
        return True
    if not memory.went_away or memory.ended_otherwise:
        return False if memory.ended_otherwise or seen.metrics is not None else None
    if memory.growth_since_back is not None and memory.growth_since_back.factor >= GROWN_BACK:
        return True
    return None if memory.growth is None else memory.growth.factor >= GROWN


def far(seen: Evidence) -> bool | None:
    """The way there is long."""
    return None if seen.connect_s is None else seen.connect_s >= FAR_S


def loses(seen: Evidence) -> bool | None:
    """Packets are lost."""
    return None if seen.sent_again is None else seen.sent_again >= LOST_SHARE


def narrow(seen: Evidence) -> bool | None:
    """Only where the server has its CPU: one that lacks it writes slowly, too."""
    if seen.body_bytes_per_s is None or waits_for_processors(seen) is not False or never_idle(seen):
        return None
    return seen.body_bytes_per_s < NARROW_BYTES_PER_S


def waits_for_processors(seen: Evidence) -> bool | None:
    """Goroutines wait, and the exempt question as they do: many that are woken at once wait for a moment, too.

    Its mean counts, not its median: where all agents ask at once, every 5 s, the server is calm for half of the time.
    """
    waiting = seen.metrics.waiting_goroutines if seen.metrics else None
    if waiting is None:
        return None
    is_felt = seen.livez is None or seen.livez.mean_s - (seen.connect_s or 0.0) >= LONG_WAIT_S
    return waiting >= WAITING_GOROUTINES and is_felt


def never_idle(seen: Evidence) -> bool | None:
    """A few goroutines can use up all there is, and hardly anybody stands in their queue."""
    idle_share = seen.metrics.idle_share if seen.metrics else None
    return None if idle_share is None else idle_share <= HARDLY_IDLE


def starved(seen: Evidence) -> bool | None:
    """The exempt question waits, which needs neither seat nor etcd, and the way there is short."""
    if seen.livez is None or seen.connect_s is None or seen.connect_s >= FAR_S:
        return None
    if waits_for_processors(seen) is False or loses(seen):
        return False  # the server says itself that it does not wait for processors; or packets are lost
    return seen.livez.median_s >= max(KNEE_S, 4 * seen.connect_s)


def etcd_slow(seen: Evidence) -> bool | None:
    """The server says so, and its own waits are not why.

    The observer feels it; or it lasts, and few wait for a processor or writes alone are slow, as on a slow disk.
    """
    told = _etcd_calls(seen)
    if not told:
        return None
    if max(one.mean_s for one in told) < ETCD_S:
        return False
    felt_s = _etcd_adds_s(seen)
    if felt_s is None or felt_s >= ETCD_S / 2:
        return True
    lasts = any(one.least_s is not None and one.least_s >= ETCD_S for one in told)
    return lasts and (_few_wait(seen) or _writes_alone(seen))


def _few_wait(seen: Evidence) -> bool:
    waiting = seen.metrics.waiting_goroutines if seen.metrics else None
    return waiting is not None and waiting < FEW_WAITING


def _writes_alone(seen: Evidence) -> bool:
    reads, writes = (seen.metrics.etcd_reads, seen.metrics.etcd_writes) if seen.metrics else (None, None)
    return reads is not None and writes is not None and writes.mean_s >= WRITES_TO_READS * reads.mean_s


def etcd_slower_than_cache(seen: Evidence) -> bool | None:
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


def rejected(seen: Evidence) -> bool | None:
    """Requests of some level were rejected."""
    told = seen.metrics
    return None if told is None or told.seconds is None else any(level.rejected for level in told.levels)


def queued(seen: Evidence) -> bool | None:
    """On one page alone a request may wait by chance."""
    told = seen.metrics
    return None if told is None or told.seconds is None else bool(waiting_levels(seen))


def told_to_wait(seen: Evidence) -> bool:
    """Fair queueing turned some of our own calls away."""
    return seen.failures.get("429 fair queueing", 0) > 0


def queued_only(seen: Evidence) -> bool | None:
    """What is exempt is answered at once, what queues is not."""
    if seen.livez is None or seen.version is None:
        return None
    return seen.livez.median_s < KNEE_S and seen.version.median_s >= QUEUED_S


def waiting_levels(seen: Evidence) -> list[Level]:
    """The levels whose requests wait."""
    levels = seen.metrics.levels if seen.metrics else ()
    return [one for one in levels if one.waiting > 0 or (one.wait_s or 0.0) >= KNEE_S]
