"""Rolling the telemetry agent out, seeing how far it is, taking it back."""

from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.undo.heal import executors
from chaoslib_cp.cluster.undo.objects import create, object_path
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.recover import heal_log, open_healers
from chaoslib_cp.cluster.undo.rights import require_undo_rights
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.engine.undo.replay import replay
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, TargetUnreachable, UndoFailed
from chaoslib_cp.rollout.daemonset import AgentRollout
from chaoslib_cp.settings import Settings

# After a failed start its halves are taken back at once, but a sick API must not hold the experiment for long.
_TAKE_BACK_S = 15.0


def roll_out(cluster: Cluster, log: UndoLog, rollout: AgentRollout, clock: Clock) -> list[str]:
    """Create the agent's objects, each on record first; the DaemonSet, which starts the load, comes last.

    Args:
        cluster: As the runner.
        log: The run's undo log.
        rollout: What is rolled out.
        clock: Source of time.

    Returns:
        The objects made, as people write them.

    Raises:
        TargetRefused: The runner may not take one of them back; nothing was made.
        ControlPlaneError: One could not be made, or noted; what was made is taken back if the API lets us, and stays in
            the undo log if not.
    """
    manifests = list(rollout.manifests())
    require_undo_rights(cluster, manifests)
    try:
        numbers = [create(cluster, log, manifest) for manifest in manifests]
        log.note(numbers[-1], deadline_epoch_s=str(rollout.profile.deadline_epoch_s))
    except ControlPlaneError:
        cluster_uid = str(log.header.get("cluster_uid") or "")
        replay(log, executors([cluster], cluster_uid, clock, known_uids=log.uids()), clock, _TAKE_BACK_S)
        raise
    made = set(numbers)
    return [str(item.entry) for item in log.items() if item.number in made]


def agent_item(log: UndoLog | None) -> Item:
    """The undo entry of the agent's DaemonSet, the latest if there are several.

    Raises:
        TargetRefused: This run rolled nothing out.
        UndoFailed: The log cannot be read.
    """
    items = [] if log is None else log.items()
    for item in reversed(items):
        if isinstance(item.entry, DeleteObject) and item.entry.object_kind == "DaemonSet":
            return item
    raise TargetRefused("this run has rolled out no agent; nothing was changed; start_agent_rollout comes first")


def count_nodes(cluster: Cluster) -> int | None:
    """How many nodes the cluster has, in one small answer; None when it does not say.

    Source: Kubernetes API concepts, ``remainingItemCount`` of a list in chunks.
    """
    listed = cluster.get("/api/v1/nodes", limit="1") or {}
    more = (listed.get("metadata") or {}).get("remainingItemCount", 0)
    return len(listed["items"]) + int(more) if listed.get("items") else None


def progress(cluster: Cluster, item: Item, timeout_s: float) -> dict[str, Any]:
    """How far the rollout is; a sick API is an outcome, not an error.

    Returns:
        ``ok`` (every node that should have a ready agent has one), ``outcome``, ``desired``, ``scheduled``, ``ready``
        and ``ready_share`` (0..1), all 0 when nobody knows.

    Raises:
        TargetRefused: This identity may not look.
    """
    unknown = {"ok": False, "desired": 0, "scheduled": 0, "ready": 0, "ready_share": 0.0}
    if not isinstance(item.entry, DeleteObject):
        return {**unknown, "outcome": "error"}
    try:
        found = cluster.get(object_path(item.entry), timeout_s=timeout_s)
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


def take_back(settings: Settings, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Undo all that this run made; needs only the undo log and the CA, retries until ``timeout_s`` is over.

    Returns:
        ``undone`` and ``left`` (numbers of objects) and ``outcomes`` by object.

    Raises:
        UndoFailed: Something is still there, and its entry stays open for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could be opened for that cluster; nothing was undone.
        TargetRefused: Without a control, nobody can tell which of several logs is meant, or the kubeconfig has no such
            context; nothing was undone.
    """
    log = undo_log_of_run(settings, clock)
    if log is None or not log.open_items():
        return {"undone": 0, "left": 0, "outcomes": {}}
    clusters, reasons = open_healers(log, settings)
    if not clusters:
        raise TargetUnreachable(
            f"run {log.run}: {len(log.open_items())} objects are still there: {' | '.join(reasons)}; "
            "run `chaos cp recover` once that is mended"
        )
    items = heal_log(log, clusters, clock, timeout_s, waits_for_agents=False)
    left = [item for item in items if not item["closed"]]
    if left:
        raise UndoFailed(
            f"{len(left)} of {len(items)} objects of run {log.run} are still there, first {left[0]['object']}: "
            f"{left[0]['outcome']}; the agents end at their own deadline; run `chaos cp recover`"
        )
    return {"undone": len(items), "left": 0, "outcomes": {item["object"]: item["outcome"] for item in items}}
