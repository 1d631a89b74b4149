"""Undo kind ``delete_object``: we make an object; undo deletes it, and only it.

By its UID where we learned that, by label and content where the create was never answered.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, LIBRARY_NAMESPACE, RUN_LABEL
from chaoslib_cp.cluster.door.same_cluster import SameCluster
from chaoslib_cp.cluster.undo.healer import WRITE_MAY_LAND_S, Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.cluster.undo.kinds.record import holds
from chaoslib_cp.cluster.undo.likeness import doubt_about
from chaoslib_cp.cluster.undo.objects import OBJECT_KINDS, created_kinds, group_and_resource, object_path, said
from chaoslib_cp.cluster.undo.pods import ends_at_s, pods_at_work, seconds
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import UndoFailed

NAME: Final = "delete_object"
ALREADY_GONE: Final = "already gone"
DELETED: Final = "deleted"
# What Kubernetes takes as a label's value (source: Kubernetes documentation, "Labels and Selectors").
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_YEAR_3000_S: Final = 32_503_680_000.0
_LOADED: Final = ("DaemonSet", "Job")  # the runner may list these everywhere; what comes without one carries no load


@dataclass(frozen=True)
class OurObject:
    """The facts of an entry.

    Attributes:
        object_kind: Kubernetes kind, for example ``DaemonSet``.
        namespace: Its namespace, empty for kinds without one.
        name: Its name.
        run: Value of the label ``chaoslib-cp/run`` that marks it as ours.
        ends_at_epoch_s: When its pods end by themselves, seconds since 1970; None when it says no end.
        sent: The object as it was about to be sent, to know it again if no answer comes. No secrets.
    """

    object_kind: str
    namespace: str
    name: str
    run: str
    ends_at_epoch_s: float | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no log of ours can contain."""
        kind = OBJECT_KINDS.get(self.object_kind)
        if kind is None or not kind.we_create:
            raise UndoFailed(f"undo entry would delete a {self.object_kind!r}, which we never make; the log was edited")
        if not _LABEL_VALUE.fullmatch(self.run):
            raise UndoFailed(f"undo entry is of run {self.run!r}, which no label can hold; the log was edited")
        object_path(self.object_kind, self.namespace, self.name)

    def __str__(self) -> str:
        """The object as a person writes it."""
        return said(self.object_kind, self.namespace, self.name)

    @property
    def path(self) -> str:
        """Its API path."""
        return object_path(self.object_kind, self.namespace, self.name)

    def entry(self, fault: str) -> Entry:
        """The undo entry of its creation."""
        return Entry(NAME, fault, str(self), {key: value for key, value in asdict(self).items() if value is not None})


def our_object(entry: Entry) -> OurObject:
    """Read the facts of an entry.

    Raises:
        UndoFailed: This kind never writes such facts; nothing was done.
    """
    match entry.facts:
        case {
            "object_kind": str() as kind,
            "namespace": str() as namespace,
            "name": str() as name,
            "run": str() as run,
        }:
            sent = entry.facts.get("sent")
            end_s = seconds(entry.facts.get("ends_at_epoch_s"))
            return OurObject(kind, namespace, name, run, end_s, sent if isinstance(sent, dict) else {})
    raise UndoFailed(f"undo entry {entry} does not say which object to delete; it was left alone; the log was edited")


