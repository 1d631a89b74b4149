"""``chaos cp check``: is all of a cluster as a run needs it?"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.errors import ProfileInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaoslib_cp.check.finding import Finding
    from chaoslib_cp.settings import Settings


def _variables(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    from chaoslib import convert_vars

    try:
        return dict(convert_vars(list(given)))
    except ValueError as error:
        raise click.BadParameter(f"{error}; give name=value or name:type=value") from None


@click.command("check")
@click.argument("experiment", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--var", multiple=True, metavar="NAME[:TYPE]=VALUE", callback=_variables, help="As for `chaos run`.")
@output.json_option
@click.pass_context
def command(ctx: click.Context, experiment: Path | None, var: dict[str, Any], as_json: bool) -> None:
    """Look at all that a run needs of a cluster, and say how to correct what is wrong. Changes nothing.

    It reads the kubeconfig that KUBECONFIG names, or the configuration of EXPERIMENT (JSON or YAML), and asks the API
    server as each of the four identities, 20 s for each at most: contexts, who they are, their rights and queues, the
    mark and the rest of the gate, the workload prober, its page and DNS address, image and nodes of the agents,
    whether their load bites on this version, clocks.

    The exit code is 1 when something is wrong: a run would be refused, blind or inconclusive.
    """
    from chaoslib_cp.check.plays import Plays
    from chaoslib_cp.check.table import check_cluster
    from chaoslib_cp.settings import read_settings
    from chaoslib_cp.waits import telling

    document: dict[str, Any] | None = None
    findings: list[Finding] = []
    configuration, settings = var, read_settings(var)
    if experiment is not None:
        document = _read(experiment)
        configuration = _configuration(document, var)
        settings, findings = _of_file(document, configuration)
    with telling(output.say):
        findings += check_cluster(settings, Plays(document, configuration))
    output.show([asdict(one) for one in findings], as_json, lambda: "\n".join(map(describe, findings)))
    ctx.exit(int(any(one.level == "wrong" for one in findings)))


def describe(found: "Finding") -> str:
    """Format one finding as a line of at most 200 characters; its fix is never cut."""
    head = f"{found.level:<7}  {found.check:<10}  "
    return head + found.sentence(200 - len(head))


def _read(path: Path) -> dict[str, Any]:
    """Read a file and let Chaos Toolkit validate it, as a run begins with.

    Raises:
        ProfileInvalid: It is no experiment that could be played.
    """
    from chaoslib.exceptions import ChaosException
    from chaoslib.experiment import ensure_experiment_is_valid
    from chaoslib.loader import parse_experiment_from_file

    try:
        document = parse_experiment_from_file(str(path))
        ensure_experiment_is_valid(document)
    except Exception as error:  # of odd shapes Chaos Toolkit fails with whatever comes
        is_told = isinstance(error, ChaosException | OSError | ValueError)
        words = " ".join(str(error).split()) if is_told else "its keys do not have the shape of one"
        raise ProfileInvalid(
            f"{path} is no experiment that can be played ({words}); nothing was asked; correct it"
        ) from error
    return dict(document)


def _configuration(document: "Mapping[str, Any]", var: dict[str, Any]) -> dict[str, Any]:
    """What Chaos Toolkit makes of the configuration when it plays the file."""
    from chaoslib.configuration import load_configuration
    from chaoslib.exceptions import ChaosException

    try:
        return dict(load_configuration(document.get("configuration") or {}, dict(var)))
    except (ChaosException, ValueError, TypeError) as error:
        raise ProfileInvalid(
            f"the configuration cannot be resolved ({error}); nothing was asked; correct it"
        ) from error


def _of_file(document: "Mapping[str, Any]", configuration: dict[str, Any]) -> "tuple[Settings, list[Finding]]":
    """What a run of this file is told, and what it would be refused for before any cluster is asked."""
    from chaoslib_cp.check.finding import Finding, refusal
    from chaoslib_cp.control.given import read_values, sources
    from chaoslib_cp.control.refusal import experiment_refusals
    from chaoslib_cp.settings import read_settings

    source_of = sources(document)
    refused = read_values(document, configuration, source_of)
    settings = read_settings(configuration, source_of=source_of)
    runtime = document.get("runtime")
    runtime = runtime if isinstance(runtime, dict) else {}
    refused += experiment_refusals(document, runtime, configuration, settings)
    findings = [replace(refusal(ProfileInvalid(words), "file"), check="experiment") for words in refused]
    return settings, findings or [Finding("ok", "file", "nothing in it would be refused", check="experiment")]
