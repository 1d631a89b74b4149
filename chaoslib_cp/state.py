"""Where state is kept between commands: undo logs, locks, permits, testbeds."""

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import Final

from chaoslib_cp.errors import ProfileInvalid

KEPT_S: Final = 30 * 24 * 3600.0
"""What is finished tells for a month what a run did; the run's results folder tells it for longer."""
MOST_KEPT: Final = 2000
"""More than a run every half an hour for a month; looking through so many names takes some milliseconds."""


def state_root() -> Path:
    """Return the library's state folder: ``$XDG_STATE_HOME/chaoslib-cp``, by default below ``~/.local/state``.

    A relative XDG_STATE_HOME is ignored: each process would look in another place (source: XDG Base Directory
    Specification).

    Raises:
        ProfileInvalid: There is neither that variable nor a home folder; nothing was changed.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else home_folder() / ".local" / "state"
    return base / "chaoslib-cp"


def home_folder() -> Path:
    """Return the user's home folder: ``$HOME`` when it is a full path, else what the user database says.

    Raises:
        ProfileInvalid: Neither names one, as in a container that runs as a user of its own; nothing was changed.
    """
    named = os.environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    user = os.getuid()
    try:
        return Path(pwd.getpwuid(user).pw_dir)
    except KeyError:
        raise ProfileInvalid(
            f"user {user} has no home folder: HOME is {named!r}, and the user database does not know the user; nothing "
            "was changed; set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME, to a folder of yours"
        ) from None


def prune(folder: Path, now_epoch_s: float) -> None:
    """Delete files that were last written more than a month ago, and the oldest ones of too many.

    Args:
        folder: Where they are: finished ones only. Nothing happens where there is none.
        now_epoch_s: Seconds since 1970.
    """
    with suppress(OSError):  # what cannot be deleted now can be another time
        found = [(one.stat(follow_symlinks=False).st_mtime, one.path) for one in os.scandir(folder)]
        newest_first = sorted(found, reverse=True)
        for number, (changed_s, path) in enumerate(newest_first):
            if number >= MOST_KEPT or now_epoch_s - changed_s > KEPT_S:
                os.unlink(path)
