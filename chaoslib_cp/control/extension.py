"""Our block in an experiment's ``extensions``: what Chaos Toolkit's own keys have no place for."""

from collections.abc import Iterator, Mapping
from typing import Any

NAME = "chaoslib_cp"
KEYS = ("name", "schema", "run_name", "unrealistic", "abort_when")


def own_blocks(experiment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The blocks of our name, in the file's order; usually one or none."""
    return [block for block in experiment.get("extensions") or [] if block.get("name") == NAME]


def extension_refusals(experiment: Mapping[str, Any]) -> Iterator[str]:
    """Find misspelt keys: an ``abort_if`` that nobody reads would be a guard that is not there."""
    for block in own_blocks(experiment):
        unknown = sorted(set(block) - set(KEYS))
        if unknown:
            yield f"extension {NAME} has the unknown key {unknown[0]!r}; use {', '.join(KEYS)}"
