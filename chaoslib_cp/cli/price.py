"""``chaos cp price``: what an agent costs the API servers, from its profile or from an audit log."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cli.identity_options import identity_options

if TYPE_CHECKING:
    from chaoslib_cp.apiserver.price.ask import Budget, PriceAsk
    from chaoslib_cp.apiserver.price.budget import Judged
    from chaoslib_cp.engine.load.audit_log.agent_profile import LoggedProfile


@click.command("price")
@click.argument("profile", metavar="PROFILE|AUDIT.log")
@click.option("--agent", multiple=True, help="Whose requests in an audit log: user or user agent. Twice: both.")
@click.option("--write-profile", type=click.Path(path_type=Path), help="Only write that profile there; plays nothing.")
@identity_options
@click.option("--rung-s", type=float, default=15.0, show_default=True, help="How long each load lasts, 1 to 600 s.")
@click.option("--load-cores", type=float, default=0.1, show_default=True, help="CPU that the largest load is to cost.")
@click.option("--no-fit", is_flag=True, help="One load alone: its price, and no law.")
@click.option("--max-cpu-s-per-request", type=float, help="Budget: CPU seconds of the servers for one request.")
@click.option("--nodes", type=int, help="Predict what agents on so many nodes would cost.")
@click.option("--max-cores", type=float, help="Budget: CPU of all servers for these.")
@click.option("--objects-factor", type=float, help="Objects there, as a multiple of those here. Default: as the nodes.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the budget's verdicts there, as JUnit XML.")
@output.json_option
@click.pass_context
def command(ctx: click.Context, /, profile: str, as_json: bool, junit: Path | None, **options: Any) -> None:
    """Say what the agent that plays PROFILE costs the API servers, by a few small loads on the marked cluster.

    PROFILE is a file (JSON, or YAML where its name says so), the name of a preset (`chaos cp presets`), or, with
    --agent, an audit log of API servers: JSON lines, perhaps compressed.

    Nothing is made in the cluster. A law of CPU against nodes times objects is fitted to the loads; what it says of
    larger clusters is a prediction. Ctrl-C ends all of it at once.

    The exit code is 1 when a budget is exceeded, or cannot be judged. A prediction exceeds it when the upper end of its
    interval does.
    """
    from chaoslib_cp.apiserver.price.budget import judge
    from chaoslib_cp.apiserver.price.price import price
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.settings import read_settings
    from chaoslib_cp.stop_signals import stop_signals_raise
    from chaoslib_cp.waits import telling

    with stop_signals_raise(), telling(output.say):
        logged = _from_log(Path(profile), options["agent"], options["write_profile"])
        if logged is not None and options["write_profile"] is not None:
            _write(options["write_profile"], logged, as_json)
            return
        asked, budget = _asked(profile if logged is None else logged, options)
        clock = SystemClock()
        began_s = clock.monotonic_s()
        _require_writable(junit)
        result = price(asked, budget, read_settings(), clock, output.say)
    judged = judge(result, budget)
    result["budget"] = [{"name": one.name, "verdict": one.verdict, "words": one.words} for one in judged]
    if logged is not None:
        result["log"] = {"nodes": logged.nodes, "seen": logged.seen, "not_told": logged.not_told}
    output.show(result, as_json, lambda: describe(result))
    if junit is not None:
        _write_junit(junit, result["profile"], judged, clock.monotonic_s() - began_s)
    for one in judged:
        if one.verdict != "within":
            output.say(f"Budget: {one.name} is {one.verdict}: {one.words}.")
    ctx.exit(int(any(one.verdict != "within" for one in judged)))


def describe(result: dict[str, Any]) -> str:
    """Format a price as aligned lines."""
    each, told = result["per_request"], {}
    told["price of"] = f"{result['profile']}, {result['rate_per_s']:.3g} requests/s of one node"
    told["CPU of a request"] = f"{_or_unknown(each['cpu_s'], 1e3, 'ms')} of the servers, " + (
        f"{_or_unknown(each['client_cpu_s'], 1e3, 'ms')} of the client"
    )
    told["amplification"] = "not known" if result["amplification"] is None else f"{result['amplification']} x"
    told["answer"] = f"{_or_unknown(each['bytes'], 1e-3, 'kB')} for each request"
    told["seats"] = f"{_or_unknown(each['seats'], 1, '')} for each request".replace("  ", " ")
    told["memory"] = (
        f"{_or_unknown(each['allocated_bytes'], 1e-6, 'MB')} allocated for each request; resident "
        f"{_or_unknown(result['rss_growth_bytes'], 1e-6, 'MB')} more after the largest load"
    )
    told["without a load"] = f"{result['idle_cores']:.3f} cores"
    for number, rung in enumerate(result["rungs"], 1):
        told[f"load {number}"] = (
            f"{rung['nodes']:g} nodes, {rung['objects_per_request']:g} objects for each request: {rung['requests']} "
            f"requests, {rung['cores']:.4f} cores"
        )
    told.update(_law(result))
    for number, one in enumerate(result["budget"], 1):
        told[f"budget {number}"] = f"{one['verdict']}: {one['name']}: {one['words']}"
    return output.rows({**told, **_log(result.get("log"))})


def _law(result: dict[str, Any]) -> dict[str, str]:
    fit, predicted, told = result["fit"], result["prediction"], {}
    if result["stopped"]:
        told["stopped"] = result["stopped"]
    if fit is None:
        return {**told, "law": f"not known: {result['fit_unknown']}"}
    power, fixed, each = fit["exponent"], fit["fixed_s"], fit["per_object_s"]
    told["law"] = (
        f"cores ~ (nodes x objects)^{power['value']:.2f}, 95 % interval {power['low']:.2f} to {power['high']:.2f}, "
        f"{fit['points']} loads" + ("" if fixed else ", of different nodes alone: objects could not be varied")
    )
    if fixed:
        told["one request"] = (
            f"{1e3 * fixed['value']:.3g} ms ({1e3 * fixed['low']:.3g} to {1e3 * fixed['high']:.3g}) and "
            f"{1e6 * each['value']:.3g} us ({1e6 * each['low']:.3g} to {1e6 * each['high']:.3g}) for each object"
        )
    if predicted is not None:
        told["prediction"] = (
            f"{predicted['cores']:.4g} cores for {predicted['nodes']} nodes and {predicted['objects_factor']:.4g} "
            f"times the objects, 95 % interval {predicted['low']:.4g} to {predicted['high']:.4g}; not measured"
        )
        if predicted["cores_reached_at_nodes"] is not None:
            told["limit"] = f"allowed cores are reached at about {predicted['cores_reached_at_nodes']} nodes"
    return told


def _log(log: dict[str, Any] | None) -> dict[str, str]:
    if log is None:
        return {}
    told = {f"log {number}": line for number, line in enumerate(log["seen"], 1)}
    return {**told, **{f"not told {number}": line for number, line in enumerate(log["not_told"], 1)}}


def _or_unknown(value: float | None, factor: float, unit: str) -> str:
    return "not known" if value is None else f"{value * factor:.3g} {unit}".rstrip()


def _from_log(path: Path, agent: tuple[str, ...], written: Path | None) -> "LoggedProfile | None":
    """The profile of an agent in an audit log; None where none is named."""
    from chaoslib_cp.engine.load.audit_log.agent_profile import profile_of
    from chaoslib_cp.engine.load.audit_log.reading import is_audit_log, read_agent
    from chaoslib_cp.errors import ProfileInvalid

    if not agent and not (path.is_file() and is_audit_log(path)):
        if written is not None:
            raise ProfileInvalid(
                "--write-profile writes what an audit log says; nothing was sent; name one, and --agent"
            )
        return None
    if written is not None and written.exists() and written.samefile(path):
        raise ProfileInvalid(f"--write-profile {written} is the log itself; nothing was written; name another file")
    return profile_of(read_agent(path, agent), " ".join(agent))


def _asked(profile: "str | LoggedProfile", options: dict[str, Any]) -> "tuple[PriceAsk, Budget]":
    from chaoslib_cp.apiserver.price.ask import Budget, PriceAsk
    from chaoslib_cp.engine.load.profile_file import read_document

    document: Any = profile
    if not isinstance(profile, str):
        document = profile.document
    elif Path(profile).is_file():
        document = read_document(Path(profile))
    asked = PriceAsk(
        document,
        options["context"],
        options["impersonate"] or "",
        options["namespace"],
        options["rung_s"],
        options["load_cores"],
        not options["no_fit"],
    )
    budget = Budget(options["max_cpu_s_per_request"], options["nodes"], options["max_cores"], options["objects_factor"])
    return asked, budget


def _require_writable(junit: Path | None) -> None:
    from chaoslib_cp.errors import ProfileInvalid

    if junit is not None and (junit.is_dir() or not os.access(junit.parent, os.W_OK)):
        raise ProfileInvalid(f"--junit {junit}: no file can be written there; nothing was sent; name another")


def _write(path: Path, logged: "LoggedProfile", as_json: bool) -> None:
    from chaoslib_cp.engine.load.audit_log.agent_profile import as_text

    _write_text(path, as_text(logged, path))
    told = {"profile": str(path), "nodes": logged.nodes, "seen": logged.seen, "not_told": logged.not_told}
    lines = {"written": str(path), **_log(told)}
    output.show(told, as_json, lambda: output.rows(lines))


def _write_junit(path: Path, profile: str, judged: "list[Judged]", took_s: float) -> None:
    from chaoslib_cp.report.junit import Case, junit_xml

    outcomes: dict[str, Any] = {"within": "passed", "over": "failed", "not known": "error"}
    cases = [Case("the price was measured", "passed", f"profile {profile}")]
    cases += [Case(one.name, outcomes[one.verdict], one.words) for one in judged]
    _write_text(path, junit_xml(f"chaos cp price {profile}", cases, took_s))


def _write_text(path: Path, text: str) -> None:
    from chaoslib_cp.errors import ProfileInvalid

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProfileInvalid(f"{path} cannot be written: {error.strerror}; name another file") from error
