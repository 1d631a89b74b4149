"""The control of every experiment here: gate, observer, signals, verdict, evidence.

In an experiment file, at the top level::

    "controls": [{"name": "chaoslib_cp", "provider": {"type": "python", "module": "chaoslib_cp.control"}}]

Chaos Toolkit calls the functions below by name. Without this control every action still passes the gate by itself, but
there is no verdict and no stopping.

Chaos Toolkit swallows what goes wrong in here and plays on, and takes a control that cannot be imported for none at
all. So nothing of ours is imported above, and a run that could not be taken over is refused by every hook.
"""

import logging
from collections.abc import Mapping
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidControl

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "after_hypothesis_control",
    "after_method_control",
    "before_activity_control",
    "before_experiment_control",
    "before_hypothesis_control",
    "before_method_control",
    "before_rollback_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

# Chaos Toolkit offers a control no place of its own between two calls; it plays one run at a time in a process.
_runs: list[Any] = []
_failures: list[tuple[str, str]] = []
_INSTALL = "install chaostoolkit-cp anew from its checkout, with the versions of Chaos Toolkit that it names"


def validate_control(control: Mapping[str, Any]) -> None:
    """Refuse a declaration that would let the control see only half of a run.

    The rest of the file is checked when the run starts: here Chaos Toolkit shows only the control's own block.
    """
    from chaoslib_cp.control.refusal import control_refusals

    refused = list(control_refusals(control))
    if refused:
        raise InvalidControl("; ".join(refused))


def configure_control(experiment: Mapping[str, Any], event_registry: Any = None) -> None:
    """Take over the signals and wait for the run to begin; why that failed is what the run is refused with."""
    is_second = any(run.experiment is experiment and run.waits_to_begin for run in _runs)
    cleanup_control()
    if is_second:
        _failures.append(("it is declared in the experiment and in Chaos Toolkit's settings", "take it out of one"))
        return
    try:
        # Imported here: `chaos validate` and `chaos discover` need none of what a run needs. The end of a run as well,
        # so that what cannot be imported is known before anything is injected.
        from chaoslib_cp.clock import SystemClock
        from chaoslib_cp.control.ending import end_run  # noqa: F401
        from chaoslib_cp.control.run import Run

        _runs.append(Run(experiment, SystemClock(), event_registry))
    except Exception as error:  # Chaos Toolkit would swallow it, and drop a control of its settings file
        logger.debug("control chaoslib_cp could not take over the run", exc_info=True)
        _failures.append((f"{type(error).__name__}: {error}", _INSTALL))


def _the_run() -> Any:
    """The run that is under way.

    Raises:
        InterruptExecution: There is none, so nobody would watch, stop or judge what is played.
    """
    if not _runs:
        why, remedy = _failures[-1] if _failures else ("Chaos Toolkit did not configure it", _INSTALL)
        raise InterruptExecution(
            f"control chaoslib_cp could not take over the run: {why}; nothing is injected; {remedy}"
        )
    return _runs[-1]


def before_experiment_control(
    context: Mapping[str, Any], configuration: dict[str, Any], secrets: Mapping[str, Any] | None = None
) -> None:
    """Pass the gate, take the lock, start the observer; or interrupt the run before it began."""
    _the_run().open(configuration, secrets)


def before_hypothesis_control(context: Mapping[str, Any]) -> None:
    """Note in this thread that a round of the hypothesis begins."""
    _the_run().begin_round()


def after_hypothesis_control(context: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> None:
    """Note that the round is over, and say so if its outcome changed."""
    for run in _runs:
        run.end_round(state)


def before_method_control(context: Mapping[str, Any]) -> None:
    """Note that injections begin."""
    _the_run().enter("method")


def after_method_control(context: Mapping[str, Any], state: Any = None) -> None:
    """Note that injections are over."""
    for run in _runs:
        run.enter("watching")


def before_rollback_control(context: Mapping[str, Any]) -> None:
    """Shield the rollbacks from further signals."""
    _the_run().enter("rollback")


def before_activity_control(context: Mapping[str, Any]) -> None:
    """Stop the activity if the run must stop."""
    _the_run().before_activity(context)


def after_activity_control(context: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> None:
    """Put the activity's end on record, and what it injected or ended."""
    for run in _runs:
        run.after_activity(context, state)


def after_experiment_control(
    context: Mapping[str, Any],
    state: dict[str, Any],
    configuration: dict[str, Any],
    secrets: Mapping[str, Any] | None = None,
) -> None:
    """Judge the run and repair the journal, so that ``chaos`` exits 0 only for held."""
    if not _runs:
        state["status"] = "failed"
        return
    from chaoslib_cp.control.ending import end_run
    from chaoslib_cp.waits import waiting_for

    judged = False
    try:
        for run in _runs:
            run.enter("ending")
            with waiting_for("the run to be judged", None):  # what it waits for within has pauses in between
                end_run(run, state, configuration)
        judged = True
    finally:
        if not judged:
            logger.error("the run could not be judged; its timeline is kept, the cause is in the log file")


def cleanup_control() -> None:
    """Let go of observer, lock and signals, however the run ended."""
    _failures.clear()
    while _runs:
        _runs.pop().close()
