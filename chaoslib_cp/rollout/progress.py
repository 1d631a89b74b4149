"""How far the rollout is."""

from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.rollout.agent_rollout import agent_item, progress
from chaoslib_cp.settings import Settings


def rollout_progress(settings: Settings, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Ask the API about this run's DaemonSet; keys are told by the probe of the same name."""
    item = agent_item(undo_log_of_run(settings, clock))
    with open_cluster(settings) as cluster:
        return progress(cluster, item, timeout_s)
