"""Which run this is: the name that ties undo log, permit, labels and results of one experiment together."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.state import state_root

WITHOUT_CONTROL = "adhoc"
RUN_DIR_KEY = "chaoslib_cp_run_dir"
"""Key of the configuration under which the control tells activities where the run's folder is."""

_LABEL_CHARACTERS = 63  # source: Kubernetes documentation, "Labels and Selectors", syntax and character set
_UID_CHARACTERS = 8


def run_dir(configuration: Mapping[str, Any] | None) -> Path | None:
    """Folder of this run's results, set by the control; None when an activity is used without it."""
    folder = (configuration or {}).get(RUN_DIR_KEY)
    return Path(str(folder)) if folder else None


def run_id(configuration: Mapping[str, Any] | None) -> str:
    """Name of this run, fit for a file name and a label value."""
    folder = run_dir(configuration)
    if folder is None:
        return WITHOUT_CONTROL
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.name)[:_LABEL_CHARACTERS].strip("-_.")
    return safe or WITHOUT_CONTROL


def run_on(configuration: Mapping[str, Any] | None, cluster_uid: str) -> str:
    """Name of this run's permit: uses without a control have one for each cluster, and never that of another."""
    run = run_id(configuration)
    return f"{WITHOUT_CONTROL}-{_short(cluster_uid)}" if run == WITHOUT_CONTROL else run


def is_part_of(log_run: str, run: str) -> bool:
    """Whether an undo log is that of a run; without a control each use that finds none open has a numbered one."""
    return log_run == run or (run.startswith(f"{WITHOUT_CONTROL}-") and log_run.startswith(f"{run}-"))


def undo_folder() -> Path:
    """Where all undo logs live."""
    return state_root() / "undo"


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


def _short(cluster_uid: str) -> str:
    """The first characters of a UID, fit for a file name and a label value."""
    return re.sub(r"[^A-Za-z0-9]", "", cluster_uid)[:_UID_CHARACTERS] or "unknown"


def _context_of_runner(cluster: Cluster) -> str:
    return cluster.context if cluster.identity == "runner" and cluster.context else "runner"
