"""``chaos cp recover``: undo what interrupted runs left behind."""

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.errors import ProfileInvalid, TestbedFailed, UndoFailed
from chaoslib_cp.inheritance import Kind, chaos_command, handed_to

if TYPE_CHECKING:
    from chaoslib_cp.engine.undo.log import UndoLog
    from chaoslib_cp.testbed.instance import Instance

# recover() gives each undo log two minutes; a testbed that takes longer than this is not answering at all.
_INSIDE_TIMEOUT_S = 900.0


@click.command("recover")
@click.option(
    "--keep",
    "kept",
    metavar="RUN:NUMBER",
    help="Call this open entry done as it is now; undo nothing. Repeatable.",
    multiple=True,
)
@click.option(
    "--context",
    "contexts",
    metavar="IDENTITY=NAME",
    help="Context of an identity (break-glass, runner, admin) in KUBECONFIG, where it has another name. Repeatable.",
    multiple=True,
)
@output.json_option
def command(kept: tuple[str, ...], contexts: tuple[str, ...], as_json: bool) -> None:
    """Undo whatever an interrupted run left in a cluster. Needs no arguments and may be run twice.

    It reads the undo logs of this user, removes what is ours and still there, and goes on past what fails. If
    KUBECONFIG names a cluster, it looks there as well for what no undo log here tells of. It says every few seconds
    what it waits for, and ends with "healed" or with what is left. The exit code is 1 while something is open or that
    cluster could not be looked into; the kubectl commands that would do it by hand are printed.

    What somebody else edited since is never overwritten: it stays open until it is as it was, or until you say with
    --keep that it stays as it is.
    """
    from chaoslib_cp.waits import telling

    named = _read_contexts(contexts)
    if kept:
        _keep(kept, as_json)
        return
    with telling(output.say):
        _recover(named, as_json)


def _read_contexts(given: Iterable[str]) -> dict[str, str]:
    """Contexts by the configuration's key for them, each given as IDENTITY=NAME."""
    from chaoslib_cp.settings import IDENTITIES, context_key

    found = {}
    for one in given:
        identity, _, name = one.partition("=")
        if identity not in IDENTITIES or not name:
            raise click.BadParameter(
                f"{one} is not IDENTITY=NAME with an identity of {', '.join(IDENTITIES)}", param_hint="--context"
            )
        found[context_key(identity)] = name
    return found


def _recover(contexts: Mapping[str, str], as_json: bool) -> None:
    from chaoslib_cp.cluster.undo.recover import open_logs, recover
    from chaoslib_cp.settings import read_settings
    from chaoslib_cp.testbed.instance import around_us

    inside = around_us()
    only = str(inside.kubeconfig) if inside else None  # no other cluster can be reached from inside
    settings, named = read_settings(contexts), ""
    reports = []
    if not inside:
        named = _testbed_of(settings.kubeconfig)
        reports = _close_logs_of_ended_testbeds() + _recover_inside(_testbeds_to_enter(named))
    if named:  # it was looked into from inside, or is gone; nothing answers there from here
        settings = replace(settings, kubeconfig="")
    # what was tried where the cluster is counts, not that it cannot be reached from here
    from_here = recover(settings, only_kubeconfig=only)["logs"]
    latest = {(report["path"], report["run"]): report for report in [*from_here, *reports]}
    still_open = open_logs(only_kubeconfig=only)
    unsure = [report["run"] for report in latest.values() if not report["path"]]
    at_work = sorted(one["run"] for one in latest.values() if not all(item["closed"] for item in one["items"]))
    elsewhere = sorted(set(open_logs()) - set(still_open)) if inside and not as_json else []
    if inside and elsewhere:
        output.say(
            f"left alone, for they are about other clusters than testbed {inside.name}: {', '.join(elsewhere)}; "
            "run `chaos cp recover` outside of it"
        )
    healed = not still_open and not unsure and not at_work
    result = {"healed": healed, "logs": list(latest.values())}
    output.show(
        result, as_json, lambda: describe(latest.values(), healed, f" in testbed {inside.name}" if inside else "")
    )
    if still_open:
        raise UndoFailed(
            f"NOT healed, still open after this attempt: {', '.join(still_open)}; their own deadlines end every load; "
            "run `chaos cp recover` again once the cause above is gone"
        )
    if at_work:
        raise UndoFailed(
            f"NOT healed: nothing is left to undo, but pods of {', '.join(at_work)} are still listed; "
            "they end by themselves, as said above"
        )
    if unsure:
        raise UndoFailed(
            "NOT healed for certain: no undo log is open, but the cluster that KUBECONFIG names may hold something of "
            "ours, as said above; run `chaos cp recover` again once that is cleared"
        )


def _keep(kept: Iterable[str], as_json: bool) -> None:
    """Close entries as they are, each named as RUN:NUMBER."""
    from chaoslib_cp.cluster.undo.recover import keep

    closed = []
    for one in kept:
        run, _, number = one.rpartition(":")
        if not run or not number.isdecimal():
            raise click.BadParameter(f"{one} is not RUN:NUMBER", param_hint="--keep")
        closed.append({"run": run, "number": int(number), "object": keep(run, int(number))})
    output.show({"kept": closed}, as_json, lambda: "\n".join(f"{one['run']}: {one['object']}: kept" for one in closed))


