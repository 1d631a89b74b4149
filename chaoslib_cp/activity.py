"""The one bridge to Chaos Toolkit: plain JSON in, plain JSON out, our errors as ``ActivityFailed``.

``@activity`` keeps a function's signature, so ``chaos discover`` and ``chaos validate`` see the real one.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Dict, List, ParamSpec, TypeVar  # noqa: UP035 - the old Chaos Toolkit line shows dict[...] as "object"

from chaoslib.exceptions import ActivityFailed, InterruptExecution

from chaoslib_cp.arguments import OBJECT_OR_NAME, Check, declare, refuse
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings, read_settings

__all__ = ["ABSENT", "JsonList", "JsonObject", "JsonObjectOrName", "activity", "settings_of"]

# Shown as "mapping" and "list" by `chaos discover` on both lines of Chaos Toolkit.
JsonObject = Dict[str, Any]  # noqa: UP006
JsonList = List[Any]  # noqa: UP006
if TYPE_CHECKING:
    JsonObjectOrName = Mapping[str, Any] | str
else:
    JsonObjectOrName = OBJECT_OR_NAME
# The default of `configuration` and `secrets`: Chaos Toolkit passes them only where they are declared.
ABSENT: Any = None

_LOGGER = logging.getLogger("chaostoolkit")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def activity(*checks: Check) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a function an activity of Chaos Toolkit.

    Its arguments are checked before it is called, and by the control before a run begins: their types, as its signature
    has them, then ``checks``. An argument that still holds ``${...}`` is refused, too: Chaos Toolkit passes a
    placeholder nobody filled as that text (chaostoolkit-lib, ``substitute``).

    Errors of ours become ``ActivityFailed`` with the same single line; of an exception group the first of ours speaks.
    Anything else is a bug and stays as it is.

    Args:
        checks: What else is asked of the arguments, for example ``between(timeout_s=(1, 60))``. Each is called with all
            of them by name, but without ``configuration`` and ``secrets``; it asks nobody, changes nothing, and raises
            ``ProfileInvalid`` where one is wrong.
    """

    def bridge(function: Callable[_P, _R]) -> Callable[_P, _R]:
        declare(function, checks)

        @functools.wraps(function)
        def bridged(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                refuse(function, *args, **kwargs)
                return function(*args, **kwargs)
            except ControlPlaneError as error:
                raise _failed(function.__name__, error) from error
            except BaseExceptionGroup as group:
                raise _of_group(function.__name__, group) from group

        return bridged

    return bridge


def settings_of(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> Settings:
    """What Chaos Toolkit passes to an activity by name, as the one value that everything below the activity takes."""
    return read_settings(configuration, secrets)


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
