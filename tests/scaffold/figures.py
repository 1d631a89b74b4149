"""Figures of the tests that prove a promise, for docs/reliability.md (`make prove`)."""

import json
from pathlib import Path

_files: list[Path] = []


def note_into(file: Path) -> None:
    """Append figures to this file from here on; tests/conftest.py says so, with ``--figures``."""
    _files[:] = [file]


def note(promise: str, **figures: float) -> None:
    """Leave figures of a test that has just passed; where no file was named nobody wants them."""
    for path in _files:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"promise": promise, **figures}) + "\n")
