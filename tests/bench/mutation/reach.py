"""Which test reaches which lines, also in processes that it starts: a plugin of pytest, and the start of its children.

The interpreter tells of each line once per test (``sys.monitoring``, Python 3.12 and later).
"""

import atexit
import json
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

FOLDER = "CHAOSLIB_CP_REACH"
"""Variable: where the notes of all processes go."""
_TEST = "CHAOSLIB_CP_REACH_TEST"
_PACKAGE = str(Path(__file__).resolve().parents[3] / "chaoslib_cp")

_lines: dict[str, set[int]] = defaultdict(set)


def watch() -> None:
    """Note every line of the package that this process runs from here on."""
    monitoring: Any = vars(sys)["monitoring"]
    events, package = monitoring.events, _PACKAGE  # the interpreter clears globals when it ends, and runs code then

    def on_start(code: CodeType, _offset: int) -> object:
        if not code.co_filename.startswith(package):
            return monitoring.DISABLE
        monitoring.set_local_events(monitoring.COVERAGE_ID, code, events.LINE)
        return None

    def on_line(code: CodeType, line: int) -> object:
        _lines[code.co_filename].add(line)
        return monitoring.DISABLE

    monitoring.use_tool_id(monitoring.COVERAGE_ID, "reach")
    monitoring.register_callback(monitoring.COVERAGE_ID, events.PY_START, on_start)
    monitoring.register_callback(monitoring.COVERAGE_ID, events.LINE, on_line)
    monitoring.set_events(monitoring.COVERAGE_ID, events.PY_START)


def watch_child() -> None:
    """What a process that a test starts does first, if somebody wants its notes (``sitecustomize``)."""
    if os.environ.get(_TEST):
        watch()
        atexit.register(_note, os.environ[_TEST])


def _note(test: str, seconds: float = 0.0) -> None:
    lines = {os.path.relpath(file, Path(_PACKAGE).parent): sorted(lines) for file, lines in _lines.items()}
    path = Path(os.environ[FOLDER]) / f"{uuid.uuid4()}.json"
    half = path.with_suffix(".part")  # a test may kill this process just now
    half.write_text(json.dumps({"test": test, "seconds": seconds, "lines": lines}))
    half.rename(path)


def read_notes(folder: Path) -> dict[str, dict[str, Any]]:
    """By test: ``seconds`` it took, and ``lines`` by file."""
    tests: dict[str, dict[str, Any]] = {}
    for path in folder.glob("*.json"):
        note = json.loads(path.read_text())
        mine = tests.setdefault(note["test"], {"seconds": 0.0, "lines": defaultdict(set)})
        mine["seconds"] += note["seconds"]
        for file, lines in note["lines"].items():
            mine["lines"][file].update(lines)
    return tests


def pytest_configure() -> None:
    """Begin to watch."""
    if os.environ.get(FOLDER):
        watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch one test, with its set-up and its children."""
    _lines.clear()
    vars(sys)["monitoring"].restart_events()
    os.environ[_TEST] = item.nodeid
    began_s = time.monotonic()
    try:
        return (yield)
    finally:
        _note(item.nodeid, time.monotonic() - began_s)
        del os.environ[_TEST]
