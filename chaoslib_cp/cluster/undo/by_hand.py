"""The commands that do by hand what undo does: whole lines, fit to be pasted into a shell."""

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.undo.kinds import kind_of_item
from chaoslib_cp.cluster.undo.objects import created_kinds
from chaoslib_cp.engine.undo.lines import read_header
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused, UndoFailed
from chaoslib_cp.kubeconfig import read_kubeconfig, way_in

# What Kubernetes takes as a label's value (source: Kubernetes documentation, "Labels and Selectors").
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_REBUILT = re.compile(r"\.found-\d+$")


def contexts_of(header: Mapping[str, object]) -> dict[str, str]:
    """The kubeconfig contexts that an undo log's header names, by the experiment's key for them."""
    noted = header.get("contexts")
    return {str(key): str(value) for key, value in noted.items()} if isinstance(noted, dict) else {}


def kubectl_lines(log: UndoLog) -> list[str]:
    """What undoes each thing that is still open in a log; nothing for one of a kind that nobody here knows."""
    kubectl, way = _kubectl(log.header), _way_in(log.header)
    commands = []
    for item in log.open_items():
        with suppress(UndoFailed):  # who tries to undo it says so
            commands += kind_of_item(item).by_hand(item, kubectl)
    return [f"{way}{command}" for command in commands]


def kubectl_lines_without_log(path: Path) -> list[str]:
    """What deletes everything of a run whose undo log cannot be read; none when even its name cannot be told."""
    header = read_header(path)
    run = _REBUILT.sub("", str(header.get("run") or path.stem))
    if not _LABEL_VALUE.fullmatch(run):
        return []
    # the DaemonSet, which carries the load, first
    kinds = ",".join(kind.lower() for kind in reversed(created_kinds()))
    kubectl = f"{_way_in(header)}{_kubectl(header)}"
    return [f"{kubectl} delete {kinds} --all-namespaces --selector {RUN_LABEL}={run} --wait=false"]


def _way_in(header: Mapping[str, object]) -> str:
    """What to put before a command, where the cluster can be reached from another place only; empty otherwise."""
    kubeconfig = str(header.get("kubeconfig") or "")
    try:
        way = way_in(kubeconfig, read_kubeconfig(kubeconfig)) if kubeconfig else []
    except TargetRefused:
        return ""  # the file is gone, or says nothing that we understand
    return "".join(f"{shlex.quote(word)} " for word in way)


def _kubectl(header: Mapping[str, object]) -> str:
    """With the cluster that the log names; without one, it is the reader who knows."""
    kubeconfig = str(header.get("kubeconfig") or "")
    if not kubeconfig:
        return "kubectl"
    context = contexts_of(header).get("break_glass_context", "break-glass")
    return f"kubectl --kubeconfig {shlex.quote(kubeconfig)} --context {shlex.quote(context)}"
