"""A clock to which something happens in the middle: it is set, it runs too fast or too slowly, the machine sleeps."""

from collections.abc import Callable
from dataclasses import dataclass

_SLICE_S = 0.5


@dataclass(frozen=True)
class Disturbance:
    """What happens.

    Attributes:
        step_s: By how much the wall clock is set.
        rate: How many seconds the wall clock passes in one, from then on.
        asleep_s: How long the machine is suspended.
    """

    step_s: float = 0.0
    rate: float = 1.0
    asleep_s: float = 0.0


DISTURBANCES = {
    "set an hour ahead": Disturbance(step_s=3600),
    "set an hour back": Disturbance(step_s=-3600),
    "runs twice as fast": Disturbance(rate=2),
    "runs half as fast": Disturbance(rate=0.5),
    "the machine sleeps for an hour": Disturbance(asleep_s=3600),
}


class DisturbedClock:
    """A ``chaoslib_cp.clock.Clock``.

    Args:
        disturbance: What happens to it.
        after_s: When, in seconds from its beginning.
        awake_s: Seconds in which the machine was awake, as an event loop counts them; without it they pass only when
            somebody sleeps on this clock, or by :meth:`pass_s`.
    """

    def __init__(
        self,
        disturbance: Disturbance,
        after_s: float,
        awake_s: Callable[[], float] | None = None,
        epoch_s: float = 1_700_000_000.0,
    ) -> None:
        self._disturbance = disturbance
        self._after_s = after_s
        self._passed_s = 0.0
        self._awake_s = awake_s or (lambda: self._passed_s)
        self._began_s = self._awake_s()
        self._epoch_s = epoch_s

    @property
    def has_happened(self) -> bool:
        """Whether it is over."""
        return self._lived_s() >= self._after_s

    def monotonic_s(self) -> float:
        """Seconds since its beginning, those asleep included."""
        return self._lived_s() + (self._disturbance.asleep_s if self.has_happened else 0.0)

    def epoch_s(self) -> float:
        """What the wall clock shows."""
        shown_s = self._epoch_s + self.monotonic_s()
        if self.has_happened:
            since_s = self._lived_s() - self._after_s
            shown_s += self._disturbance.step_s + since_s * (self._disturbance.rate - 1)
        return shown_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass until that much of it has, asleep or awake."""
        ends_s = self.monotonic_s() + duration_s
        while (left_s := ends_s - self.monotonic_s()) > 0:
            self._passed_s += max(min(left_s, _SLICE_S), 1e-6)  # so that no rounding makes time stand still

    def pass_s(self, duration_s: float) -> None:
        """Let time pass without anybody sleeping on it."""
        self._passed_s += duration_s

    def overrun_s(self, deadline_s: float) -> float:
        """For how long somebody who is still there has been awake since a moment of ``monotonic_s``."""
        deadline_awake_s = deadline_s
        if deadline_s > self._after_s:
            deadline_awake_s = max(self._after_s, deadline_s - self._disturbance.asleep_s)
        return self._lived_s() - deadline_awake_s

    def _lived_s(self) -> float:
        return self._awake_s() - self._began_s
