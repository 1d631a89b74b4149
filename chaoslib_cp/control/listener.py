"""What Chaos Toolkit tells listeners and not controls."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.run import RunEventHandler

if TYPE_CHECKING:
    from chaoslib_cp.control.run import Run


class Listener(RunEventHandler):  # type: ignore[misc]  # Chaos Toolkit has no types
    """Hears what controls are not told, for one run.

    Which strategies are in force (the command line overrides the file), and when an activity really starts: controls
    are called before the pause in front of it.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run

    def running(self, *given: Any) -> None:
        """Keep the last of what Chaos Toolkit passes: the settings with the strategies in force."""
        self._run.runtime = (given[-1] or {}).get("runtime") or {}

    def start_activity(self, activity: Mapping[str, Any]) -> None:
        """Put the start of an activity of method or rollbacks on record, or let nothing start after it."""
        self._run.progress.starts(activity)
        if self._run.teller and not self._run.rounds.inside:
            try:
                self._run.teller.activity_started(activity, self._run.phase)
            except Exception as error:  # noqa: BLE001 - Chaos Toolkit would swallow it
                self._run.cannot_tell("start", activity, error)

    def activity_completed(self, *_: object) -> None:
        """Skip the pause after an activity that was cut short: Chaos Toolkit would still sleep it out."""
        if self._run.phase == "method" and threading.current_thread() is threading.main_thread():
            self._run.latch.leave_if_set()
