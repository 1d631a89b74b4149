"""``chaos cp status``: what a testbed is doing."""

from collections.abc import Mapping
from typing import Any

import click

from chaoslib_cp.cli import output


@click.command("status")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Say whether the testbed is up and how its parts are. The exit code is 0 only for one that can be used."""
    from chaoslib_cp.testbed import commands, inside

    state = commands.status(name)
    if as_json or state["phase"] != "down":  # of one that is down, one line says all
        output.show(state, as_json, lambda: describe(state))
    inside.require_ready(state)


def describe(state: Mapping[str, Any]) -> str:
    """Format what a testbed says of itself; what it does not say yet is left out."""
    spec = state.get("spec", {}).get("name")
    lines = {
        "testbed": f"{state['name']} ({spec})" if spec else state["name"],
        "phase": state["phase"],
        "error": state.get("error"),
        "version": state.get("kubernetes_version"),
        "cluster": state.get("cluster_uid"),
        "limits": _limits(state.get("cgroups")),
        "components": _components(state.get("components", {})),
        "kubeconfig": state.get("kubeconfig"),
        "logs": state.get("logs"),
    }
    return output.rows({key: value for key, value in lines.items() if value})


def _limits(cgroups: str | None) -> str:
    """Say that the spec's limits are only words, where they are."""
    from chaoslib_cp.testbed.cgroups import NOT_ENFORCED

    return NOT_ENFORCED if cgroups == "none" else ""


def _components(components: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how many live, then name the ones a person would look at."""
    if not components:
        return ""
    alive = sum(1 for one in components.values() if one["alive"])
    remarks = [f"{name} is down" for name, one in components.items() if not one["alive"]]
    remarks += [f"{name} was restarted {one['restarts']} times" for name, one in components.items() if one["restarts"]]
    return "; ".join([f"{alive} of {len(components)} alive", *remarks])
