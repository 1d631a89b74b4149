"""The rollout of this run: its undo entry, how many nodes there are, and how far it is."""

from typing import Any

from chaoslib_cp.cluster.agents.standing import agents_of
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.undo.kinds.delete_object import our_object
from chaoslib_cp.engine.undo.entry import kind_of_fault
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.rollout.fault import AGENT_ROLLOUT


def agent_item(log: UndoLog | None) -> Item:
    """The undo entry of the agent's DaemonSet of the latest rollout.

    Raises:
        TargetRefused: This run rolled nothing out.
        UndoFailed: The log cannot be read.
    """
    for item in agents_of(log):
        if kind_of_fault(item.fault) == AGENT_ROLLOUT.name:
            return item
    raise TargetRefused("this run has rolled out no agent; nothing was changed; start_agent_rollout comes first")


def progress(cluster: Cluster, item: Item, timeout_s: float) -> dict[str, Any]:
    """How far the rollout is; a sick API is an outcome, not an error.

    Returns:
        ``ok`` (every node that should have a ready agent has one), ``outcome``, ``desired``, ``scheduled``, ``ready``
        and ``ready_share`` (0..1), all 0 when nobody knows.

    Raises:
        TargetRefused: This identity may not look.
    """
    unknown = {"ok": False, "desired": 0, "scheduled": 0, "ready": 0, "ready_share": 0.0}
    try:
        found = cluster.get(our_object(item.entry).path, timeout_s=timeout_s)
    except CallFailed as error:
        return {**unknown, "outcome": error.outcome}
    if found is None:
        return {**unknown, "outcome": "http_4xx"}
    status = found.get("status") or {}
    desired, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    return {
        "ok": 0 < desired <= ready,
        "outcome": "ok",
        "desired": desired,
        "scheduled": int(status.get("currentNumberScheduled") or 0),
        "ready": ready,
        "ready_share": ready / desired if desired else 0.0,
    }
