"""What the host hands on to a process that we start: variables, umask, and how a module of Python is started.

Every start in this package takes ``env`` and ``umask`` from :func:`handed_to`, and so from one table.
docs/host.md shows it.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, TypedDict

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.state import home_folder

KEPT: Final = "as it is"
CLEARED: Final = "cleared"
FULL_PATHS: Final = "relative parts made full, empty parts cleared"
ONLY_FULL_PATHS: Final = "without parts that are no full path"
KEPT_OR_FOUND: Final = "as it is; where it is no full path, that of the user database"
SET: Final = "set: "
# What a pod's user, who is nobody on this machine, must be able to read is written by the testbed.
READABLE_UMASK: Final = 0o022
_AS_IT_IS: Final = -1  # as ``subprocess`` says it


class Kind(StrEnum):
    """Whose process it is."""

    OURS = "ours"
    """Python of this library, beside or below a run: the observer, ``chaos cp`` as a driver, pip."""
    TESTBED = "testbed"
    """The testbed's supervisor, and all that it starts."""
    GUEST = "guest"
    """What ``chaos cp exec`` and ``shell`` start inside a testbed."""
    TOOL = "tool"
    """A program of the system whose words we read: ``ip``, ``nft``, ``mount``, ``bwrap``."""
    THEIRS = "theirs"
    """A program that the user chose, and that works for him outside: a driver, ``docker``, ``go build``."""


@dataclass(frozen=True)
class Row:
    """What happens to some variables.

    Attributes:
        names: Their names; ``*`` stands for any text.
        handed: What each kind of process gets of them; a kind that is not named gets them as they are.
    """

    names: tuple[str, ...]
    handed: Mapping[Kind, str] = field(default_factory=dict)


# The first row that fits a variable counts. What is set is set where the host has no such variable, too.
TABLE: Final = (
    Row(("no_proxy", "NO_PROXY"), {Kind.TESTBED: CLEARED, Kind.GUEST: f"{SET}*", Kind.TOOL: CLEARED}),
    Row(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
        {Kind.TESTBED: CLEARED, Kind.GUEST: CLEARED, Kind.TOOL: CLEARED},
    ),
    Row(("PYTHONPATH",), {Kind.OURS: FULL_PATHS, Kind.TESTBED: FULL_PATHS}),
    Row(("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE")),
    Row(("PYTHON*",), {Kind.OURS: CLEARED, Kind.TESTBED: CLEARED}),
    Row(("PATH",), {Kind.TESTBED: ONLY_FULL_PATHS, Kind.TOOL: ONLY_FULL_PATHS}),
    Row(("HOME",), dict.fromkeys(Kind, KEPT_OR_FOUND)),
    Row(("XDG_CACHE_HOME", "XDG_STATE_HOME")),
    Row(("LC_ALL",), {Kind.TESTBED: f"{SET}C.UTF-8", Kind.TOOL: f"{SET}C"}),
    Row(("LANG", "LANGUAGE", "LC_*"), {Kind.TESTBED: CLEARED, Kind.TOOL: CLEARED}),
    Row(("KUBERNETES_*", "CHAOSTOOLKIT_IN_POD"), {Kind.TESTBED: CLEARED, Kind.GUEST: CLEARED}),
    Row(("*",), {Kind.TESTBED: CLEARED}),
)
UMASKS: Final = {kind: READABLE_UMASK if kind is Kind.TESTBED else _AS_IT_IS for kind in Kind}


class Inherited(TypedDict):
    """Arguments for ``subprocess``."""

    env: dict[str, str]
    umask: int


def handed_to(kind: Kind, changes: Mapping[str, str | None] | None = None) -> Inherited:
    """Make what a process inherits.

    Args:
        kind: Whose process it is.
        changes: Variables that it gets besides, or instead; with None it does not get that one.

    Returns:
        What ``subprocess`` is to be given, as ``**handed_to(...)``.
    """
    host = {"HOME": "", **os.environ}  # looked for also where it is missing
    handed = {name: _HOW[how](value) for name, value in host.items() if (how := treatment(kind, name)) in _HOW}
    wanted = {**handed, **_set_for(kind), **(changes or {})}
    return exactly({name: value for name, value in wanted.items() if value is not None}, UMASKS[kind])


def treatment(kind: Kind, name: str) -> str:
    """Say, in the words of the table, what a kind of process gets of one variable."""
    row = next(row for row in TABLE if any(fnmatchcase(name, pattern) for pattern in row.names))
    return row.handed.get(kind, KEPT)


def exactly(environment: Mapping[str, str], umask: int = _AS_IT_IS) -> Inherited:
    """Make the same of an environment that was put together before, as that of a container."""
    return Inherited(env=dict(environment), umask=umask)


def python_module(module: str, *arguments: str) -> list[str]:
    """Return the command that starts a module on this interpreter, whatever lies in the working folder.

    ``-P`` keeps that folder off Python's path, where a file named as a module of ours or of Python's own would be taken
    for it. Text is UTF-8 there, whatever the locale.
    """
    return [sys.executable, "-P", "-X", "utf8", "-m", module, *arguments]


def chaos_command(*arguments: str) -> list[str]:
    """Return the command that starts ``chaos`` beside a run: from any folder, without a log file there."""
    return python_module("chaostoolkit", "--no-version-check", "--no-log-file", *arguments)


def _set_for(kind: Kind) -> dict[str, str]:
    """Variables with a value of their own, whether the host has them or not."""
    return {
        name: how.removeprefix(SET)
        for row in TABLE
        for name in row.names
        if (how := row.handed.get(kind, KEPT)).startswith(SET)
    }


def _full_paths(value: str) -> str | None:
    """An empty part means the working folder to Python, which nobody who wrote ``$PYTHONPATH:/x`` has in mind."""
    return os.pathsep.join(os.path.abspath(part) for part in value.split(os.pathsep) if part) or None


def _only_full_paths(value: str) -> str | None:
    return os.pathsep.join(part for part in value.split(os.pathsep) if os.path.isabs(part)) or None


def _home(_value: str) -> str | None:
    try:
        return str(home_folder())
    except ProfileInvalid:
        return None  # whoever needs one says so


_HOW: Final[Mapping[str, Callable[[str], str | None]]] = {
    KEPT: lambda value: value,
    FULL_PATHS: _full_paths,
    ONLY_FULL_PATHS: _only_full_paths,
    KEPT_OR_FOUND: _home,
}
