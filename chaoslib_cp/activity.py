"""The one bridge to Chaos Toolkit: plain JSON in, plain JSON out, our errors as ``ActivityFailed``.

``@activity`` keeps a function's signature, so ``chaos discover`` and ``chaos validate`` see the real one.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Dict, ParamSpec, TypeVar  # noqa: UP035 - the old Chaos Toolkit line shows dict[...] as "object"

from chaoslib.exceptions import ActivityFailed, InterruptExecution

from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings, read_settings

__all__ = ["ABSENT", "JsonObject", "activity", "settings_of"]

# Shown as "mapping" by `chaos discover` on both lines of Chaos Toolkit.
JsonObject = Dict[str, Any]  # noqa: UP006
# The default of `configuration` and `secrets`: Chaos Toolkit passes them only where they are declared.
ABSENT: Any = None

_LOGGER = logging.getLogger("chaostoolkit")
_NOT_EXPERIMENT_TEXT = ("configuration", "secrets")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def activity(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function an activity of Chaos Toolkit.

    Refuses arguments that still hold ``${...}``: Chaos Toolkit passes a placeholder nobody filled as that text
    (chaostoolkit-lib, ``substitute``). Errors of ours become ``ActivityFailed`` with the same single line; of an
    exception group the first of ours speaks. Anything else is a bug and stays as it is.
    """

    @functools.wraps(function)
    def bridged(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = [*args, *(value for name, value in kwargs.items() if name not in _NOT_EXPERIMENT_TEXT)]
        _refuse_placeholders(function.__name__, given)
        try:
            return function(*args, **kwargs)
        except ControlPlaneError as error:
            raise _failed(function.__name__, error) from error
        except BaseExceptionGroup as group:
            raise _of_group(function.__name__, group) from group

    return bridged


def settings_of(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> Settings:
    """What Chaos Toolkit passes to an activity by name, as the one value that everything below the activity takes."""
    return read_settings(configuration, secrets)


def _refuse_placeholders(name: str, values: Iterable[Any]) -> None:
    for value in values:
        if isinstance(value, str) and "${" in value:
            raise ActivityFailed(
                f"ProfileInvalid: {name} was given the unfilled placeholder {value[:80]!r}; nothing was changed; "
                "declare it in the experiment's configuration"
            )
        if isinstance(value, dict):
            _refuse_placeholders(name, value.values())
        elif isinstance(value, list):
            _refuse_placeholders(name, value)


def _of_group(name: str, group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What of a group the user is to see: an interruption first, then an error of ours, then whatever it is."""
    leaves = list(_leaves(group))
    for leaf in leaves:
        if isinstance(leaf, InterruptExecution) or not isinstance(leaf, Exception):
            return leaf
    for leaf in leaves:
        if isinstance(leaf, ControlPlaneError):
            return _failed(name, leaf)
    return leaves[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _failed(name: str, error: ControlPlaneError) -> Exception:
    text = f"{type(error).__name__}: {error}"
    _LOGGER.error("%s: %s", name, text)
    failure: Exception = ActivityFailed(text)
    return failure
