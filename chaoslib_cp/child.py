"""A module of ours as a process that cannot outlive its parent: it ends when its stdin does.

A process of its own, so that neither Chaos Toolkit's threads nor a signal in them can starve it or be starved by it;
a session of its own, so that the terminal's Ctrl-C does not end it before the run has been judged.
"""

import json
import select
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp import errors
from chaoslib_cp.errors import ControlPlaneError, TargetUnreachable
from chaoslib_cp.inheritance import Kind, handed_to, python_module
from chaoslib_cp.waits import waiting_for

_KILL_AFTER_S: Final = 2.0


@dataclass(frozen=True)
class ChildPlan:
    """How a child is started.

    Attributes:
        what: What it is, for people, for example ``the observer``.
        module: The module, started as ``python -m``.
        arguments: Its arguments.
        log: File that its last words are appended to.
        ready_within_s: Seconds until its first line on stdout, which says ``"ready": true`` or why it cannot.
        first: What it is told at once, as a line of JSON on its stdin; None for nothing.
    """

    what: str
    module: str
    arguments: tuple[str, ...]
    log: Path
    ready_within_s: float
    first: Mapping[str, Any] | None = None


class Child:
    """A running child.

    Attributes:
        ready: What it said when it was ready.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", ready: Mapping[str, Any]) -> None:
        self._process = process
        self.ready = ready

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is still there; it may have ended at its own deadline."""
        return self._process.poll() is None

    def tell(self, line: Mapping[str, Any]) -> None:
        """Send it a line of JSON.

        Raises:
            TargetUnreachable: It has ended.
        """
        _write(self._process, line)

    def end(self, within_s: float) -> int:
        """Close its stdin, wait, then end it by force; returns its exit status. May be called twice.

        Args:
            within_s: Seconds in which it may finish what it is at.
        """
        return _end(self._process, within_s)


def start_child(plan: ChildPlan) -> Child:
    """Start a child and wait until it is ready.

    Raises:
        ControlPlaneError: What the child said why it cannot; it has ended.
        TargetUnreachable: It was not ready in time; it has ended.
    """
    with plan.log.open("ab") as log:
        process = subprocess.Popen(
            python_module(plan.module, *plan.arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            **handed_to(Kind.OURS),
        )
    try:
        with waiting_for(f"{plan.what} to be ready", plan.ready_within_s):
            if plan.first is not None:
                _write(process, plan.first)
            ready = _first_words(process, plan.ready_within_s)
    except BaseException:  # a signal to the parent too: nothing may be left running
        _end(process, 0.0)
        raise
    if ready.get("ready") is not True:
        _end(process, plan.ready_within_s)
        raise _as_error(ready, plan)
    return Child(process, ready)


def _write(process: "subprocess.Popen[bytes]", line: Mapping[str, Any]) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
    except OSError as error:
        raise TargetUnreachable(
            f"process {process.pid} has ended before it could be told anything; nothing was changed by it; see its log"
        ) from error


def _first_words(process: "subprocess.Popen[bytes]", within_s: float) -> dict[str, Any]:
    if process.stdout is None:
        return {}
    readable, _, _ = select.select([process.stdout], [], [], within_s)
    if not readable:
        return {}
    try:
        words = json.loads(process.stdout.readline())
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def _as_error(words: Mapping[str, Any], plan: ChildPlan) -> ControlPlaneError:
    """Turn what the child said into the error it was over there."""
    kind = getattr(errors, str(words.get("error")), None)
    if isinstance(kind, type) and issubclass(kind, ControlPlaneError):
        return kind(str(words.get("message")))
    return TargetUnreachable(f"{plan.what} did not get ready; nothing was changed; its last words are in {plan.log}")


def _end(process: "subprocess.Popen[bytes]", within_s: float) -> int:
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended with something unread
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
