"""One run under control: the gate first, then a folder, a lock, an observer; every step on record.

Chaos Toolkit swallows errors of controls, so this fails closed: nothing may be injected until ``open`` has come to its
end, and the journal says "failed" until the run has been judged.
"""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.lock import RunLock
from chaoslib_cp.control import evidence
from chaoslib_cp.control.abort import AbortWatch
from chaoslib_cp.control.abort_rules import AbortRule, read_rules
from chaoslib_cp.control.api_work import tell_api_work, tell_flows
from chaoslib_cp.control.cpu import tell_cpu
from chaoslib_cp.control.given import read_values, sources
from chaoslib_cp.control.listener import Listener
from chaoslib_cp.control.progress import Progress
from chaoslib_cp.control.refusal import cluster_refusals, experiment_refusals
from chaoslib_cp.control.rounds import Rounds
from chaoslib_cp.control.standing import StandingWatch
from chaoslib_cp.control.stop import StopLatch
from chaoslib_cp.control.taking import take_cluster
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.control.watching import observe_plan, wait_for_sight, warn_of_blind_spots
from chaoslib_cp.errors import ControlPlaneError, said_safely
from chaoslib_cp.observe.session import ObserveSession, start
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline
from chaoslib_cp.settings import RUN_DIR_KEY, Settings, read_settings
from chaoslib_cp.waits import waiting_for

logger = logging.getLogger("chaostoolkit")

Phase = Literal["watching", "method", "rollback", "ending"]


