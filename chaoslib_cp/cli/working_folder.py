"""A working folder that is gone or cannot be written to must not stop ``chaos cp``: recovery works from any folder.

``chaos`` asks for the folder and opens ``chaostoolkit.log`` in it before any command of ours is called. What it loads
of ours before that is this package; so what must be different then is made so when it is loaded.
"""

import os
import sys
from tempfile import TemporaryFile
from typing import Any

# Where Chaos Toolkit keeps its group of commands: the new line, then the old one.
_HOMES_OF_CHAOS = ("chaostoolkit.commands.root", "chaostoolkit.cli")


def survive() -> None:
    """Go elsewhere when the folder is gone, and keep no log of ``chaos`` where none can be written.

    Only when a command of ours is being started: a run without log and journal is no run.
    """
    chaos = next((found for home in _HOMES_OF_CHAOS if (found := getattr(sys.modules.get(home), "cli", None))), None)
    if chaos is None or _command(chaos) != "cp":
        return
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir("/")
    for option in chaos.params:
        if option.name == "log_file" and not _can_be_written(str(option.default)):
            option.default = os.devnull


def _command(chaos: Any) -> str:
    """Name the command of ``chaos`` that was typed."""
    return next((word for word in sys.argv[1:] if word == "cp" or word in chaos.commands), "")


def _can_be_written(file: str) -> bool:
    """Try it, for rights alone do not tell, as of root in /proc; nothing is changed."""
    try:
        with open(file, "ab") if os.path.exists(file) else TemporaryFile(dir="."):
            return True
    except OSError:
        return False
