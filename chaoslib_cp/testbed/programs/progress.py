"""Lines that say what happens, each with the time since the start in front."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

from chaoslib_cp.clock import Clock, SystemClock

SAY_EACH_S = 4.0
"""Seconds between two lines about something that lasts; on a busy machine, still no 5."""


@dataclass
class Progress:
    """Says lines, and remembers when it began and what went wrong.

    Attributes:
        say: Takes one line without a line end.
        clock: Source of time.
        failures: What was said to have failed, for the error at the very end.
    """

    say: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    failures: list[str] = field(default_factory=list)
    began_s: float = field(init=False)
    said_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.said_s = self.clock.monotonic_s()

    def line(self, text: str) -> None:
        """Say ``text`` with the elapsed minutes and seconds in front."""
        self.said_s = self.clock.monotonic_s()
        self.say(f"{clock_time(self.said_s - self.began_s)}  {text}")

    def failed(self, text: str) -> None:
        """Say why something did not work, and remember it."""
        self.failures.append(text)
        self.line(text)

    @contextmanager
    def meanwhile(self, words: Callable[[], str]) -> Iterator[None]:
        """Say ``words()`` when nothing was said for a few seconds, until the block ends, whatever the block waits for.

        A thread says it, so no process with a ``preexec_fn`` may be started inside the block.
        """
        over = Event()

        def due_in_s() -> float:
            return max(0.0, self.said_s + SAY_EACH_S - self.clock.monotonic_s())

        def tell() -> None:
            while not over.wait(due_in_s()):
                if not due_in_s():
                    self.line(words())

        teller = Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()


def clock_time(duration_s: float) -> str:
    """Write a duration as ``m:ss``.

    Args:
        duration_s: Seconds, any length.

    Returns:
        For instance ``0:07`` or ``12:30``.
    """
    minutes, seconds = divmod(int(duration_s), 60)
    return f"{minutes}:{seconds:02d}"
