"""Lines that say what happens, each with the time since the start in front."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chaoslib_cp.clock import Clock, SystemClock


@dataclass
class Progress:
    """Says lines, and remembers when it began.

    Attributes:
        say: Takes one line without a line end.
        clock: Source of time.
    """

    say: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.clock.monotonic_s()

    def line(self, text: str) -> None:
        """Say ``text`` with the elapsed minutes and seconds in front."""
        self.say(f"{clock_time(self.clock.monotonic_s() - self.began_s)}  {text}")


def clock_time(duration_s: float) -> str:
    """Write a duration as ``m:ss``.

    Args:
        duration_s: Seconds, any length.

    Returns:
        For instance ``0:07`` or ``12:30``.
    """
    minutes, seconds = divmod(int(duration_s), 60)
    return f"{minutes}:{seconds:02d}"