def of_manifest(manifest: Mapping[str, Any]) -> Entry:
    """The undo entry of an object that is about to be made; it carries the labels of its run and fault."""
    metadata = manifest["metadata"]
    labels = metadata["labels"]
    end_s = seconds((metadata.get("annotations") or {}).get(ENDS_AT))
    where = metadata.get("namespace", ""), metadata["name"]
    return OurObject(manifest["kind"], *where, labels[RUN_LABEL], end_s, manifest).entry(labels[FAULT_LABEL])


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
        UndoFailed: The entry is none of this kind.
    """
    ours = our_object(item.entry)
    uid, version = item.uid, ""
    if not uid:
        same.require(cluster, timeout_s)
        found = cluster.get(ours.path, timeout_s=timeout_s)
        if found is None or (found.get("metadata") or {}).get("uid") in known_uids:
            return _never_seen(item, clock)
        doubt = doubt_about(found, ours.sent, ours.run)
        if doubt:
            return Undone(closed=False, words=_in_doubt(ours, doubt))
        uid, version = _uid_if_ours(found, ours), str((found.get("metadata") or {}).get("resourceVersion") or "")
        if not uid:
            return Undone(closed=True, words="another object has its name, left alone")
    undone = _delete(cluster, ours, {"uid": uid, "resourceVersion": version}, timeout_s)
    if undone.closed and undone.words != DELETED:
        same.require(cluster, timeout_s)
    return undone


class DeleteObject:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Only kinds that we make, only names that objects can have."""
        our_object(entry)

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """Delete it, and wait for its pods if the healer does; a record goes after the change that it tells of."""
        ours = our_object(item.entry)
        for other in healer.log.open_items() if ours.namespace == LIBRARY_NAMESPACE else ():
            if holds(other.entry, ours.namespace, ours.name):
                return Undone(closed=False, words=f"kept as the record of {other.entry} until that is taken back")

        def attempt(cluster: Cluster) -> Undone:
            undone = delete_ours(cluster, healer.same, item, healer.attempt_s, healer.clock, healer.known_uids)
            return _with_pods(cluster, item, undone, healer) if undone.closed and healer.waits_for_pods else undone

        return healer.by_whoever_may(f"{item.entry} was not deleted", attempt)

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:
        """The object, if what has its name carries the label of our run."""
        ours = our_object(item.entry)
        there = cluster.get(ours.path, timeout_s=timeout_s)
        return str(ours) if there and _run_of(there) == ours.run else ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:
        """Only what has this name and our run's label."""
        ours = our_object(item.entry)
        where = f" --namespace {ours.namespace}" if ours.namespace else ""
        return [
            f"{kubectl}{where} delete {ours.object_kind.lower()} "
            f"--selector {RUN_LABEL}={ours.run} --field-selector metadata.name={ours.name} --wait=false"
        ]

    def rights(self, entry: Entry) -> Iterable[Right]:
        """Undo finds out whether an object is ours, then deletes it."""
        ours = our_object(entry)
        group, resource = group_and_resource(ours.object_kind)
        of_one = (group, resource, ours.object_kind, ours.namespace, ours.name)
        return [Right(verb, *of_one) for verb in ("get", "delete")]

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:
        """Whatever carries a run, a fault and an end, of the kinds that we make."""
        for object_kind, template in created_kinds().items():
            if not as_runner or object_kind in _LOADED:
                path = template.replace("/namespaces/{namespace}", "")
                listed = cluster.get(path, timeout_s=timeout_s, labelSelector=f"{RUN_LABEL},{FAULT_LABEL}") or {}
                yield from _found(object_kind, listed)


DELETE_OBJECT: Final = DeleteObject()


def _with_pods(cluster: Cluster, item: Item, undone: Undone, healer: Healer) -> Undone:
    """Leave an entry open while pods of its fault are at work.

    A ServiceAccount stands for pods whose DaemonSet somebody else deleted: it is made before them and closed after.
    """
    ours, now_s = our_object(item.entry), healer.clock.epoch_s()
    if not OBJECT_KINDS[ours.object_kind].has_pods or now_s >= ends_at_s(item):
        return undone
    at_work = pods_at_work(cluster, ours.namespace, now_s, healer.attempt_s)
    left = [pod for pod in at_work if (pod.run, pod.fault) == (ours.run, item.fault)]
    if not left:
        return undone
    last_s = max(pod.ends_at_s for pod in left) - now_s
    return Undone(
        closed=False,
        words=f"{undone.words}, but {len(left)} pods of its run are still at work, first {left[0].name}; they end by "
        f"themselves within {last_s:.0f} s",
    )


