"""One load by itself, from its start to its end: what ``chaos cp load`` does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.apiserver.overload.server_use import read_servers, used_between
from chaoslib_cp.apiserver.overload.session import LoadFiles, is_running
from chaoslib_cp.apiserver.overload.start import OverloadAsk, start
from chaoslib_cp.apiserver.overload.stop import stop
from chaoslib_cp.apiserver.overload.summary import summary_of
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.errors import TargetUnreachable
from chaoslib_cp.results.api import amplification_of
from chaoslib_cp.results.delivery import Delivery
from chaoslib_cp.settings import Settings

_TELL_EVERY_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.2
_STOP_S: Final = 10.0
# What a load wrote is deleted at its end; a server that it drowned needs its time (100,000 Events are the most).
_DELETE_S: Final = 300.0


def play_alone(asked: OverloadAsk, settings: Settings, clock: Clock, say: Callable[[str], None]) -> dict[str, Any]:
    """Play a load to its end against the marked cluster. Whatever ends it early, an exception too, leaves nothing.

    Args:
        asked: What to play.
        settings: Which cluster.
        clock: Source of time.
        say: Told how it goes, every 5 s.

    Returns:
        The keys of :func:`summary_of`, and ``profile``, ``fault``, ``result`` (a file), ``per_second`` (lists by
        second: ``due``, ``begun``, ``answered``), ``server_cpu_s`` and ``amplification`` (null where it is not known),
        ``server_cpu_unknown`` (why), ``server_use`` (what else is known of them, ``ServerUse.as_dict``), ``shortfall``
        (why less than half of it was delivered; empty when it was).

    Raises:
        ControlPlaneError: As ``start_api_overload``, or the load did not tell its result.
    """
    # before anything is asked: reading CPU time is no reason to touch a cluster
    servers = check_gate(settings, clock).api_servers
    before = read_servers(settings, asked.context, servers, clock)
    injected = start(asked, settings, clock)
    result = Path(str(injected.details["result"]))
    files = LoadFiles(result, result.with_suffix(".log"))
    try:
        _wait(files, clock, say)
        # before what it wrote is deleted, which costs the servers, too
        used = used_between(before, read_servers(settings, asked.context, servers, clock))
    finally:
        wrote = any(request.is_write for request in asked.load_profile.requests)
        stop(asked.kind, settings, _DELETE_S if wrote else _STOP_S, injected.fault, clock)
    over = files.over()
    if over is None:
        raise TargetUnreachable(f"the load ended without a result; its last words are in {files.log}")
    summary = summary_of(over)
    if "ramp" in over:
        summary["ramp"] = over["ramp"]  # all rows of its ladder
    amplification = None if used.cpu_s is None else amplification_of(used.cpu_s, summary["client_cpu_s"]).value
    return {
        "profile": asked.load_profile.name,
        "fault": injected.fault,
        "result": str(files.result),
        **summary,
        "per_second": over["per_second"],
        "server_cpu_s": used.cpu_s,
        "server_cpu_unknown": used.why_not,
        "server_use": used.as_dict(),
        "amplification": amplification,
        "shortfall": _shortfall(over["account"], over["nodes"]),
    }


def _wait(files: LoadFiles, clock: Clock, say: Callable[[str], None]) -> None:
    next_s = clock.monotonic_s() + _TELL_EVERY_S
    rungs = 0
    while is_running(files):
        clock.sleep(_LOOK_EVERY_S)
        lines = files.lines()
        told = [line["rung"] for line in lines if line.get("phase") == "rung"]
        for rung in told[rungs:]:
            say(_rung_words(rung))
        rungs = len(told)
        if clock.monotonic_s() >= next_s:
            next_s += _TELL_EVERY_S
            progress = [line for line in lines[-3:] if line.get("phase") == "load"]
            if progress:
                say(_words(progress[-1]))


def _rung_words(rung: dict[str, Any]) -> str:
    p99 = "no answer" if rung["p99_s"] is None else f"p99 {rung['p99_s']:.3g} s"
    cores = "" if rung["server_cpu_cores"] is None else f", {rung['server_cpu_cores']:.2f} cores of the server"
    return f"{rung['phase']}, {rung['nodes']} virtual nodes: answered {rung['answered_per_s']:.3g}/s, {p99}{cores}"


def _words(line: dict[str, Any]) -> str:
    p99 = "no answer yet" if line["p99_s"] is None else f"p99 {line['p99_s']:.3g} s"
    return (
        f"{line['elapsed_s']:.0f} s: offered {line['due']}, answered {line['answered']}, of these refused "
        f"{line['refused']}; {p99}; {line['remaining_s']:.0f} s to go"
    )


def _shortfall(account: dict[str, Any], nodes: int) -> str:
    """Judged as a run judges what its faults delivered."""
    failed = sum(count for key, count in account.items() if key.startswith("failed_"))
    counts = {key: count for key, count in account.items() if not key.startswith("failed_")}
    return Delivery(wanted=nodes, began=nodes, sources=1, failed=failed, **counts).shortfall(0.5)
