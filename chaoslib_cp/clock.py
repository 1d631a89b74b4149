"""One source of time, passed in as a parameter so that unit tests can make it virtual."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the library needs to know of time."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps; only differences mean something."""

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC; may step, so never used to measure a duration."""

    def sleep(self, duration_s: float) -> None:
        """Wait ``duration_s`` seconds."""


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
        """Wait ``duration_s`` seconds."""
        time.sleep(duration_s)
