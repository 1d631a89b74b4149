"""Finished undo logs are put aside, so that nobody reads them who looks for what is open."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaoslib_cp.engine.undo import lines
from chaoslib_cp.errors import UndoFailed

FOLDER: Final = "closed"


def aside(path: Path) -> Path:
    """Where a log is once it was put aside."""
    return path.parent / FOLDER / path.name


def where_is(path: Path) -> Path:
    """Where a log is now: in its place, or put aside."""
    return path if path.exists() or not aside(path).exists() else aside(path)


def put_aside(path: Path, is_finished: Callable[[], bool]) -> bool:
    """Put a log aside if it is finished; nobody can write to it in between.

    Args:
        path: The log.
        is_finished: Asked while the log is locked.

    Returns:
        Whether it was put aside.

    Raises:
        UndoFailed: It cannot be; it stays where it is.
    """
    lines.make_folder(aside(path).parent)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not is_finished():
                return False
            _move(path, aside(path))
        finally:
            os.close(handle)
    except OSError as error:
        raise UndoFailed(f"cannot put undo log {path} aside: {error.strerror}; it stays where it is") from error
    return True


def bring_back(path: Path) -> None:
    """Put a log in its place again, because its run goes on.

    Raises:
        UndoFailed: It cannot be; nothing was changed.
    """
    try:
        if not path.exists() and aside(path).exists():
            _move(aside(path), path)
    except OSError as error:
        raise UndoFailed(f"cannot bring undo log {path} back: {error.strerror}; nothing was changed") from error


def _move(old: Path, new: Path) -> None:
    """Take no name that is taken: that would replace the log of another run of the same name."""
    if not (new.exists() and new.samefile(old)):  # a crash may have left both names
        os.link(old, new, follow_symlinks=False)
    lines.sync_folder(new.parent)
    os.unlink(old)
    lines.sync_folder(old.parent)
