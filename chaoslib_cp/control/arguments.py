"""Arguments of activities, looked at before a run begins: what one would refuse later, it refuses now."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from chaoslib import substitute

from chaoslib_cp import extensions
from chaoslib_cp.arguments import is_declared, refuse_arguments
from chaoslib_cp.control.given import told_source
from chaoslib_cp.control.placeholder import PLACEHOLDER
from chaoslib_cp.errors import ProfileInvalid


def argument_refusals(
    activity: Mapping[str, Any], configuration: Mapping[str, Any], source_of: Mapping[str, str]
) -> Iterator[str]:
    """Say what an activity of ours, or of an extension, would refuse; others are not looked at.

    Args:
        activity: The activity, as it is written.
        configuration: The resolved configuration.
        source_of: Where values of the configuration came from, where that is not the file.
    """
    provider = activity.get("provider") or {}
    module, function = str(provider.get("module", "")), f"{provider.get('module')}:{provider.get('func')}"
    if not _declares(module, function):
        return
    arguments, named = provider.get("arguments") or {}, activity.get("name", activity.get("ref"))
    missing = [key for _, key in _placeholders(arguments) if key not in configuration]
    if missing:
        yield f"{named!r}: its arguments ask for ${{{missing[0]}}}, which the configuration does not have"
        return
    try:
        refuse_arguments(function, substitute(arguments, configuration, None))
    except ProfileInvalid as error:
        yield f"{named!r}: {error}{_from(str(error), arguments, source_of)}"


def _declares(module: str, function: str) -> bool:
    if not (module.startswith("chaoslib_cp.") or module in extensions.names()):
        return False
    try:
        importlib.import_module(module)
    except ImportError:
        return False  # Chaos Toolkit says so itself, when it looks for the function
    return is_declared(function)


def _from(refused: str, arguments: Any, source_of: Mapping[str, str]) -> str:
    """Where the values came from that the refusal may be about."""
    told = {
        f"${{{key}}}{told_source(key, source_of)}"
        for argument, key in _placeholders(arguments)
        if argument in refused and key in source_of
    }
    return f"; its value is {', '.join(sorted(told))}" if told else ""


def _placeholders(given: Any, argument: str = "") -> Iterator[tuple[str, str]]:
    """Each placeholder in arguments, with the name of the argument, or of the key of a mapping, that it stands for."""
    if isinstance(given, str):
        yield from ((argument, key) for key in PLACEHOLDER.findall(given))
    elif isinstance(given, Mapping):
        for name, value in given.items():
            yield from _placeholders(value, str(name))
    elif isinstance(given, list):
        for value in given:
            yield from _placeholders(value, argument)
