"""When an agent's requests come due: pure arithmetic, no clock.

An open model: the moments are fixed before anything is sent, so a slow server cannot slow the load down.
"""

import random
from collections.abc import Iterator

from chaoslib_cp.engine.load.profile import STEPS, LoadProfile


def due_offsets(profile: LoadProfile, agent_id: str, kind: int) -> Iterator[float]:
    """Yield the moments at which an agent's request of one kind comes due.

    The k-th moment is ``ramp + phase + k * period + jitter``. The agent's place in the ramp and the request's phase
    are drawn once, so that agents that start together do not march in step (unless the profile's ``phase_ratio`` says
    so); jitter does not add up, so the offered rate is exactly 1 / period. Every agent has its own stream of random
    numbers: adding one changes no other.

    Args:
        profile: the load profile.
        agent_id: the agent; part of the seed.
        kind: index into ``profile.requests``.

    Yields:
        Seconds since the agent was added, rising, without end.
    """
    # string seeds are hashed with SHA-512, alike in every process and Python version
    place = random.Random(f"{profile.seed}/{agent_id}")  # noqa: S311 - a schedule, not a secret
    how = profile.requests[kind].period_s, profile.jitter_ratio, profile.phase_ratio
    return offsets(f"{profile.seed}/{agent_id}/{kind}", *how, begin_s=_begin_s(profile, place.random()))


def offsets(
    stream: str, period_s: float, jitter_ratio: float, phase_ratio: float = 1.0, begin_s: float = 0.0
) -> Iterator[float]:
    """Yield the moments of one schedule: ``begin + phase + k * period + jitter``.

    Args:
        stream: names the schedule and seeds it.
        period_s: seconds between two moments.
        jitter_ratio: how much of a period a moment may come later, 0 to 1.
        phase_ratio: how much of a period the first moment may come later than the beginning, 0 to 1.
        begin_s: seconds before the first period.
    """
    draws = random.Random(stream)  # noqa: S311 - a schedule, not a secret
    begin_s += draws.random() * phase_ratio * period_s
    count = 0
    while True:
        yield begin_s + count * period_s + draws.random() * jitter_ratio * period_s
        count += 1


def _begin_s(profile: LoadProfile, place: float) -> float:
    """When an agent begins that has this place (0..1) in the ramp."""
    if profile.ramp != STEPS:
        return place * profile.ramp_s
    # as many distances as groups: the last group begins at the end less one of them
    return int(place * profile.ramp_steps) / profile.ramp_steps * profile.ramp_s
