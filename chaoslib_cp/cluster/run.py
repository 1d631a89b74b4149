"""Which run this is: the name that ties undo log, permit, labels and results of one experiment together."""

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.call import Cluster
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.state import state_root

RUN_LABEL = "chaoslib-cp/run"
ROLE_LABEL = "chaoslib-cp/role"
ENDS_AT = "chaoslib-cp/ends-at-epoch-s"
OWNER_LABELS = {"app.kubernetes.io/managed-by": "chaoslib-cp"}
LIBRARY_NAMESPACE = "chaoslib-cp"
WITHOUT_CONTROL = "adhoc"
_LABEL_CHARACTERS = 63  # source: Kubernetes documentation, "Labels and Selectors", syntax and character set


def run_dir(configuration: Mapping[str, Any] | None) -> Path | None:
    """Folder of this run's results, set by the control; None when an activity is used without it."""
    folder = (configuration or {}).get("chaoslib_cp_run_dir")
    return Path(str(folder)) if folder else None


def run_id(configuration: Mapping[str, Any] | None) -> str:
    """Name of this run, fit for a file name and a label value."""
    folder = run_dir(configuration)
    if folder is None:
        return WITHOUT_CONTROL
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.name)[:_LABEL_CHARACTERS].strip("-_.")
    return safe or WITHOUT_CONTROL


def undo_folder() -> Path:
    """Where all undo logs live."""
    return state_root() / "undo"


def process_using(cluster_uid: str) -> str:
    """Which other living process plays a run on a cluster: its number, or empty.

    The control holds the lock of a cluster while it plays a run (``chaoslib_cp/control``); the kernel frees it when
    the process dies, so a lock that is held means that somebody still works there.
    """
    try:
        handle = os.open(state_root() / "locks" / f"{cluster_uid}.lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        # shared: others who only look at the same moment must not take each other for the holder
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        return "" if holder == str(os.getpid()) else holder
    else:
        return ""
    finally:
        os.close(handle)


def undo_log_of_run(configuration: Mapping[str, Any] | None, clock: Clock) -> UndoLog | None:
    """This run's undo log, if anything was ever intended in it."""
    path = undo_folder() / f"{run_id(configuration)}.jsonl"
    return UndoLog.read(path, clock) if path.exists() else None


def undo_log_for_change(
    configuration: Mapping[str, Any] | None, cluster: Cluster, cluster_uid: str, clock: Clock
) -> UndoLog:
    """This run's undo log, made if this is its first change.

    Args:
        configuration: The experiment's configuration.
        cluster: The cluster about to be changed; how to reach it again is put on record, credentials are not.
        cluster_uid: UID of its kube-system namespace.
        clock: Source of time.
    """
    existing = undo_log_of_run(configuration, clock)
    if existing is not None and (existing.open_items() or run_id(configuration) != WITHOUT_CONTROL):
        return existing
    if existing is not None:  # without a control every use has the same name: put the finished log aside
        existing.path.rename(existing.path.with_name(f"{WITHOUT_CONTROL}-{clock.epoch_s():.0f}.jsonl"))
    facts = undo_log_facts(cluster, cluster_uid, configuration or {})
    return UndoLog.create(undo_folder(), run_id(configuration), facts, clock)


def undo_log_facts(cluster: Cluster, cluster_uid: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """How a cluster is found again, for the header of an undo log; credentials are not in it.

    Args:
        cluster: The cluster.
        cluster_uid: UID of its kube-system namespace.
        settings: The experiment's configuration; contexts it does not name are taken by their usual names.
    """
    return {
        "cluster_uid": cluster_uid,
        "ca_sha256": cluster.ca_sha256,
        "server": cluster.server,
        "addresses": list(cluster.addresses),
        "kubeconfig": cluster.kubeconfig,
        "contexts": {
            "runner_context": _context_of_runner(cluster),
            "admin_context": str(settings.get("admin_context") or "admin"),
            "break_glass_context": str(settings.get("break_glass_context") or "break-glass"),
        },
    }


def _context_of_runner(cluster: Cluster) -> str:
    return cluster.context if cluster.identity == "runner" and cluster.context else "runner"
