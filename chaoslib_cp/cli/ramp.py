"""``chaos cp ramp``: how many virtual nodes of a load profile the API servers of the marked cluster bear."""

from typing import Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cli.identity_options import identity_options
from chaoslib_cp.cli.load import in_seconds, read_profile


@click.command("ramp")
@click.argument("profile")
@click.option(
    "--until",
    "lines",
    metavar="SIGNAL=LINE",
    multiple=True,
    help="Signal and its line, for example server_cpu_cores=0.38; may be given several times. "
    "[default: client_p99_s=1]",
)
@click.option("--first-nodes", type=int, default=5, show_default=True, help="Virtual nodes on the first rung.")
@click.option("--step-nodes", type=int, default=5, show_default=True, help="Virtual nodes that each rung adds.")
@click.option("--max-nodes", type=int, default=100, show_default=True, help="There are never more, 1 to 5000.")
@click.option("--dwell-s", type=float, default=15.0, show_default=True, help="Seconds on each rung.")
@click.option("--hold-factor", type=float, default=1.0, show_default=True, help="Hold at this times the capacity.")
@click.option("--hold-s", type=float, default=0.0, show_default=True, help="Seconds of the hold; 0 for none.")
@click.option("--max-error-ratio", type=float, default=0.5, show_default=True, help="Guard rail, 0.01 to 1.")
@click.option(
    "--stop-at-restart/--go-on-at-restart", default=True, show_default=True, help="Guard rail, seen in /metrics."
)
@identity_options
@output.json_option
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    /,
    profile: str,
    lines: tuple[str, ...],
    context: str,
    impersonate: str | None,
    namespace: str,
    as_json: bool,
    **rungs: Any,
) -> None:
    """Add virtual nodes that play the load profile PROFILE until the API servers are saturated, and say how many.

    PROFILE is a file (JSON, or YAML where its name says so) or the name of a preset (`chaos cp presets`).

    The load stays on each rung for a while. A signal that crosses its line on a rung twice in a row ends the climb; the
    capacity is the rung before. Signals: client_p99_s, refused_ratio, server_cpu_cores, server_rss_mib_per_s,
    lease_age_s. The cluster must be marked as a test cluster, and the context one of an ordinary user. Ctrl-C ends it
    at once.

    The exit code is 1 when no capacity was found: a guard rail ended it, or already the first rung was too much.
    """
    from chaoslib_cp.apiserver.overload.alone import play_alone
    from chaoslib_cp.apiserver.overload.start import OverloadAsk
    from chaoslib_cp.apiserver.ramp.ladder import Ladder
    from chaoslib_cp.apiserver.ramp.signals import USUAL
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.settings import read_settings
    from chaoslib_cp.stop_signals import stop_signals_raise
    from chaoslib_cp.waits import telling

    ladder = Ladder(until=_until(lines) or USUAL, **rungs)
    where = (context, impersonate or "", namespace)
    asked = OverloadAsk(read_profile(profile), ladder.max_nodes, ladder.longest_s, *where, ladder=ladder)
    with stop_signals_raise(), telling(output.say):
        result = play_alone(asked, read_settings(), SystemClock(), output.say)
    output.show(result, as_json, lambda: describe(result))
    ctx.exit(int(result["ramp"]["capacity_nodes"] is None or result["ramp"]["is_backed_off"]))


def describe(result: dict[str, Any]) -> str:
    """Format what a ramp found: its ladder as a table, then the result as aligned lines."""
    found = result["ramp"]
    return f"{_table(found['ladder'])}\n\n" + output.rows(
        {
            "load": f"{result['profile']}, at most {result['nodes']} virtual nodes, {result['elapsed_s']:.1f} s",
            "capacity": _capacity(found),
            "crossed": _crossing(found["crossed"]),
            "held": "not" if found["hold_nodes"] is None else f"{found['hold_nodes']} nodes, {found['held_s']:.0f} s",
            "ended by": found["ended_by"],
            "outcomes": ", ".join(f"{name} {count}" for name, count in result["outcomes"].items()) or "none",
            "details": result["result"],
        }
    )


def _capacity(found: dict[str, Any]) -> str:
    if found["capacity_nodes"] is None:
        return "not found"
    least = "at least " if found["is_lower_bound"] else ""
    return f"{least}{found['capacity_nodes']} virtual nodes, {found['capacity_rate_per_s']:.3g} requests/s answered"


def _crossing(crossed: dict[str, Any] | None) -> str:
    if crossed is None:
        return "no signal"
    return f"{crossed['signal']} {crossed['value']:.3g} (line {crossed['line']:g}) at {crossed['nodes']} virtual nodes"


def _table(ladder: list[dict[str, Any]]) -> str:
    heads = ("phase", "nodes", "offered/s", "answered/s", "p50", "p99", "429", "errors", "cores", "saturated")
    rows = [heads, *map(_row, ladder)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(rung: dict[str, Any]) -> tuple[str, ...]:
    cores = rung["server_cpu_cores"]
    return (
        rung["phase"],
        str(rung["nodes"]),
        f"{rung['offered_per_s']:.3g}",
        f"{rung['answered_per_s']:.3g}",
        in_seconds(rung["p50_s"]),
        in_seconds(rung["p99_s"]),
        "-" if rung["refused_ratio"] is None else f"{rung['refused_ratio']:.0%}",
        f"{rung['error_ratio']:.0%}",
        "-" if cores is None else f"{cores:.2f}",
        rung["saturated"] or "-",
    )


def _until(lines: tuple[str, ...]) -> dict[str, Any]:
    """The lines as an action is given them; what is no number is refused there, by its name."""
    named = (one.partition("=") for one in lines)
    return {name: _number(line) for name, _, line in named}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