def describe(reports: Iterable[Mapping[str, Any]], healed: bool, where: str = "") -> str:
    """Say for each undo log what became of each thing in it, and last that all of it is healed, if it is."""
    lines = []
    for report in reports:
        lines += [f"{report['run']}: {item['object']}: {item['outcome']}" for item in report["items"]]
        lines += [f"{report['run']}: {problem}" for problem in report["problems"]]
        lines += [f"  by hand: {line}" for line in report["kubectl"]]
    if healed:
        lines.append(f"healed: nothing is open any more{where}" if lines else f"healed: nothing to undo{where}")
    return "\n".join(lines)


def _testbeds_to_enter(named: str) -> list[str]:
    """Name the testbeds of this machine that hold something of ours: only from inside can it be undone.

    The one that somebody named is looked into as well, for what no undo log tells of.
    """
    from chaoslib_cp.testbed.instance import Instance

    is_up = bool(named) and _is_up(Instance(named))
    return sorted({name for name, _ in _open_logs_of_testbeds()} | ({named} if is_up else set()))


def _close_logs_of_ended_testbeds() -> list[dict[str, Any]]:
    """Close what was open in a testbed that ended without `down`, as when its machine went: its cluster is gone."""
    from chaoslib_cp.cluster.undo.recover import close_logs_of_deleted_cluster

    ended = [(name, log, log.open_items()) for name, log in _open_logs_of_testbeds() if _has_ended(name, log)]
    for cluster_uid in {str(log.header.get("cluster_uid")) for _, log, _ in ended}:
        close_logs_of_deleted_cluster(cluster_uid)
    reports = []
    for name, log, items in ended:
        words = f"gone with the cluster of testbed {name}"
        gone = [{"object": str(item.entry), "outcome": words, "closed": True} for item in items]
        reports.append({"run": log.run, "path": str(log.path), "items": gone, "problems": [], "kubectl": []})
    return reports


def _has_ended(name: str, log: "UndoLog") -> bool:
    """Whether the cluster that a log tells of is gone: its testbed is down, or has been brought up anew."""
    from chaoslib_cp.testbed.instance import Instance

    instance = Instance(name)
    return not _is_up(instance) or _uid_of(instance) not in ("", str(log.header.get("cluster_uid")))


def _is_up(instance: "Instance") -> bool:
    return bool(instance.supervisor_pids()) or instance.is_up_elsewhere()


def _open_logs_of_testbeds() -> "list[tuple[str, UndoLog]]":
    """Each undo log with something open in a testbed of this user, with that testbed's name."""
    from chaoslib_cp.clock import SystemClock
    from chaoslib_cp.cluster.undo.run import undo_folder
    from chaoslib_cp.engine.undo.log import UndoLog, find_logs

    found = []
    for path in find_logs(undo_folder()):
        try:
            log = UndoLog.read(path, SystemClock())
            kubeconfig = Path(str(log.header.get("kubeconfig") or "")) if log.open_items() else Path()
        except UndoFailed:
            continue  # recover() reports a log that cannot be read
        if name := _testbed_of(str(kubeconfig)):
            found.append((name, log))
    return found


def _testbed_of(kubeconfig: str) -> str:
    """Name the testbed of this user whose kubeconfig that is, whether it is up or not; empty for any other file."""
    name = Path(kubeconfig).parent.name
    return name if name and kubeconfig == _kubeconfig(name) else ""


def _kubeconfig(testbed: str) -> str:
    """Where a testbed of that name has its kubeconfig; empty for what is no testbed's name."""
    from chaoslib_cp.testbed.instance import Instance

    try:
        return str(Instance(testbed).kubeconfig)
    except ProfileInvalid:
        return ""


def _uid_of(instance: "Instance") -> str:
    """UID of the cluster that the testbed has now; empty while it starts, or when nobody can tell."""
    try:
        return str((instance.read_state() or {}).get("cluster_uid") or "")
    except TestbedFailed:
        return ""


def _recover_inside(testbeds: Iterable[str]) -> list[dict[str, Any]]:
    """Run this command in each testbed, in a process of its own: entering namespaces cannot be taken back."""
    from chaoslib_cp.waits import waiting_for

    reports: list[dict[str, Any]] = []
    for name in testbeds:
        enter = ["exec", "--name", name, "--"]
        try:
            with waiting_for(f"recovery inside testbed {name}", _INSIDE_TIMEOUT_S, at_once=True):
                done = subprocess.run(
                    chaos_command("cp", *enter, *chaos_command("cp", "recover", "--json")),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    timeout=_INSIDE_TIMEOUT_S,
                    check=False,
                    **handed_to(Kind.OURS),
                )
        except subprocess.TimeoutExpired:
            reports.append(_without_report(name, f"was stopped: it had not ended after {_INSIDE_TIMEOUT_S:.0f} s"))
            continue
        try:
            found = json.loads(done.stdout)["logs"]
            reports += [{**one, "kubectl": [_from_outside(enter, line) for line in one["kubectl"]]} for one in found]
        except (ValueError, KeyError):
            reports.append(_without_report(name, f"ended with {done.returncode} and no report"))
    return reports


def _without_report(testbed: str, how: str) -> dict[str, Any]:
    words = f"recovery inside {how}; what is open stays on record"
    return {"run": f"testbed {testbed}", "path": "", "items": [], "problems": [words], "kubectl": []}


def _from_outside(enter: Iterable[str], line: str) -> str:
    """Turn a command that works inside into one that works here."""
    return f"chaos cp {shlex.join(enter)} {line}"
