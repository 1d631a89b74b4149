"""One error family, divided by what the user can do about it.

A message is one line: what failed, on which object, what was left behind, what to do.
Errors of other libraries are mapped to these at the seam where they are met (``cluster``, ``testbed``,
``engine/sample``) with ``raise ... from``; ``activity.py`` turns them into Chaos Toolkit's ``ActivityFailed``.
"""

from pathlib import Path
from traceback import walk_tb

_PACKAGE = Path(__file__).parent


class ControlPlaneError(Exception):
    """Base of every error this library raises on purpose."""


class TargetRefused(ControlPlaneError):
    """The cluster, or its state, is not one we may touch: mark it, name another, or heal it first.

    Nothing was changed.
    """


class TargetUnreachable(ControlPlaneError):
    """The cluster did not answer in time: check the address, the network, or wait until it is healthy.

    The outcome of a write that ended this way is unknown and stays open in the undo log.
    """


class ProfileInvalid(ControlPlaneError):
    """An argument, a load profile, a cluster spec or a configuration value is wrong: correct it.

    Nothing was changed.
    """


class UndoFailed(ControlPlaneError):
    """Something could not be undone: run ``chaos cp recover`` again once the named cause is gone."""


class TestbedFailed(ControlPlaneError):
    """The embedded testbed could not do what was asked: the message names the part and its last words."""

    __test__ = False  # not a test class, whatever pytest thinks of the name


def said_safely(error: Exception) -> str:
    """An error in one line that is fit for logs and reports.

    Args:
        error: One of ours is told with its words. Any other is a mistake in this library: it is told by its type and by
            where in the library it came up, without its words, which may repeat a secret.
    """
    if isinstance(error, ControlPlaneError):
        return f"{type(error).__name__}: {error}"
    files = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    ours = [f"{file.relative_to(_PACKAGE)}:{line}" for file, line in files if file.is_relative_to(_PACKAGE)]
    return f"unforeseen {type(error).__name__} at chaoslib_cp/{ours[-1] if ours else '?'}, which is worth a report"
