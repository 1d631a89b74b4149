"""Activities for experiments of the contract tests: small, and with effects a test can see from outside."""

import os
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.fault import ROLLBACK, Delivers, Ended, Expects, Injected

__all__ = [
    "await_file",
    "dawdles_beside",
    "fail",
    "mark",
    "needs_file",
    "raises_if",
    "remove",
    "sleep",
    "start_storm",
    "stop_storm",
]


def mark(path: str) -> dict[str, Any]:
    """Leave a line in a file: a test can see that this was played, and how often."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("played\n")
    return {"path": path}


def remove(path: str) -> dict[str, Any]:
    """Take the file away again."""
    Path(path).unlink()
    return {"path": path}


def needs_file(path: str, there: bool = True) -> dict[str, Any]:
    """Probe: is the file there (or, with ``there`` false, gone)?"""
    return {"ok": Path(path).exists() == there}


def raises_if(path: str, broken: str) -> dict[str, Any]:
    """Probe: false once ``broken`` is there; it raises once ``path`` is there."""
    if Path(path).exists():
        raise RuntimeError("the API cannot be reached")
    return {"ok": not Path(broken).exists()}


def await_file(path: str) -> dict[str, Any]:
    """Wait until the file is there, 20 s at most."""
    end_s = time.monotonic() + 20
    while not Path(path).exists() and time.monotonic() < end_s:
        time.sleep(0.02)
    return {"path": path}


def dawdles_beside(broken: str, dawdling: str, duration_s: float) -> dict[str, Any]:
    """Probe: false once ``broken`` is there; beside the method it then takes its time, and says so by a file."""
    is_broken = Path(broken).exists()
    if is_broken and threading.current_thread() is not threading.main_thread():
        mark(dawdling)
        time.sleep(duration_s)
    return {"ok": not is_broken}


def sleep(duration_s: float, started: str) -> dict[str, Any]:
    """Say that it started, then take its time."""
    mark(started)
    time.sleep(duration_s)
    return {"slept_s": duration_s}


def fail(message: str = "it did not work") -> None:
    """Fail as an activity does."""
    raise RuntimeError(message)


def start_storm(duration_s: float, refused: int = 1, expected_at: str = "api_read") -> dict[str, Any]:
    """Tell the fake API server to fail small reads for a while; ``refused`` says how many of 1 that delivered."""
    _tell(f"/storm?duration_s={duration_s}")
    return Injected(
        fault="storm-1",
        kind="storm",
        label="storm",
        delivers=Delivers("storms", wanted=1, done=refused),
        expects=(Expects(expected_at, window_s=2.0, within_s=5.0),),
        deadline_epoch_s=SystemClock().epoch_s() + duration_s,
        parameters={"duration_s": duration_s},
    ).as_dict()


def stop_storm() -> dict[str, Any]:
    """End it at once."""
    _tell("/storm?duration_s=0")
    return Ended(("storm-1",), ROLLBACK, SystemClock().epoch_s()).as_dict()


def _tell(path: str) -> None:
    with urllib.request.urlopen(f"http://{os.environ['CONTRACT_PROBER_PAGE']}{path}", timeout=5) as answer:
        answer.read()
