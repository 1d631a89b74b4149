"""Watches a run's abort rules while its method is played, from the timeline alone: no call to any API.

The rules of the experiment, and one that every run has: when the observer has ended, nobody sees what the run does.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chaoslib_cp.control.abort_rules import AbortRule
from chaoslib_cp.control.stop import StopLatch
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.observe.recent import recent_lines
from chaoslib_cp.observe.session import LOG_FILE, ObserveSession
from chaoslib_cp.results.recording import Recording, record

logger = logging.getLogger("chaostoolkit")

LOOK_EVERY_S: Final = 1.0
_STOP_WITHIN_S: Final = 5.0


class AbortWatch:
    """Looks at ``start`` and every second until ``stop``, in a thread of its own; ends with the first breach.

    Args:
        rules: The experiment's rules.
        run_dir: Where the timeline is.
        observer: Who writes it.
        latch: Told to stop the run.
        teller: Gets the event ``run_aborted``; its clock is the timeline's.
    """

    def __init__(
        self, rules: Sequence[AbortRule], run_dir: Path, observer: ObserveSession, latch: StopLatch, teller: Teller
    ) -> None:
        self._rules = rules
        self._run_dir = run_dir
        self._observer = observer
        self._latch = latch
        self._teller = teller
        self._began_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="abort-rules", daemon=True)

    def start(self) -> None:
        """Begin to look; what was before this moment is no reason to abort.

        The first look is done before this returns: nothing is injected in a run that nobody watches any more.
        """
        self._began_s = self._teller.time.now_s()
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more; may be called twice."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_WITHIN_S)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        breach = self._breach()
        if breach:
            self._over.set()
            # First of all the stop: nothing that fails below may keep the run going.
            if self._latch.interrupt(breach):
                logger.error("Aborted by %s; nothing new is injected, rolling back now", breach)
                self._teller.tell("run_aborted", reason=breach)

    def _breach(self) -> str:
        """The first breach there is, in one line; empty when the run may go on."""
        is_seen = self._observer.running
        if is_seen and not self._rules:
            return ""
        now_s = self._teller.time.now_s()
        widest_s = max((rule.window_s for rule in self._rules), default=0.0)
        try:
            recording = record(recent_lines(self._run_dir, now_s - widest_s))
        except OSError as error:
            return f"a timeline that cannot be read ({error.strerror}): nobody sees what the run does"
        if not is_seen:
            return self._observer_ended(recording)
        breaches = (rule.breach(recording, now_s, self._began_s) for rule in self._rules)
        return next(filter(None, breaches), "")

    def _observer_ended(self, recording: Recording) -> str:
        if any(event.details.get("reason") == "deadline" for event in recording.named("observer_ended")):
            return "the end of configuration.observe_s: nobody watches the run any more; give it more seconds"
        return f"the observer's death: nobody watches the run any more; its last words are in the run's {LOG_FILE}"