class Run:
    """What the control knows of the run that is under way.

    Attributes:
        armed: The gate was passed and everything that watches is in place; only then may anything be injected.
        phase: Which part of the experiment is being played.
        failed_activities: What failed in the method, one line each.
        stopped_by_action: An action of the method failed, and that is why the run stops.
        failed_rollbacks: What failed in the rollbacks, one line each.
        outputs: Name and output of each activity of the method.
        runtime: The strategies in force.
        settings: What the run was told, from ``open`` on.
    """

    def __init__(self, experiment: Mapping[str, Any], clock: Clock, event_registry: Any) -> None:
        self.experiment = experiment
        self.clock = clock
        self.latch = StopLatch()
        self.armed = self._has_begun = False
        self.phase: Phase = "watching"
        self._method_is_over = False
        self.run_dir: Path | None = None
        self.teller: Teller | None = None
        self.failed_activities: list[str] = []
        self.stopped_by_action = False
        self.failed_rollbacks: list[str] = []
        self.outputs: list[tuple[str, Any]] = []
        self.facts: dict[str, dict[str, Any]] = {}
        self.settings = Settings()
        self._rules: list[AbortRule] = []
        self._observer: ObserveSession | None = None
        self._abort_watch: AbortWatch | None = None
        self._standing = StandingWatch()
        self._lock: RunLock | None = None
        self.runtime: Mapping[str, Any] = {}
        self.rounds = Rounds()
        self.progress = Progress()
        if event_registry is not None:
            event_registry.register(Listener(self))
        self.rounds.install()
        self.latch.install()

    @property
    def waits_to_begin(self) -> bool:
        """It has taken over the signals, and the run has not begun."""
        return not self._has_begun

    @property
    def is_dry(self) -> bool:
        """Actions are not played (``--dry actions`` or ``--dry activities``), so there is nothing to judge."""
        return getattr(self.experiment.get("dry"), "value", None) in ("actions", "activities")

    def open(self, configuration: dict[str, Any], secrets: Mapping[str, Any] | None) -> None:
        """Pass the gate and get everything ready.

        Raises:
            InterruptExecution: Refused; nothing was changed in the cluster. Chaos Toolkit then plays no method.
        """
        self._has_begun = True
        self.progress.begin(configuration)
        try:
            self._open(configuration, secrets)
        except (ControlPlaneError, OSError) as error:
            raise InterruptExecution(f"{type(error).__name__}: {error}") from error
        except InterruptExecution:
            raise
        except Exception as error:  # noqa: BLE001 - Chaos Toolkit would swallow it, and nobody would read why
            raise InterruptExecution(f"{said_safely(error)}; nothing was changed, nothing is played") from None
        self.armed = True

    def _open(self, configuration: dict[str, Any], secrets: Mapping[str, Any] | None) -> None:
        source_of = sources(self.experiment)
        refused = read_values(self.experiment, configuration, source_of)  # activities are given what was read, too
        self.settings = read_settings(configuration, secrets, source_of=source_of)
        refused += experiment_refusals(self.experiment, self.runtime, configuration, self.settings)
        if refused:
            # inside the place the cluster is reached from, much of this may be right by itself
            refused = [*cluster_refusals(self.settings), *refused]
            reasons = (one.replace("; nothing was changed", "") for one in refused)  # said once, above them
            raise InterruptExecution("refused, nothing was changed:" + "".join(f"\n  - {one}" for one in reasons))
        with waiting_for("the gate: is this the cluster that is meant, marked as a test cluster and whole", None):
            taken = take_cluster(self.experiment, self.settings, self.clock)
        self._lock, self.settings, self.run_dir = taken.lock, taken.settings, taken.run_dir
        permit, run_dir = taken.permit, taken.run_dir
        configuration[RUN_DIR_KEY] = str(run_dir)  # activities read it there
        with waiting_for("what the cluster says of itself", None):
            warn_of_blind_spots(self.settings, permit.dns)
            self._gather_facts(permit.cluster_uid, run_dir.name, configuration)
        self._start_watching(run_dir, configuration, permit.api_servers)

    def _gather_facts(self, cluster_uid: str, run: str, configuration: Mapping[str, Any]) -> None:
        """Ask, while the API still answers, for what the summary says of the run and its cluster."""
        back_off = evidence.back_off_notes(self.settings, self.clock.epoch_s())
        for note in back_off:
            logger.warning("%s", note)
        self.facts = {
            "run": {"id": run, "title": str(self.experiment.get("title")), "cluster_uid": cluster_uid},
            "versions": evidence.versions(self.settings),
            "scale": evidence.with_knobs(
                evidence.scale(self.settings), [*evidence.own_knobs(self.experiment, configuration), *back_off]
            ),
        }

    def _start_watching(self, run_dir: Path, configuration: Mapping[str, Any], api_servers: tuple[str, ...]) -> None:
        """Begin the timeline and the observer, and wait until every vantage point was seen once."""
        self.teller = Teller(Timeline(run_dir / TIMELINE_FILE), self.clock)
        self.teller.tell("run_started", **self.facts["run"])
        if not self.is_dry:
            tell_flows(self.teller, self.settings)
            tell_api_work(self.teller, self.settings, self.clock)
        self._observer = start(observe_plan(run_dir, self.teller.time.epoch_offset_s, self.settings, api_servers))
        logger.info("Run folder: %s", run_dir)
        self._rules = read_rules(self.experiment, self.settings)
        blind = wait_for_sight(run_dir, self.experiment, configuration, self.settings, self.clock)
        if blind:
            logger.warning("No samples yet of %s; `chaos cp check` looks for the cause", ", ".join(blind))

    def enter(self, phase: Phase) -> None:
        """Go on to another part of the experiment; whatever comes after the method is shielded from signals.

        Rollbacks follow then in any case, and Chaos Toolkit first waits for the hypothesis beside the method, outside
        of what catches a ``SystemExit``: one raised there would cost the rollbacks and the verdict.
        """
        self.progress.ended()
        self.phase = phase
        self.latch.shielded = self._method_is_over = phase != "method"
        if phase == "method":
            self._watch_for_abort()
        else:
            self.rounds.method_is_over()
            self._stop_abort_watch()
        if phase == "rollback" and not self.armed:
            raise InterruptExecution("nothing was injected, so there is nothing to roll back")

    def begin_round(self) -> None:
        """A round of the hypothesis begins in this thread; the one after the method may be cut short again."""
        self.rounds.begin(beside_the_method=self.phase == "method")
        self._shield_around_the_last_round(shielded=False)

    def end_round(self, state: Mapping[str, Any] | None) -> None:
        """The round of the hypothesis ended; ``state`` is what Chaos Toolkit says of it."""
        self.rounds.end(state)
        self._shield_around_the_last_round(shielded=True)

    def _shield_around_the_last_round(self, shielded: bool) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self.phase == "watching" and self._method_is_over:
            self.latch.shielded = shielded

    def before_activity(self, activity: Mapping[str, Any]) -> None:
        """Let an activity start, or not.

        Args:
            activity: The activity; Chaos Toolkit first makes the pause in front of it.

        Raises:
            InterruptExecution: The run must stop, or the gate was never passed.
        """
        if self.phase != "rollback":
            if not self.armed:
                raise InterruptExecution("the gate was not passed: nothing was changed, nothing is played")
            if self.latch.reason:
                raise InterruptExecution(f"{self.latch.reason}: nothing new is started")
        self.progress.before(activity)

    def after_activity(self, activity: Mapping[str, Any], run: Mapping[str, Any] | None) -> None:
        """Put an activity's end on record; a failed action of the method ends the injections.

        Raises:
            InterruptExecution: An action failed: what comes after it would not test what it says. Or the timeline
                could not be written: what is not on record can be neither watched nor judged.
        """
        self.progress.ended()
        if run is None or self.rounds.inside or self.teller is None:
            return
        # What the verdict needs comes first: telling may fail, on a disk that is full for example.
        stop = self._register(activity, run)
        try:
            self.teller.activity_ended(activity, self.phase, run)
            if self.phase == "method" and activity.get("type") == "action":
                tell_cpu(self.teller, self.settings)
                self._standing.follow(run.get("output"), self.settings, self.teller)
        except Exception as error:  # noqa: BLE001 - Chaos Toolkit would swallow it: a lost effect is never judged
            why = self.cannot_tell("end", activity, error)
            stop = stop or ("" if self.phase == "rollback" else why)
        if stop:
            raise InterruptExecution(f"{stop}, so nothing more is injected")

    def _register(self, activity: Mapping[str, Any], run: Mapping[str, Any]) -> str:
        """Keep how an activity ended; returns why nothing more may be injected, empty when it may."""
        name = str(activity.get("name"))
        if run.get("status") != "failed":
            self.outputs.append((name, run.get("output")))
            return ""
        line = f"{name}: {_last_words(run)}"
        if self.phase == "rollback":
            self.failed_rollbacks.append(line)
            return ""
        self.failed_activities.append(line)
        if activity.get("type") != "action":
            return ""
        self.stopped_by_action = not self.latch.reason
        self.latch.set(f"action {name!r} failed")
        return f"action {name!r} failed"

    def cannot_tell(self, what: str, activity: Mapping[str, Any], error: Exception) -> str:
        """Stop the run, and never call it held, because the start or end of an activity is not on record.

        Nothing is raised, so that rollbacks go on; returns the reason.
        """
        why = f"the {what} of {activity.get('name')!r} could not be written to the timeline ({error})"
        logger.error("%s; nothing new is injected", why)
        self.latch.set(why)
        return why

    def _watch_for_abort(self) -> None:
        if self.armed and not self.is_dry and self.run_dir and self.teller and self._observer:
            self._abort_watch = AbortWatch(self._rules, self.run_dir, self._observer, self.latch, self.teller)
            self._abort_watch.start()

    def _stop_abort_watch(self) -> None:
        if self._abort_watch is not None:
            self._abort_watch.stop()

    @property
    def is_watched(self) -> bool:
        """The observer is still writing samples."""
        return self._observer is not None and self._observer.running

    def stop_watching(self) -> None:
        """End the observer and close the timeline; may be called twice."""
        self._stop_abort_watch()
        self._standing.stop()
        if self._observer is not None:
            with waiting_for("the observer to end", None):
                self._observer.stop()
        teller, self.teller = self.teller, None
        if teller is not None:
            try:
                teller.tell("run_ended")
            finally:
                teller.close()

    def close(self) -> None:
        """Let go of everything, however the run ended."""
        self.stop_watching()
        if self._lock is not None:
            self._lock.release()
        self.rounds.restore()
        self.progress.end()
        self.latch.restore()


def _last_words(run: Mapping[str, Any]) -> str:
    """The message of the exception Chaos Toolkit kept, without the class path it puts in front, once or twice."""
    lines = run.get("exception") or ["no reason given"]
    return str(lines[-1]).strip().replace("chaoslib.exceptions.ActivityFailed: ", "")
