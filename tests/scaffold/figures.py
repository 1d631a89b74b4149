"""Figures of the tests that prove a promise, for docs/reliability.md (``python -m tests.bench reliability``)."""

import json
import os
from pathlib import Path

FILE_VARIABLE = "CHAOSLIB_CP_PROOF"


def note(promise: str, **figures: float) -> None:
    """Leave figures of a test that has just passed; without the variable nobody wants them."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"promise": promise, **figures}) + "\n")
