"""A working folder that is gone or cannot be written to does not stop ``chaos cp``: recovery works from any folder.

``chaos`` asks for the folder and opens ``chaostoolkit.log`` in it before any command of ours is called. What it loads
of ours before that is this package; so what must be different then is made so when it is loaded.
"""

import os
import sys
from tempfile import TemporaryFile
from typing import Any

# Where Chaos Toolkit keeps its group of commands: the new line, then the old one.
_HOMES_OF_CHAOS = ("chaostoolkit.commands.root", "chaostoolkit.cli")
_LOG_OPTIONS = {"--log-file", "--no-log-file"}


def survive() -> None:
    """Let a command of ours do without the log of ``chaos``, and without a folder that is gone.

    Raises:
        SystemExit: A run is being started there, which would have no journal either; the line says what to do.
    """
    chaos = next((found for home in _HOMES_OF_CHAOS if (found := getattr(sys.modules.get(home), "cli", None))), None)
    if chaos is None or (command := _command(chaos)) not in ("cp", "run"):
        return
    log = next(option for option in chaos.params if option.name == "log_file")
    if _can_be_written(str(log.default)):
        return
    if command == "cp":
        log.default = os.devnull
        _leave_what_is_gone()
    elif not _LOG_OPTIONS & {word.partition("=")[0] for word in sys.argv}:
        raise SystemExit(
            f"Error: chaos run writes {log.default}, journal.json and runs/ to the folder it is started in, and "
            "cannot; nothing was done; start it in a folder that you may write to"
        )


def _leave_what_is_gone() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir("/")


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
