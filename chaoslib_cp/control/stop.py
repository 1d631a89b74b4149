"""Ctrl-C, SIGTERM, SIGHUP and our own abort rules stop a run at once, and its rollbacks are still played.

Chaos Toolkit alone does not give that: on its old line SIGTERM fails only the running activity and the next injection
is still played; on both lines SIGHUP kills the run with no rollback, and a second Ctrl-C drops the rollbacks.
``SystemExit(20)`` is what its own "leave now, with rollbacks" raises (chaoslib/exit.py); nothing between here and the
runner swallows it, on either line.
"""

import logging
import signal
import threading
from types import FrameType
from typing import Any

logger = logging.getLogger("chaostoolkit")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_WAKE = signal.SIGURG
"""What another thread sends to the main thread: a system call that blocks there comes back, whatever it is. Ignored by
default, so that one which comes too late ends no process (source: signal(7))."""

_WITH_ROLLBACKS = 20
_WITHOUT_ROLLBACKS = 30
_PATIENCE = 3


class StopLatch:
    """Remembers why a run must stop; once set it stays set. Made in the main thread, where signals are handled.

    Attributes:
        reason: Why, empty while the run may go on.
        signal_name: The signal that did it, empty when it was something else.
        shielded: True once rollbacks are sure to follow, until the run is judged: a signal is noted, nothing is cut
            short.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.signal_name = ""
        self.shielded = False
        self._signals = 0
        self._main_thread = threading.get_ident()
        self._previous: dict[int, Any] = {}

    def set(self, reason: str) -> None:
        """Let nothing new start; the first reason stays."""
        self.reason = self.reason or reason

    def interrupt(self, reason: str) -> bool:
        """Let nothing new start and, from another thread, make the main thread leave what it is doing.

        Returns:
            False when the run is being stopped already; then nothing is done.
        """
        if self.reason:
            return False
        self.set(reason)
        if threading.get_ident() != self._main_thread:
            signal.pthread_kill(self._main_thread, _WAKE)
        return True

    def leave_if_set(self) -> None:
        """In the main thread: leave now, with rollbacks, if the run must stop and is not rolling back already.

        Raises:
            SystemExit: It must.
        """
        if self.reason and not self.shielded:
            raise SystemExit(_WITH_ROLLBACKS)

    def install(self) -> None:
        """Take over the signals; from the main thread only.

        An ignored SIGHUP stays ignored: that is what ``nohup`` asks for, so that a run outlives its terminal. An
        ignored SIGINT does not: nobody asked for it, a shell without job control does that to whatever it starts in the
        background (POSIX, 2.11), and whoever sends a SIGINT there wants the run to stop, which is the safe thing to do.
        """
        self._previous[_WAKE] = signal.signal(_WAKE, self._on_wake)
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._on_signal)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            if signal.getsignal(number) in (self._on_signal, self._on_wake):
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_wake(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        self.leave_if_set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        name = signal.Signals(number).name
        self._signals += 1
        first = not self.reason
        self.signal_name = self.signal_name or name
        self.set(f"signal {name}")
        if self._signals >= _PATIENCE:
            logger.error("%s again: leaving without the rest of the rollbacks; run `chaos cp recover`", name)
            raise SystemExit(_WITHOUT_ROLLBACKS)
        if first and not self.shielded:
            logger.warning("%s: nothing new is injected, rolling back now", name)
            raise SystemExit(_WITH_ROLLBACKS)
        logger.warning("%s noted: the run is being rolled back and judged; send it again to leave it half done", name)