def _delete(cluster: Cluster, ours: OurObject, expected: Mapping[str, str], timeout_s: float) -> Undone:
    """Delete what is still as expected: with our UID and, where that was only just seen, nothing edited since."""
    options = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {key: value for key, value in expected.items() if value},
        # a pod of ours needs no time to end; else it is listed until its kubelet, which may be dead, says so
        **({"gracePeriodSeconds": 0} if ours.object_kind == "Pod" else {}),
    }
    answer = cluster.call("DELETE", ours.path, body=options, timeout_s=timeout_s)
    if answer.status == 404:
        return Undone(closed=True, words=ALREADY_GONE)
    if answer.status == 409:
        return _conflict(cluster, ours, expected["uid"], timeout_s)
    cluster.expect_success(answer, f"delete {ours}")
    if answer.json().get("kind") == "Status":
        return Undone(closed=True, words=DELETED)
    # The object itself comes back when a finalizer or a grace period holds it: gone only when it is not found.
    if cluster.get(ours.path, timeout_s=timeout_s) is None:
        return Undone(closed=True, words=DELETED)
    return Undone(closed=False, words=f"{ours} is being deleted but something still holds it (a finalizer)")


def _conflict(cluster: Cluster, ours: OurObject, uid: str, timeout_s: float) -> Undone:
    """Look before believing: the precondition is not the only reason for a conflict."""
    found = cluster.get(ours.path, timeout_s=timeout_s)
    if found is None:
        return Undone(closed=True, words=ALREADY_GONE)
    if (found.get("metadata") or {}).get("uid") != uid:
        return Undone(closed=True, words="ours is gone, another object has its name, left alone")
    return Undone(closed=False, words=f"{ours} is still there, and the API server refuses to delete it for a conflict")


def _never_seen(item: Item, clock: Clock) -> Undone:
    age_s = item.age_s(clock)
    if age_s < WRITE_MAY_LAND_S:
        return Undone(
            closed=False,
            words=f"{item.entry} is not seen yet, but its create was never answered and may land for another "
            f"{WRITE_MAY_LAND_S - age_s:.0f} s",
        )
    return Undone(closed=True, words="was never made")


def _in_doubt(ours: OurObject, doubt: str) -> str:
    where = f" --namespace {ours.namespace}" if ours.namespace else ""
    look = f"kubectl{where} get {ours.object_kind.lower()} {ours.name} --output yaml"
    return (
        f"{ours} {doubt}, and its create was never answered: somebody edited ours, or made another; left alone; look "
        f"at it (`{look}`) and delete or rename it by hand"
    )


def _run_of(found: Mapping[str, Any]) -> object:
    return ((found.get("metadata") or {}).get("labels") or {}).get(RUN_LABEL)


def _uid_if_ours(found: Mapping[str, Any], ours: OurObject) -> str:
    return str((found.get("metadata") or {}).get("uid") or "") if _run_of(found) == ours.run else ""


def _found(object_kind: str, listed: Mapping[str, Any]) -> Iterator[Found]:
    for item in listed.get("items") or []:
        metadata = item["metadata"]
        end_s = seconds((metadata.get("annotations") or {}).get(ENDS_AT))
        if end_s is None or not 0 <= end_s < _YEAR_3000_S:
            continue  # we write none without a definite end: somebody else's
        if metadata.get("ownerReferences"):
            continue  # a pod that a controller made goes with what that controller has it for
        try:
            run = metadata["labels"][RUN_LABEL]
            ours = OurObject(object_kind, metadata.get("namespace", ""), metadata["name"], run, end_s)
            yield Found(ours.entry(metadata["labels"][FAULT_LABEL]), run, end_s, {"uid": str(metadata["uid"])})
        except (UndoFailed, KeyError):
            continue  # a label that we never write
