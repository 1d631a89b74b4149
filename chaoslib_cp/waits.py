"""What is waited for, told again and again: a command that is silent for minutes looks like one that hangs.

Whoever waits says so, however deep in the library: ``with waiting_for("the pods of run x to go", 120.0):``. Whoever
talks to a person has it told: ``with telling(say):``. Where nobody does, nothing is told.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chaoslib_cp.clock import Clock, SystemClock

EVERY_S: Final = 4.0
"""A person is told something every 5 s at the latest; a second of it is for a starved machine."""

_LAST_WORDS_S: Final = 1.0


@dataclass
class Wait:
    """One wait; ``what`` may change while it goes on.

    Attributes:
        what: What is waited for, as it goes on after "waiting for".
        began_s: When it began, monotonic seconds.
        limit_s: Seconds after which it is over in any case; None where nobody knows.
    """

    what: str
    began_s: float
    limit_s: float | None

    def words(self, clock: Clock) -> str:
        """One line for a person: what is waited for, and until when."""
        waited_s = clock.monotonic_s() - self.began_s
        if self.limit_s is None:
            return f"waiting for {self.what}, {waited_s:.0f} s so far"
        left_s = self.limit_s - waited_s
        if left_s < 0:
            return f"waiting for {self.what}, {-left_s:.0f} s longer than the {self.limit_s:g} s that were given"
        until = datetime.fromtimestamp(clock.epoch_s() + left_s, UTC)
        return f"waiting for {self.what}, until {until:%H:%M:%S} UTC at the latest ({left_s:.0f} s)"


class _Voice:
    """Tells the innermost wait, in a thread of its own: whoever waits may be stuck in a call."""

    def __init__(self, say: Callable[[str], None], every_s: float, clock: Clock) -> None:
        self._say = say
        self._every_s = every_s
        self.clock = clock
        self._waits: list[Wait] = []
        self._silence = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, wait: Wait, at_once: bool) -> None:
        self._waits.append(wait)
        if at_once:
            self._say(wait.words(self.clock))
        if self._thread is None:
            self._silence = threading.Event()
            self._thread = threading.Thread(target=self._tell, args=(self._silence,), name="waits", daemon=True)
            self._thread.start()

    def end(self, wait: Wait) -> None:
        self._waits = [one for one in self._waits if one is not wait]
        if not self._waits and self._thread is not None:
            self._silence.set()
            self._thread.join(_LAST_WORDS_S)
            self._thread = None

    def _tell(self, silence: threading.Event) -> None:
        while not silence.wait(self._every_s):
            for wait in self._waits[-1:]:
                self._say(wait.words(self.clock))


_voice: ContextVar[_Voice | None] = ContextVar("chaoslib_cp.waits", default=None)


@contextmanager
def telling(say: Callable[[str], None], every_s: float = EVERY_S, clock: Clock | None = None) -> Iterator[None]:
    """Have told what this thread waits for in the block, every ``every_s`` seconds while it waits.

    Args:
        say: Told each line; from another thread.
        every_s: Seconds between two lines.
        clock: Source of time.
    """
    before = _voice.get()
    _voice.set(_Voice(say, every_s, clock or SystemClock()))
    try:
        yield
    finally:
        _voice.set(before)


@contextmanager
def waiting_for(what: str, limit_s: float | None, at_once: bool = False) -> Iterator[Wait]:
    """Say what is waited for in the block. Of waits within waits the innermost is told.

    Args:
        what: As it goes on after "waiting for".
        limit_s: Seconds after which the wait is over in any case; None where nobody knows.
        at_once: It will be long: tell it when it begins, too.
    """
    voice = _voice.get()
    clock = voice.clock if voice else SystemClock()
    wait = Wait(what, clock.monotonic_s(), limit_s)
    if voice is None:
        yield wait
        return
    voice.begin(wait, at_once)
    try:
        yield wait
    finally:
        voice.end(wait)
