"""A clock that passes only when somebody sleeps on it: waiting costs a test nothing."""


class ManualClock:
    """A ``chaoslib_cp.clock.Clock``; ``pass_s`` moves it by hand."""

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
