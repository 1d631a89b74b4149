"""Our block in an experiment's ``extensions``: what Chaos Toolkit's own keys have no place for."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaoslib_cp.control.placeholder import PLACEHOLDER

NAME = "chaoslib_cp"
KEYS = ("name", "schema", "run_name", "unrealistic", "abort_when")


def own_blocks(experiment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The blocks of our name, in the file's order; usually one or none."""
    blocks = experiment.get("extensions")
    blocks = blocks if isinstance(blocks, list) else []
    return [block for block in blocks if isinstance(block, Mapping) and block.get("name") == NAME]


def extension_refusals(experiment: Mapping[str, Any], configuration: Mapping[str, Any]) -> Iterator[str]:
    """Find what nobody would read, as a misspelt ``abort_if``: it would be a guard that is not there."""
    blocks = experiment.get("extensions")
    if blocks is not None and not (isinstance(blocks, list) and all(isinstance(one, Mapping) for one in blocks)):
        yield f"extensions is no list of mappings; use a list with one mapping of name {NAME}"
    for block in own_blocks(experiment):
        unknown = sorted(str(key) for key in set(block) - set(KEYS))
        if unknown:
            yield f"extension {NAME} has the unknown key {unknown[0]!r}; use {', '.join(KEYS)}"
        knobs = block.get("unrealistic")
        if knobs is not None and not (isinstance(knobs, list) and all(isinstance(knob, str) for knob in knobs)):
            yield f"extension {NAME}: unrealistic is {knobs!r}; use a list of texts"
        unknown_keys = [key for key in PLACEHOLDER.findall(str(knobs)) if key not in configuration]
        if unknown_keys:
            yield (
                f"extension {NAME}: unrealistic asks for ${{{unknown_keys[0]}}}, which the configuration does not have"
            )
