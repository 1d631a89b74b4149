"""Whose undo log it is, and how its cluster is found again."""

from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.settings import WITHOUT_CONTROL, Settings, context_key
from chaoslib_cp.state import state_root


def is_part_of(log_run: str, run: str) -> bool:
    """Whether an undo log is that of a run; without a control each use that finds none open has a numbered one."""
    return log_run == run or (run.startswith(f"{WITHOUT_CONTROL}-") and log_run.startswith(f"{run}-"))


def undo_folder() -> Path:
    """Where all undo logs live."""
    return state_root() / "undo"


def undo_log_facts(cluster: Cluster, cluster_uid: str, settings: Settings) -> dict[str, Any]:
    """How a cluster is found again, for the header of an undo log; credentials are not in it.

    Args:
        cluster: The cluster.
        cluster_uid: UID of its kube-system namespace.
        settings: What the run was told; contexts it does not name are taken by their usual names.
    """
    return {
        "cluster_uid": cluster_uid,
        "ca_sha256": cluster.ca_sha256,
        "server": cluster.server,
        "addresses": list(cluster.addresses),
        "kubeconfig": cluster.kubeconfig,
        "contexts": {
            context_key("runner"): _context_of_runner(cluster),
            context_key("admin"): settings.context("admin"),
            context_key("break-glass"): settings.context("break-glass"),
        },
    }


def _context_of_runner(cluster: Cluster) -> str:
    return cluster.context if cluster.identity == "runner" and cluster.context else "runner"
