"""``chaos cp recover``: undo what interrupted runs left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.errors import ProfileInvalid, TestbedFailed, UndoFailed

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
@output.json_option
def command(kept: tuple[str, ...], as_json: bool) -> None:
    """Undo whatever an interrupted run left in a cluster. Needs no arguments and may be run twice.

    It reads the undo logs of this user, removes what is ours and still there, and goes on past what fails. If
    KUBECONFIG names a cluster, it looks there as well for what no undo log here tells of. The exit code is 1 while
    something is open or that cluster could not be looked into; the kubectl commands that would do it by hand are
    printed.

    What somebody else edited since is never overwritten: it stays open until it is as it was, or until you say with
    --keep that it stays as it is.
    """
    from chaoslib_cp.cluster.undo.recover import open_logs, recover

    if kept:
        _keep(kept, as_json)
        return
    inside = os.environ.get("CHAOSLIB_CP_TESTBED")
    only = _kubeconfig(inside) if inside else None  # no other cluster can be reached from inside
    reports = [] if inside else _close_logs_of_ended_testbeds() + _recover_inside(_testbeds_with_open_logs())
    reports += recover(only_kubeconfig=only)["logs"]
    latest = {(report["path"], report["run"]): report for report in reports}
    still_open = open_logs(only_kubeconfig=only)
    unsure = [report["run"] for report in reports if not report["path"]]
    at_work = sorted(one["run"] for one in latest.values() if not all(item["closed"] for item in one["items"]))
    result = {"healed": not still_open and not unsure and not at_work, "logs": list(latest.values())}
    output.show(result, as_json, lambda: describe(latest.values()))
    elsewhere = sorted(set(open_logs()) - set(still_open)) if inside and not as_json else []
    if elsewhere:
        output.say(
            f"left alone, for they are about other clusters than testbed {inside}: {', '.join(elsewhere)}; run "
            "`chaos cp recover` outside of it, without CHAOSLIB_CP_TESTBED"
        )
    if still_open:
        raise UndoFailed(
            f"still open after this attempt: {', '.join(still_open)}; their own deadlines end every load; run "
            "`chaos cp recover` again once the cause above is gone"
        )
    if at_work:
        raise UndoFailed(
            f"nothing is left to undo, but pods of {', '.join(at_work)} are still listed; they end by themselves, as "
            "said above"
        )
    if unsure:
        raise UndoFailed(
            "no undo log is open, but the cluster that KUBECONFIG names may hold something of ours, as said above; run "
            "`chaos cp recover` again once that is cleared"
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


def describe(reports: Iterable[Mapping[str, Any]]) -> str:
    """Say for each undo log what became of each thing in it."""
    lines = []
    for report in reports:
        lines += [f"{report['run']}: {item['object']}: {item['outcome']}" for item in report["items"]]
        lines += [f"{report['run']}: {problem}" for problem in report["problems"]]
        lines += [f"  by hand: {line}" for line in report["kubectl"]]
    return "\n".join(lines) or "nothing to undo"


def _testbeds_with_open_logs() -> list[str]:
    """Name the testbeds of this machine that hold something of ours: only from inside can it be undone."""
    return sorted({name for name, _ in _open_logs_of_testbeds()})


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
    is_up = bool(instance.supervisor_pids()) or instance.is_up_elsewhere()
    return not is_up or _uid_of(instance) not in ("", str(log.header.get("cluster_uid")))


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
        name = kubeconfig.parent.name
        if kubeconfig.name and str(kubeconfig) == _kubeconfig(name):
            found.append((name, log))
    return found


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
    reports: list[dict[str, Any]] = []
    chaos = [sys.executable, "-m", "chaostoolkit", "cp"]
    for name in testbeds:
        output.say(f"recovering inside testbed {name}")
        done = subprocess.run(
            [*chaos, "exec", "--name", name, "--", *chaos, "recover", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_INSIDE_TIMEOUT_S,
            check=False,
        )
        try:
            reports += json.loads(done.stdout)["logs"]
        except (ValueError, KeyError):
            output.say(f"testbed {name}: recovery inside ended with {done.returncode} and no report")
    return reports
