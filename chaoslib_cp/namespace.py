"""Where this process is: told by what runs as process 1 of its process namespace, never by a variable.

A variable is handed on to where it is no longer true, or gets lost on the way (``sudo``, ``env -i``). Process 1 of a
namespace can neither be chosen from inside nor change while we look.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

#: A file of the kernel's (source: proc(5)).
PROCESS_1: Final = Path("/proc/1/cmdline")


def process_1() -> list[str]:
    """Return the command line of process 1; empty where it cannot be read."""
    try:
        return PROCESS_1.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_inside(words: Collection[str]) -> bool:
    """Say whether process 1 was started with all of these words, and so whether we are in the place it made."""
    return bool(words) and set(words) <= set(process_1())
