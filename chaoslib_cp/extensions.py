"""Modules of others that add to our tables: faults, undo kinds, vantage points, figures, mitigations.

Such a module declares the same tables as ours do, for example ``VANTAGE_POINTS = (VantagePoint(...),)``. It is named in
the environment's ``CHAOSLIB_CP_EXTENSIONS`` (names of modules, with commas between them), or an installed distribution
names it as an entry point of the group ``chaoslib_cp.extensions``. A file or an undo log never names one: they are
data, and data must not choose what is run.
"""

import importlib
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Final

from chaoslib_cp.errors import said_safely

VARIABLE: Final = "CHAOSLIB_CP_EXTENSIONS"
GROUP: Final = "chaoslib_cp.extensions"
_LACKS: Final = re.compile(
    r"(\w+)\.__init__\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.{1,200})"
)


def rows(table: str) -> tuple[Any, ...]:
    """What all extensions declare in one table, in the order in which they are named.

    Args:
        table: Name of the table, for example ``VANTAGE_POINTS``; a module without it adds nothing there.
    """
    return tuple(row for module in _modules() for row in getattr(module, table, ()))


def problems() -> list[str]:
    """Why an extension that was named adds nothing, one line each; a run is refused for it, recovery goes on."""
    return [
        f"extension {name} cannot be imported: {loaded}; what it declares is missing; put its folder on PYTHONPATH, or "
        f"take it out of {VARIABLE}"
        for name, loaded in _loaded(names())
        if isinstance(loaded, str)
    ]


def names() -> tuple[str, ...]:
    """The modules that are named, each once: those of the environment first, then those that are installed."""
    given = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return tuple(dict.fromkeys(name for name in (*given, *_installed()) if name))


@cache
def _installed() -> tuple[str, ...]:
    """Named by distributions: read once in a process, because it opens a file of each of them (20 ms)."""
    return tuple(sorted(point.value for point in entry_points(group=GROUP)))


def _modules() -> Iterator[ModuleType]:
    yield from (loaded for _, loaded in _loaded(names()) if isinstance(loaded, ModuleType))


@cache
def _loaded(named: tuple[str, ...]) -> tuple[tuple[str, ModuleType | str], ...]:
    """Each module, or why it cannot be imported; tried once in a process."""
    return tuple((name, _load(name)) for name in named)


def _load(name: str) -> ModuleType | str:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        return f"there is no module {error.name}"
    except TypeError as error:
        # Python's own words on a row that lacks a part name that part, and no more
        lacks = _LACKS.fullmatch(str(error))
        return f"its {lacks[1]} has no {lacks[2]}; fill it in" if lacks else said_safely(error)
    except Exception as error:  # noqa: BLE001 - whatever a foreign module raises, it must not stop a recovery
        return said_safely(error)
