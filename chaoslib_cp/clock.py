"""One source of time, passed in as a parameter so that unit tests can make it virtual."""

import time
from typing import Protocol

# The kernel's timers stand still while the machine is suspended: after it, a wait is noticed to be over this soon.
_SLICE_S = 0.5


class Clock(Protocol):
    """What the library needs to know of time."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps; only differences mean something."""

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC; may step, so never used to measure a duration."""

    def sleep(self, duration_s: float) -> None:
        """Wait until ``duration_s`` seconds have passed on ``monotonic_s``."""


class SystemClock:
    """The machine's own clocks.

    Monotonic time is CLOCK_BOOTTIME, which goes on counting while the machine is suspended: a fault's deadline
    must not be lengthened by closing a laptop (source: clock_gettime(2)).
    """

    def monotonic_s(self) -> float:
        """Seconds since boot, suspend included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.clock_gettime(time.CLOCK_REALTIME)

    def sleep(self, duration_s: float) -> None:
        """Wait ``duration_s`` seconds; the time in which the machine is suspended counts."""
        ends_s = self.monotonic_s() + duration_s
        while (left_s := ends_s - self.monotonic_s()) > 0:
            time.sleep(min(left_s, _SLICE_S))


class SteadyTime:
    """Seconds since 1970 that never step: the wall clock is read once, then monotonic time is added.

    Args:
        clock: Source of both.
        epoch_offset_s: Epoch minus monotonic time as another process of the same machine read it, so that both write
            one steady time; None reads it now.

    Attributes:
        epoch_offset_s: What is added to monotonic time.
    """

    def __init__(self, clock: Clock, epoch_offset_s: float | None = None) -> None:
        self._clock = clock
        now_s = clock.epoch_s() - clock.monotonic_s()
        self.epoch_offset_s = now_s if epoch_offset_s is None else epoch_offset_s

    def now_s(self) -> float:
        """Epoch seconds, steady from the creation of this object on."""
        return self.epoch_offset_s + self._clock.monotonic_s()
