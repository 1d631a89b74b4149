"""The observer as a child process that cannot outlive its parent: it ends when its stdin does.

A process of its own, so that neither Chaos Toolkit's threads nor a signal in them can starve it or be starved by it;
a session of its own, so that the terminal's Ctrl-C does not end it before the run has been judged.
"""

import json
import select
import subprocess
from pathlib import Path
from typing import Any, Final

from chaoslib_cp import errors
from chaoslib_cp.errors import ControlPlaneError, TargetUnreachable
from chaoslib_cp.inheritance import Kind, handed_to, python_module
from chaoslib_cp.observe.plan import PLAN_FILE, ObservePlan
from chaoslib_cp.waits import waiting_for

LOG_FILE: Final = "observe.log"
#: Reading credentials, resolving the server and finding the prober: three calls with 5 s each at most.
_READY_WITHIN_S: Final = 20.0
#: Attempts in flight (10 s at most) are finished first.
_STOP_WITHIN_S: Final = 13.0
_KILL_AFTER_S: Final = 2.0


class ObserveSession:
    """A running observer."""

    def __init__(self, process: "subprocess.Popen[bytes]", ready: dict[str, Any]) -> None:
        self._process = process
        self.prober_pages: tuple[str, ...] = tuple(ready.get("prober_pages", ()))

    @property
    def pid(self) -> int:
        """Process id of the observer."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still observes; it may have ended at its own deadline."""
        return self._process.poll() is None

    def stop(self) -> int:
        """Let it finish what is in flight and end; returns its exit status. May be called twice."""
        return _end(self._process)

    def __enter__(self) -> "ObserveSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(plan: ObservePlan) -> ObserveSession:
    """Start an observer and wait until it is ready to ask.

    Its orders are in ``observe-plan.json`` in the run's folder, its last words, if any, in ``observe.log``.

    Raises:
        ControlPlaneError: What the observer said why it cannot; it has ended.
        TargetUnreachable: It was not ready in time; it has ended.
    """
    run_dir = Path(plan.run_dir)
    plan.write(run_dir / PLAN_FILE)
    with (run_dir / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            python_module("chaoslib_cp.observe", str(run_dir / PLAN_FILE)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            **handed_to(Kind.OURS),
        )
    try:
        with waiting_for("the observer to be ready", _READY_WITHIN_S):
            ready = _first_words(process)
    except BaseException:  # a signal to the parent too: nothing may be left running
        _end(process, within_s=0.0)
        raise
    if ready.get("ready") is not True:
        _end(process)
        raise _as_error(ready, run_dir / LOG_FILE)
    return ObserveSession(process, ready)


def _first_words(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    if process.stdout is None:
        return {}
    readable, _, _ = select.select([process.stdout], [], [], _READY_WITHIN_S)
    if not readable:
        return {}
    try:
        words = json.loads(process.stdout.readline())
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def _as_error(words: dict[str, Any], log: Path) -> ControlPlaneError:
    """Turn what the child said into the error it was over there."""
    kind = getattr(errors, str(words.get("error")), None)
    if isinstance(kind, type) and issubclass(kind, ControlPlaneError):
        return kind(str(words.get("message")))
    return TargetUnreachable(f"the observer did not get ready; nothing was changed; its last words are in {log}")


def _end(process: "subprocess.Popen[bytes]", within_s: float = _STOP_WITHIN_S) -> int:
    if process.stdin is not None:
        process.stdin.close()
    for signal_it in (process.terminate, process.kill):
        try:
            process.wait(within_s)
            break
        except subprocess.TimeoutExpired:
            signal_it()
            within_s = _KILL_AFTER_S
    if process.stdout is not None:
        process.stdout.close()
    return process.wait()
