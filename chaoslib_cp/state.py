"""Where state is kept between commands: undo logs, locks, permits, testbeds."""

import os
from pathlib import Path


def state_root() -> Path:
    """Return the library's state folder: ``$XDG_STATE_HOME/chaoslib-cp``, by default below ``~/.local/state``.

    A relative XDG_STATE_HOME is ignored: each process would look in another place (source: XDG Base Directory
    Specification).
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return base / "chaoslib-cp"
