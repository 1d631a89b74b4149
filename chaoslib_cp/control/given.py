"""Where each value of the configuration came from, and values that came as text.

A value stands in the file, or in a variable of the environment that the file names, or on the command line: there
Chaos Toolkit takes ``--var name=60`` for text and drops, without a word, a name that the file does not declare.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import click
from chaoslib import merge_vars

from chaoslib_cp.control.placeholder import PLACEHOLDER
from chaoslib_cp.limits import is_number
from chaoslib_cp.settings import OWN_KEYS

_SHOWN: Final = 80


@dataclass(frozen=True)
class _Kind:
    """What a value can be beside text; ``example`` is how the command line says one."""

    fits: Callable[[object], bool]
    said: str
    example: str


_KINDS: Final = (
    _Kind(lambda value: is_number(value, whole=True), "a whole number", "int=60"),
    _Kind(is_number, "a number", "float=60"),
    _Kind(lambda value: isinstance(value, bool), "true or false", "bool=true"),
    _Kind(lambda value: isinstance(value, list), "a list", "json='[]'"),
    _Kind(lambda value: isinstance(value, Mapping), "a mapping", "json='{}'"),
)
_ALIKE: Final = 0.85
"""So close to a name (0 to 1, as difflib measures it) that it is taken for a misspelling of it."""


def sources(experiment: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Tell for each key of the configuration that did not come from the file where its value came from.

    Args:
        experiment: The experiment, as it is written.
        environ: The environment, that of this process by default.

    Returns:
        Words for a user by key, for example ``--var agent_duration_s`` or ``variable CHAOSLIB_CP_AGENT_DURATION_S``.
    """
    environ = os.environ if environ is None else environ
    found = {}
    for key, declared in _declared(experiment).items():
        variable = declared.get("key") if isinstance(declared, Mapping) and declared.get("type") == "env" else None
        if variable and variable in environ:
            found[key] = f"variable {variable}"
    return {**found, **_on_the_command_line()}


def read_values(
    experiment: Mapping[str, Any], configuration: dict[str, Any], source_of: Mapping[str, str]
) -> list[str]:
    """Read each text where the file has a number, a list or the like.

    Args:
        experiment: The experiment, as it is written.
        configuration: The configuration, as Chaos Toolkit resolved it. What can be read is put there. For what cannot,
            the file's own value is, so that whoever looks at it next has nothing to say about it as well.
        source_of: What :func:`sources` tells.

    Returns:
        Why a value cannot be read, one line each; such a run must not begin.
    """
    refused = []
    for key, usual, kind in _not_text(_declared(experiment)):
        text = configuration.get(key)
        if not isinstance(text, str):
            continue
        configuration[key] = read = _read(text)
        if not kind.fits(read):
            configuration[key] = usual
            refused.append(
                f"configuration.{key}{told_source(key, source_of)} is {text[:_SHOWN]!r}, and the file has {kind.said} "
                f"there; give one, for example --var {key}:{kind.example}"
            )
    return refused


def given_refusals(experiment: Mapping[str, Any]) -> Iterator[str]:
    """Say what was given that nobody would read, one line each.

    Args:
        experiment: The experiment, as it is written.
    """
    declared, given = _declared(experiment), _on_the_command_line()
    for key in sorted(given.keys() - declared.keys()):
        yield (
            f"{given[key]}: the file's configuration does not declare {key}, so nobody would read it"
            f"{_meant(key, declared)}; declare it there, or take it out"
        )
    used = set(PLACEHOLDER.findall(str(experiment)))
    for key in sorted(declared.keys() - OWN_KEYS - used):
        if meant := _meant(key, OWN_KEYS):
            yield f"configuration.{key}: nobody reads it{meant}; correct it, or take it out"


def told_source(key: str, source_of: Mapping[str, str]) -> str:
    """Words that can follow the name of a key: where its value came from, empty if that is the file."""
    return f" (from {source_of[key]})" if key in source_of else ""


def _declared(experiment: Mapping[str, Any]) -> Mapping[str, Any]:
    declared = experiment.get("configuration")
    return declared if isinstance(declared, Mapping) else {}


def _on_the_command_line() -> dict[str, str]:
    """What ``chaos run`` itself was given; nothing where the library is used in another way."""
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    found = {}
    for file in given.get("var_file") or []:
        found.update(dict.fromkeys(merge_vars(None, [file])[0], f"--var-file {file}"))
    return {**found, **{key: f"--var {key}" for key in given.get("var") or {}}}


def _not_text(declared: Mapping[str, Any]) -> Iterator[tuple[str, Any, _Kind]]:
    """Keys where the file has something else than text, written or as a default; with that, and what it is."""
    for key, value in declared.items():
        usual = value.get("default") if isinstance(value, Mapping) and "type" in value else value
        kind = next((kind for kind in _KINDS if kind.fits(usual)), None)
        if kind:
            yield key, usual, kind


def _read(text: str) -> Any:
    """What a text says in JSON; the text itself where it says nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _meant(key: str, known: Mapping[str, Any] | frozenset[str]) -> str:
    [*alike] = get_close_matches(key, sorted(known), n=1, cutoff=_ALIKE)
    return f" (did you mean {alike[0]}?)" if alike else ""
