"""Deleting what we made, and only that: by UID where we learned it, by label and content where we did not."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.cluster.undo.agent_pods import agents_at_work
from chaoslib_cp.cluster.undo.likeness import doubt_about
from chaoslib_cp.cluster.undo.objects import object_path
from chaoslib_cp.engine.undo.entry import DeleteObject, ObserveOnly
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Executor, Undone
from chaoslib_cp.errors import TargetRefused, UndoFailed

# How long a create that nobody saw answered can still land: the API server's default --request-timeout is 60 s, plus
# the time it may wait unread in a socket of a starved server.
_CREATE_MAY_LAND_S = 65.0
# Break-glass needed 7 s in the median for a write in the storms measured here; a shorter attempt queues anew each time.
ATTEMPT_S = 10.0
ALREADY_GONE = "already gone"
DELETED = "deleted"


def delete_ours(
    cluster: Cluster, same: SameCluster, item: Item, timeout_s: float, clock: Clock, known_uids: Collection[str] = ()
) -> Undone:
    """Make one attempt to delete the object of an undo entry.

    A delete with our UID can do no harm in another cluster, so it is sent before anybody asks which one answers; that
    an object is not there says something only where it was made.

    Args:
        cluster: As whom.
        same: Says whether it is the cluster of the log that answers.
        item: The entry, with the UID if it was learned.
        timeout_s: Limit of each of the up to three calls.
        clock: Source of time, to tell whether an unanswered create may still land.
        known_uids: UIDs that other entries of the run have: such an object is not what an unanswered create made, even
            if it looks the same, and when it is gone that create may still land.

    Returns:
        Closed when the object is gone, was never made, or its name belongs to somebody else now; left alone and open
        when nobody can tell whose it is.

    Raises:
        CallFailed: The API did not answer, or is unwell.
        OtherCluster: It is another cluster that answers.
        TargetRefused: This identity may not.
    """
    if not isinstance(item.entry, DeleteObject):
        raise UndoFailed(f"{item.entry}: not an object that can be deleted; it was left alone")
    path = object_path(item.entry)
    uid, version = item.uid, ""
    if not uid:
        same.require(cluster, timeout_s)
        found = cluster.get(path, timeout_s=timeout_s)
        if found is None or (found.get("metadata") or {}).get("uid") in known_uids:
            return _never_seen(item, clock)
        doubt = doubt_about(found, item)
        if doubt:
            return Undone(closed=False, words=doubt)
        uid, version = _uid_if_ours(found, item.entry), str((found.get("metadata") or {}).get("resourceVersion") or "")
        if not uid:
            return Undone(closed=True, words="another object has its name, left alone")
    undone = _delete(cluster, path, {"uid": uid, "resourceVersion": version}, item.entry, timeout_s)
    if undone.closed and undone.words != DELETED:
        same.require(cluster, timeout_s)
    return undone


def executors(
    clusters: Sequence[Cluster],
    cluster_uid: str,
    clock: Clock,
    attempt_s: float = ATTEMPT_S,
    agents_end_s: float = 0.0,
    known_uids: Collection[str] = (),
) -> Mapping[str, Executor]:
    """How each kind of undo entry is carried out.

    Args:
        clusters: Identities to try in this order, the ordinary one first, break-glass last; the one that got through
            goes first for what follows.
        cluster_uid: UID of kube-system of the cluster that the log is about.
        clock: Source of time.
        attempt_s: Limit of one call.
        agents_end_s: Until then, seconds since 1970, what agents came from or run as is closed only when their pods
            are gone too.
        known_uids: UIDs that entries of the run have.
    """
    order = list(clusters)
    same = SameCluster(cluster_uid)

    def delete_object(item: Item) -> Undone:
        reasons = []
        for cluster in tuple(order):
            try:
                undone = delete_ours(cluster, same, item, attempt_s, clock, known_uids)
                if undone.closed and clock.epoch_s() < agents_end_s:
                    undone = _with_pods(cluster, item, undone, agents_end_s, attempt_s, clock)
            except (CallFailed, TargetRefused) as error:
                reasons.append(str(error))
                continue
            order.remove(cluster)
            order.insert(0, cluster)
            return undone
        raise UndoFailed(f"{item.entry} was not deleted: {' | '.join(reasons) or 'no identity could be opened'}")

    def observe_only(item: Item) -> Undone:
        return Undone(closed=True, words=f"nothing to undo: {item.entry}")

    return {DeleteObject.kind: delete_object, ObserveOnly.kind: observe_only}


def _with_pods(cluster: Cluster, item: Item, undone: Undone, end_s: float, timeout_s: float, clock: Clock) -> Undone:
    """Leave an entry open while pods of its run are at work.

    The ServiceAccount is made first and closed last: it stands for agents whose DaemonSet somebody else deleted.
    """
    entry = item.entry
    if not isinstance(entry, DeleteObject) or entry.object_kind not in ("DaemonSet", "ServiceAccount"):
        return undone
    now_s = clock.epoch_s()
    at_work = agents_at_work(cluster, entry.namespace, {entry.run: end_s}, now_s, timeout_s)
    left = [(name, ends_at_s) for run, name, ends_at_s in at_work if run == entry.run]
    if not left:
        return undone
    last_s = max(ends_at_s for _, ends_at_s in left) - now_s
    return Undone(
        closed=False,
        words=f"{undone.words}, but {len(left)} agents of its run are still at work, first {left[0][0]}; they end by "
        f"themselves within {last_s:.0f} s",
    )


def _delete(cluster: Cluster, path: str, expected: Mapping[str, str], entry: DeleteObject, timeout_s: float) -> Undone:
    """Delete what is still as expected: with our UID and, where that was only just seen, nothing edited since."""
    options = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {key: value for key, value in expected.items() if value},
    }
    answer = cluster.call("DELETE", path, body=options, timeout_s=timeout_s)
    if answer.status == 404:
        return Undone(closed=True, words=ALREADY_GONE)
    if answer.status == 409:
        return _conflict(cluster, path, expected["uid"], entry, timeout_s)
    cluster.expect_success(answer, f"delete {entry}")
    if answer.json().get("kind") == "Status":
        return Undone(closed=True, words=DELETED)
    # The object itself comes back when a finalizer or a grace period holds it: gone only when it is not found.
    if cluster.get(path, timeout_s=timeout_s) is None:
        return Undone(closed=True, words=DELETED)
    return Undone(closed=False, words=f"{entry} is being deleted but something still holds it (a finalizer)")


def _conflict(cluster: Cluster, path: str, uid: str, entry: DeleteObject, timeout_s: float) -> Undone:
    """Look before believing: the precondition is not the only reason for a conflict."""
    found = cluster.get(path, timeout_s=timeout_s)
    if found is None:
        return Undone(closed=True, words=ALREADY_GONE)
    if (found.get("metadata") or {}).get("uid") != uid:
        return Undone(closed=True, words="ours is gone, another object has its name, left alone")
    return Undone(closed=False, words=f"{entry} is still there, and the API server refuses to delete it for a conflict")


def _never_seen(item: Item, clock: Clock) -> Undone:
    age_s = item.age_s(clock)
    if age_s < _CREATE_MAY_LAND_S:
        return Undone(
            closed=False,
            words=f"{item.entry} is not seen yet, but its create was never answered and may land for another "
            f"{_CREATE_MAY_LAND_S - age_s:.0f} s",
        )
    return Undone(closed=True, words="was never made")


def _uid_if_ours(found: Mapping[str, Any], entry: DeleteObject) -> str:
    metadata = found.get("metadata") or {}
    is_ours = (metadata.get("labels") or {}).get(RUN_LABEL) == entry.run
    return str(metadata.get("uid") or "") if is_ours else ""
