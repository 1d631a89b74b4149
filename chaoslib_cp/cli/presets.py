"""``chaos cp presets``: which load profiles there are by name, and what is in one."""

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from chaoslib_cp.cli import output

if TYPE_CHECKING:
    from chaoslib_cp.engine.load.presets import Preset

_WIDTH = 120


@click.command("presets")
@click.argument("name", required=False, default="")
@output.json_option
def command(name: str, as_json: bool) -> None:
    """List the load profiles of real incidents, or show the one called NAME with its story and reasons.

    `start_agent_rollout` takes a name as its profile. Nothing is sent to a cluster.
    """
    from chaoslib_cp.engine.load.presets import preset, preset_names

    if name:
        one = preset(name)
        output.show(asdict(one), as_json, lambda: _shown(one))
    else:
        known = [preset(each) for each in preset_names()]
        output.show([asdict(one) for one in known], as_json, lambda: output.rows({p.name: _row(p) for p in known}))


def _row(one: "Preset") -> str:
    return f"bites on {one.versions}; first tips {one.tips_first}"


def _shown(one: "Preset") -> str:
    import yaml

    told = {
        "Story": one.story,
        "Source": one.source,
        "Tips first": one.tips_first,
        "Bites on": one.versions,
        "Needs": one.needs,
        **{f"Why {key}": reason for key, reason in one.reasons.items()},
    }
    lines = [f"{words}: {text}" for words, text in told.items() if text]
    comments = [textwrap.fill(line, _WIDTH, initial_indent="# ", subsequent_indent="#   ") for line in lines]
    profile = yaml.safe_dump(dict(one.profile), sort_keys=False, width=_WIDTH).rstrip()
    return "\n".join([*comments, profile])
