"""What an activity asks of its arguments: looked at before a run begins, and again before the activity does anything.

Each activity declares it once, in its decorator (``activity.py``); the control finds it here by the name that an
experiment has for the activity, whichever file of its package the function stands in.
"""

import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Dict, Final  # noqa: UP035 - as activity.py says

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked, is_number

Check = Callable[..., object]
"""Called with the arguments by name; raises ``ProfileInvalid`` where one is wrong, and changes nothing."""

OBJECT_OR_NAME: Final = Dict[str, object]  # noqa: UP006
"""Hint of an argument that is a mapping, or the name of one that this library has. `chaos discover` knows no "or": it
shows both this and an ordinary mapping as "mapping"; they are told apart here by the type of their values."""
_FROM_CHAOS_TOOLKIT: Final = ("configuration", "secrets")
_NUMBERS: Final = (float, int)
_SHOWN: Final = 80


@dataclass(frozen=True)
class Whole:
    """A whole number between the two, both included."""

    least: int
    most: int


_DECLARED: Final[dict[Callable[..., object], tuple[Check, ...]]] = {}


def between(**ranges: tuple[float, float] | Whole) -> Check:
    """Make the check that arguments lie in their ranges.

    Args:
        ranges: Smallest and largest value of each argument, both included; :class:`Whole` for a number of things.
    """

    def check(**arguments: Any) -> None:
        for name, range_ in ranges.items():
            whole = isinstance(range_, Whole)
            least, most = (range_.least, range_.most) if isinstance(range_, Whole) else range_
            checked(name, arguments[name], least, most, whole=whole)

    return check


def declare(function: Callable[..., object], checks: tuple[Check, ...]) -> None:
    """Note what an activity asks of its arguments."""
    _DECLARED[function] = checks


def is_declared(name: str) -> bool:
    """Whether an activity has said what it asks of its arguments; its module must have been imported.

    Args:
        name: The activity, as ``module:function``.
    """
    return _named(name) in _DECLARED


def refuse_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of an activity, without calling it.

    Args:
        name: The activity, as ``module:function``; one that :func:`is_declared`.
        arguments: What an experiment gives it, placeholders filled.

    Raises:
        ProfileInvalid: One is unknown, missing, of another type or not in its range; nothing was changed.
    """
    function = _named(name)
    if function is None or function not in _DECLARED:
        raise KeyError(name)
    known = list(_experiments_own(inspect.signature(function)))
    for given in arguments:
        if given not in known:
            raise ProfileInvalid(
                f"{function.__name__} has no argument {given!r}; nothing was changed; use {', '.join(known)}"
            )
    refuse(function, **arguments)


def refuse(function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Refuse arguments with which an activity cannot be called.

    Raises:
        ProfileInvalid: One is missing, of another type or not in its range; nothing was changed.
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ProfileInvalid(f"{function.__name__}: {error}; nothing was changed; correct its arguments") from None
    bound.apply_defaults()
    given = {name: bound.arguments[name] for name in _experiments_own(signature)}
    for name, value in given.items():
        _refuse_placeholders(name, value)
    hints = typing.get_type_hints(function)
    typed = {name: hints.get(name) for name in given if given[name] is not signature.parameters[name].default}
    _refuse_types({name: hint for name, hint in typed.items() if hint not in _NUMBERS}, given)
    for check in _DECLARED[function]:
        check(**given)
    _refuse_types(typed, given)  # last: where a number has a range, the check has named that, too


def _named(name: str) -> Callable[..., object] | None:
    """The function of ``module:function`` as it was declared, below what its decorators have put around it."""
    module, _, function = name.partition(":")
    found = getattr(sys.modules.get(module), function, None)
    return inspect.unwrap(found) if inspect.isfunction(found) else None


def _experiments_own(signature: inspect.Signature) -> Iterator[str]:
    """The parameters whose values stand in an experiment; Chaos Toolkit gives the others by itself."""
    return (name for name in signature.parameters if name not in _FROM_CHAOS_TOOLKIT)


def _refuse_placeholders(name: str, value: Any) -> None:
    if isinstance(value, str) and "${" in value:
        raise ProfileInvalid(
            f"{name} has the unfilled placeholder {value[:_SHOWN]!r}; nothing was changed; "
            "declare it in the experiment's configuration"
        )
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inner:
        _refuse_placeholders(name, one)


def _refuse_types(hints: Mapping[str, object], given: Mapping[str, Any]) -> None:
    for name, hint in hints.items():
        if wanted := _wanted(hint, given[name]):
            raise ProfileInvalid(f"{name} is {repr(given[name])[:_SHOWN]}; nothing was changed; use {wanted}")


def _wanted(hint: object, value: object) -> str:
    """What an argument must be, in a user's words; empty where it is that, or where nobody says."""
    kind = typing.get_origin(hint) or hint
    if kind is str:
        return "" if isinstance(value, str) else "a text"
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind is float:
        return "" if is_number(value) else "a number"
    if kind is int:
        return "" if is_number(value, whole=True) else "a whole number"
    if hint == OBJECT_OR_NAME:
        return "" if isinstance(value, Mapping | str) else "a mapping or a name"
    if kind is dict:
        return "" if isinstance(value, Mapping) else "a mapping"
    if kind is list:
        return "" if isinstance(value, list) else "a list"
    return ""
