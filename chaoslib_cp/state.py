"""Where state is kept between commands: undo logs, locks, permits, testbeds."""

import os
import pwd
from pathlib import Path

from chaoslib_cp.errors import ProfileInvalid


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
