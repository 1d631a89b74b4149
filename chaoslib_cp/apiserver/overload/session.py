"""The process that plays a load, as its parent has it, and what it has told so far.

Its stdin is what it lives by: whoever drops the handle ends the load. So the handles of this process are kept here; a
load that another process started is ended by its entry in the undo log.
"""

import atexit
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.child import Child, ChildPlan, start_child
from chaoslib_cp.clock import Clock
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.settings import Settings
from chaoslib_cp.state import prune, state_root

READY_WITHIN_S: Final = 20.0
"""Reading credentials and certificates takes its process no longer; a plugin may take 15 s."""
#: It closes its connections and writes its result.
_STOP_WITHIN_S: Final = 3.0
_running: Final[dict[Path, Child]] = {}


@dataclass(frozen=True)
class LoadFiles:
    """Where a load tells what it does.

    Attributes:
        result: Its progress once a second and, at its end, its result: one JSON object a line.
        log: Its last words, if any.
    """

    result: Path
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has told so far, a torn line left out; empty when it told nothing."""
        try:
            text = self.result.read_bytes()
        except OSError:
            return []
        return [dict(line) for line in map(_object, text.split(b"\n")) if line]

    def over(self) -> dict[str, Any] | None:
        """Its result; None while it runs, or when it was killed."""
        return next((line for line in reversed(self.lines()) if line.get("phase") == "over"), None)


def load_files(settings: Settings, run: str, fault: str) -> LoadFiles:
    """The files of one load: in the run's folder, without a control in the state folder.

    Args:
        settings: What the run was told.
        run: Name of the run, as its undo log has it.
        fault: Id of the fault.

    Raises:
        ProfileInvalid: The state folder cannot be made; nothing was changed.
    """
    if settings.run_dir is not None and settings.run_dir.is_dir():
        return LoadFiles(settings.run_dir / f"{fault}.jsonl", settings.run_dir / f"{fault}.log")
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ProfileInvalid(f"cannot make {folder}: {error.strerror}; nothing was changed; check the disk") from error
    return LoadFiles(folder / f"{run}-{fault}.jsonl", folder / f"{run}-{fault}.log")


def prune_loads(clock: Clock) -> None:
    """Delete what loads without a control told more than a month ago, and the oldest of very many."""
    prune(_folder(), clock.epoch_s())


def _folder() -> Path:
    return state_root() / "loads"


def start_process(plan: OverloadPlan, files: LoadFiles) -> Child:
    """Start the process and wait until everything is ready; it sends nothing before it is told to.

    Raises:
        ControlPlaneError: What it said why it cannot; it has ended.
        TargetUnreachable: It was not ready in time; it has ended.
    """
    how = ChildPlan("the load", "chaoslib_cp.apiserver.overload", (), files.log, READY_WITHIN_S, plan.as_dict())
    child = start_child(how)
    if not _running:
        atexit.register(_end_all)
    _running[files.result] = child
    return child


def end_process(files: LoadFiles) -> bool:
    """End the load if this process started it; returns whether it did. Asks nothing of anybody."""
    child = _running.pop(files.result, None)
    if child is not None:
        child.end(_STOP_WITHIN_S)
    return child is not None


def is_running(files: LoadFiles) -> bool:
    """Whether a load that this process started still runs."""
    child = _running.get(files.result)
    return child is not None and child.running


def _end_all() -> None:
    """Before the interpreter drops the handles: each may write its result."""
    for child in _running.values():
        child.end(_STOP_WITHIN_S)


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
