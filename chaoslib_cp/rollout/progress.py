"""How far the rollout is."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.rollout.agent_rollout import agent_item, progress


def rollout_progress(
    configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None, timeout_s: float, clock: Clock
) -> dict[str, Any]:
    """Ask the API about this run's DaemonSet; keys are told by the probe of the same name."""
    item = agent_item(undo_log_of_run(configuration, secrets, clock))
    with open_cluster(configuration, secrets) as cluster:
        return progress(cluster, item, timeout_s)
