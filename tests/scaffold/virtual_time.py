"""An event loop and a clock whose time passes only when nothing is left to do: an hour of schedule runs in a blink."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: instead of sleeping until the next timer it moves the clock there."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, or let virtual time pass."""
        ready = super().select(0)
        if not ready and timeout is None:
            # only another thread could wake this loop now
            return super().select(1)
        if not ready and timeout:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on virtual time. For peers in the same process only: real sockets answer in real time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._jumping.now_s


class VirtualClock:
    """A ``chaoslib_cp.clock.Clock`` on a virtual loop's time. ``epoch_offset_s`` may be stepped by a test."""

    def __init__(self, loop: VirtualLoop, epoch_offset_s: float = 1_700_000_000.0) -> None:
        self._loop = loop
        self.epoch_offset_s = epoch_offset_s

    def monotonic_s(self) -> float:
        """Seconds of virtual time."""
        return self._loop.time()

    def epoch_s(self) -> float:
        """Virtual seconds since 1970."""
        return self.epoch_offset_s + self._loop.time()

    def sleep(self, duration_s: float) -> None:
        """Blocking on a virtual loop would stop it for good."""
        raise NotImplementedError(f"nobody may block for {duration_s} s on a virtual loop")


def run_virtual(loop: VirtualLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end on virtual time and close the loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(coroutine)
