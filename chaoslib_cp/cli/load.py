"""``chaos cp load``: one load profile by itself against the marked cluster."""

from pathlib import Path
from typing import Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cli.identity_options import identity_options


@click.command("load")
@click.argument("profile")
@click.option("--nodes", type=int, default=50, show_default=True, help="How many virtual nodes, 1 to 5000.")
@click.option("--duration-s", type=float, default=30.0, show_default=True, help="It ends after this, 1 to 3600 s.")
@identity_options
@output.json_option
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    profile: str,
    nodes: int,
    duration_s: float,
    context: str,
    impersonate: str | None,
    namespace: str,
    as_json: bool,
) -> None:
    """Play the load profile PROFILE and say what came of it.

    PROFILE is a file (JSON, or YAML where its name says so) or the name of a preset (`chaos cp presets`).

    Each virtual node asks on a schedule of its own, whatever the server does. The cluster must be marked as a test
    cluster, and the context one of an ordinary user. Ctrl-C ends it at once.

    The exit code is 1 when less than half of the load was delivered.
    """
    from chaoslib_cp.apiserver.overload.alone import play_alone
    from chaoslib_cp.apiserver.overload.start import OverloadAsk
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.settings import read_settings
    from chaoslib_cp.stop_signals import stop_signals_raise
    from chaoslib_cp.waits import telling

    asked = OverloadAsk(read_profile(profile), nodes, duration_s, context, impersonate or "", namespace)
    with stop_signals_raise(), telling(output.say):
        result = play_alone(asked, read_settings(), SystemClock(), output.say)
    output.show(result, as_json, lambda: describe(result))
    if result["shortfall"]:
        output.say(f"The load was not delivered: {result['shortfall']}.")
    ctx.exit(int(bool(result["shortfall"])))


def describe(result: dict[str, Any]) -> str:
    """Format the result of a load as aligned lines."""
    elapsed_s, latency = result["elapsed_s"], result["latency"]
    known = result["amplification"] is not None
    late = result["least_share_on_time"]
    return output.rows(
        {
            "load": f"{result['profile']}, {result['nodes']} virtual nodes, {elapsed_s:.1f} s, {result['reason']}",
            "offered": f"{result['offered_rate_per_s']:.1f}/s, {result['due']} in all"
            + ("" if late is None else f", on time in the worst second {100 * late:.0f} %")
            + (f", {result['held_back']} held back by the profile's own cap" if result["held_back"] else ""),
            "answered": f"{result['answered_rate_per_s']:.1f}/s",
            "outcomes": ", ".join(f"{name} {count}" for name, count in result["outcomes"].items()) or "none",
            "latency": ", ".join(f"{key[:-2]} {in_seconds(latency[key])}" for key in latency),
            "received": f"{result['received_bytes'] / 1e6:.2f} MB",
            "client CPU": f"{result['client_cpu_s']:.2f} s",
            "server CPU": f"{result['server_cpu_s']:.2f} s" if known else f"not known: {result['server_cpu_unknown']}",
            "amplification": f"{result['amplification']} x" if known else "not known",
            "details": result["result"],
        }
    )


def in_seconds(value: float | None) -> str:
    """Say a duration, or that there is none."""
    return "none" if value is None else f"{value:.3g} s"


def read_profile(named: str) -> "dict[str, Any] | str":
    """Read the document of a file, where there is one of that name; else it is the name of a preset.

    Args:
        named: What the user typed.
    """
    from chaoslib_cp.engine.load.profile_file import read_document

    path = Path(named)
    return read_document(path) if path.is_file() else named
