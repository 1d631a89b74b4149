"""Clocks on which waiting costs a test nothing."""

from chaoslib_cp.clock import SystemClock


class ManualClock:
    """A clock that passes only when somebody sleeps on it, or by :meth:`pass_s`."""

    def __init__(self, epoch_s: float = 1_700_000_000.0) -> None:
        self._epoch_s = epoch_s
        self._passed_s = 0.0
        self.slept_s: list[float] = []

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        return self._passed_s

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return self._epoch_s + self._passed_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        self.slept_s.append(duration_s)
        self._passed_s += duration_s

    def pass_s(self, duration_s: float) -> None:
        """Let time pass without anybody sleeping."""
        self._passed_s += duration_s


class LaterClock(SystemClock):
    """A minute and more from now: no unanswered create can still land."""

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return super().epoch_s() + 70

    def monotonic_s(self) -> float:
        """Seconds since the machine's start."""
        return super().monotonic_s() + 70


class UnwaitingClock(LaterClock):
    """Nobody waits by it: the fake API's controllers act at requests, not with time."""

    slept_s = 0.0

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return super().epoch_s() + self.slept_s

    def monotonic_s(self) -> float:
        """Seconds since the machine's start."""
        return super().monotonic_s() + self.slept_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass for who asks it only."""
        self.slept_s += duration_s
