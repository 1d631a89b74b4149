"""Which test reaches which lines: a plugin of pytest.

The interpreter tells of each line once per test (``sys.monitoring``, Python 3.12 and later).
"""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

NOTES = "CHAOSLIB_CP_REACH"
"""Variable: where the notes go."""
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


def read_notes(file: Path) -> dict[str, dict[str, Any]]:
    """By test: ``seconds`` it took, and ``lines`` by file."""
    tests: dict[str, dict[str, Any]] = {}
    for line in file.read_text().splitlines():
        note = json.loads(line)
        tests[note["test"]] = {**note, "lines": {name: set(lines) for name, lines in note["lines"].items()}}
    return tests


def pytest_configure() -> None:
    """Begin to watch."""
    watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch one test with its set-up."""
    _lines.clear()
    vars(sys)["monitoring"].restart_events()
    began_s = time.monotonic()
    try:
        return (yield)
    finally:
        lines = {os.path.relpath(file, Path(_PACKAGE).parent): sorted(lines) for file, lines in _lines.items()}
        note = {"test": item.nodeid, "seconds": time.monotonic() - began_s, "lines": lines}
        with Path(os.environ[NOTES]).open("a") as file:
            file.write(json.dumps(note) + "\n")
