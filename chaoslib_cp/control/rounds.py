"""The rounds of the hypothesis while the method runs: said on the terminal when they change, all kept in the log file.

Chaos Toolkit writes five lines a second for them, so that a person no longer sees what the run is doing.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger("chaostoolkit")

_OURS = {"chaoslib_cp": True}


class Rounds(logging.Filter):
    """Follows the rounds of one run; as a filter it keeps their lines off the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()
        self._threads: set[int] = set()
        self._failing = ""
        self._handlers: list[logging.Handler] = []

    def install(self) -> None:
        """Begin to filter what goes to the terminal; log files, and `--verbose`, keep everything."""
        for handler in logger.handlers:
            to_terminal = isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
            if to_terminal and handler.level > logging.DEBUG:
                handler.addFilter(self)
                self._handlers.append(handler)

    def restore(self) -> None:
        """Let everything through again."""
        while self._handlers:
            self._handlers.pop().removeFilter(self)

    @property
    def inside(self) -> bool:
        """Whether this thread plays a round just now."""
        return bool(getattr(self._here, "inside", False))

    def begin(self, beside_the_method: bool) -> None:
        """A round begins in this thread.

        Args:
            beside_the_method: It is one of those that are played all the time while the method runs.
        """
        self._here.inside = True
        if beside_the_method and threading.current_thread() is not threading.main_thread():
            self._threads.add(threading.get_ident())

    def end(self, state: Mapping[str, Any] | None) -> None:
        """A round is over; a change is said once.

        Args:
            state: Chaos Toolkit's record of the round: it ends at the first probe that was not met.
        """
        self._here.inside = False
        probes = (state or {}).get("probes") or []
        if threading.get_ident() not in self._threads or not probes:
            return
        failing = "" if state and state.get("steady_state_met") else str(probes[-1]["activity"].get("name"))
        if failing and failing != self._failing:
            logger.warning("Hypothesis NOT met: %s", failing, extra=_OURS)
        elif self._failing and not failing:
            logger.info("Hypothesis met again", extra=_OURS)
        self._failing = failing

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep routine lines of a thread that plays rounds off the terminal."""
        routine = record.thread in self._threads and record.levelno < logging.ERROR
        return not routine or hasattr(record, "chaoslib_cp")

    def method_is_over(self) -> None:
        """Rounds are no longer played beside the method; thread numbers may be used again."""
        self._threads.clear()
