"""What a run is doing just now, told every few seconds: activities and pauses of minutes must not look like a hang."""

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from chaoslib_cp.control.placeholder import filled
from chaoslib_cp.waits import telling, waiting_for

logger = logging.getLogger("chaostoolkit")

_OURS = {"chaoslib_cp": True}
"""As ``rounds.py`` knows lines that stay on the terminal."""


class Progress:
    """Follows the activities that the run's own thread plays."""

    def __init__(self) -> None:
        self._told = ExitStack()
        self._doing = ExitStack()
        self._configuration: Mapping[str, Any] = {}

    def begin(self, configuration: Mapping[str, Any]) -> None:
        """Have told from now on what this thread waits for.

        Args:
            configuration: The resolved configuration, for limits and pauses that are its values.
        """
        self._configuration = configuration
        self._told.enter_context(telling(_say))

    def before(self, activity: Mapping[str, Any]) -> None:
        """An activity comes next; Chaos Toolkit first pauses as the activity asks for."""
        pause_s = self._seconds((activity.get("pauses") or {}).get("before"))
        if pause_s:
            self._do(f"the pause before {activity.get('name')!r}", pause_s)
        else:
            self.starts(activity)

    def starts(self, activity: Mapping[str, Any]) -> None:
        """It really starts."""
        arguments = (activity.get("provider") or {}).get("arguments")
        limit = arguments.get("timeout_s") if isinstance(arguments, Mapping) else None
        self._do(repr(activity.get("name")), self._seconds(limit))

    def ended(self) -> None:
        """Nothing is played just now: after the last one Chaos Toolkit waits for the round that is being played."""
        self._do("the look at the hypothesis to end", None)

    def end(self) -> None:
        """Tell no more; may be called twice."""
        self._doing.close()
        self._told.close()

    def _do(self, what: str, limit_s: float | None) -> None:
        if threading.current_thread() is threading.main_thread():  # rounds are played beside it, in one of their own
            self._doing.close()
            self._doing.enter_context(waiting_for(what, limit_s))

    def _seconds(self, given: object) -> float | None:
        """A number of seconds as the file gives it, itself or by a name of the configuration."""
        value = filled(given, self._configuration)
        try:
            return None if value is None else float(str(value))
        except ValueError:
            return None


def _say(line: str) -> None:
    logger.info("%s", line, extra=_OURS)
