"""Editing fields of an object that is not ours: backed up on disk and in the cluster first, then compare and swap."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, CallFailed, Cluster
from chaoslib_cp.cluster.undo.fields import Field, is_same, swap, value_at
from chaoslib_cp.cluster.undo.kinds.record import record_name
from chaoslib_cp.cluster.undo.kinds.restore_object import NAME, SWAP_FAILED, EditedObject, edited_object
from chaoslib_cp.cluster.undo.objects import OBJECT_KINDS, object_path, said
from chaoslib_cp.cluster.undo.pods import LONGEST_S
from chaoslib_cp.cluster.undo.recorded import put_on_record, require_rights_for, take_off_record
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import Item, UndoLog, find_logs
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, UndoFailed

# An object whose status is written all the time has another version with each of these.
_ATTEMPTS: Final = 3


class EditedMeanwhile(TargetRefused):
    """The object was changed between our look and our edit."""


@dataclass(frozen=True)
class Edit:
    """What is wanted of one object.

    Attributes:
        object_kind: Kubernetes kind, one that we edit (``OBJECT_KINDS``).
        namespace: Its namespace, empty for kinds without one.
        name: Its name.
        fields: New value by path, for example ``("spec", "replicas")``; ``ABSENT`` takes the field away.
        ends_at_epoch_s: When the fault is over by itself, seconds since 1970; None for the longest that one may last.
    """

    object_kind: str
    namespace: str
    name: str
    fields: Mapping[tuple[str, ...], Any]
    ends_at_epoch_s: float | None = None

    def __str__(self) -> str:
        """The object as a person writes it."""
        return said(self.object_kind, self.namespace, self.name)


def edit(
    cluster: Cluster, log: UndoLog, fault: str, wanted: Edit, clock: Clock, timeout_s: float = DEFAULT_TIMEOUT_S
) -> int:
    """Edit fields of one object that somebody else made.

    Args:
        cluster: As the runner.
        log: The run's undo log.
        fault: Id of the fault that this belongs to, from ``log.next_fault``.
        wanted: What is edited, and how.
        clock: Source of time.
        timeout_s: Limit of each call.

    Returns:
        The number of its undo entry.

    Raises:
        ProfileInvalid: The kind, a path or a value is none that can be set; nothing was changed.
        TargetRefused: There is no such object, it is so already, another fault edits the same field, somebody edits it
            at this moment, or a right is missing; nothing was changed.
        CallFailed: No answer; whether it was edited is unknown, and its entry stays open.
        UndoFailed: It cannot be put on record; nothing was changed.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(EditedMeanwhile):
            return _edit_once(cluster, log, fault, wanted, clock, timeout_s)
    return _edit_once(cluster, log, fault, wanted, clock, timeout_s)


def _edit_once(cluster: Cluster, log: UndoLog, fault: str, wanted: Edit, clock: Clock, timeout_s: float) -> int:
    edited = _planned(cluster, log, fault, wanted, timeout_s)
    _refuse_overlap(log, edited, clock)
    end_s = wanted.ends_at_epoch_s or clock.epoch_s() + LONGEST_S
    require_rights_for(cluster, edited.entry(fault), end_s)
    edited = _as_stored(cluster, edited, timeout_s)
    noted = put_on_record(cluster, log, edited.entry(fault), end_s, timeout_s)
    try:
        _refuse_overlap(log, edited, clock, noted.number)
        answer = _patch(cluster, edited, timeout_s)
    except CallFailed as error:
        if not error.is_unknown:
            take_off_record(cluster, log, noted, clock)
        raise
    except (TargetRefused, ProfileInvalid):
        take_off_record(cluster, log, noted, clock)
        raise
    log.note(noted.number, version=_version(answer))
    return noted.number


def _object(cluster: Cluster, wanted: Edit, timeout_s: float) -> dict[str, Any]:
    kind = OBJECT_KINDS.get(wanted.object_kind)
    if kind is None or not kind.we_edit:
        editable = ", ".join(name for name, one in OBJECT_KINDS.items() if one.we_edit)
        raise ProfileInvalid(f"a {wanted.object_kind} is never edited; nothing was changed; edit one of {editable}")
    found = cluster.get(object_path(wanted.object_kind, wanted.namespace, wanted.name), timeout_s=timeout_s)
    if found is None:
        raise TargetRefused(f"there is no {wanted} in {cluster.server}; nothing was changed; name one that is there")
    return found


def _planned(cluster: Cluster, log: UndoLog, fault: str, wanted: Edit, timeout_s: float) -> EditedObject:
    """The edit of the object as it is now."""
    before = _object(cluster, wanted, timeout_s)
    fields = tuple(_changed_fields(wanted, before))
    uid = str(before["metadata"].get("uid") or "")
    record = record_name(log.run, fault, f"{wanted}: {', '.join(map(str, fields))}", len(log.items()))
    where = (wanted.object_kind, wanted.namespace, wanted.name)
    return EditedObject(*where, uid, _version(before), log.run, record, fields)


def _as_stored(cluster: Cluster, edited: EditedObject, timeout_s: float) -> EditedObject:
    """The same with the values as the API server would store them: it is asked, and changes nothing."""
    tried = _patch(cluster, edited, timeout_s, dryRun="All")
    stored = tuple(replace(field, ours=value_at(tried, field.path)) for field in edited.fields)
    unchanged = [str(field) for field in stored if is_same(field.ours, field.before)]
    if unchanged:
        raise TargetRefused(
            f"{', '.join(unchanged)} of {edited.named} is as asked already; nothing was changed; ask for something else"
        )
    return replace(edited, fields=stored)


def _changed_fields(wanted: Edit, before: Mapping[str, Any]) -> Iterator[Field]:
    if not wanted.fields:
        raise ProfileInvalid(f"no field of {wanted} is named; nothing was changed; name one")
    for path, value in wanted.fields.items():
        if not path or path[0] not in ("data", "spec", "metadata") or path[:2] == ("metadata", "resourceVersion"):
            raise ProfileInvalid(f"{'.'.join(path)} of {wanted} is never edited; nothing was changed")
        if not isinstance(value_at(before, path[:-1]), Mapping):
            raise TargetRefused(
                f"{wanted} has no {'.'.join(path[:-1])} to set {path[-1]} in; nothing was changed; set that as a whole"
            )
        yield Field(path, value_at(before, path), value)


def _patch(cluster: Cluster, edited: EditedObject, timeout_s: float, **query: str) -> dict[str, Any]:
    """Make the edit where the object is as it was read, and return the object.

    Raises:
        EditedMeanwhile: It is no longer; nothing was changed.
        TargetRefused, ProfileInvalid, CallFailed: What the API server says to it.
    """
    body = swap(edited.fields, {"uid": edited.uid, "resourceVersion": edited.version}, back=False)
    answer = cluster.call("PATCH", edited.path, body=body, query=query, timeout_s=timeout_s)
    if answer.status in SWAP_FAILED and _version(cluster.get(edited.path, timeout_s=timeout_s) or {}) != edited.version:
        raise EditedMeanwhile(
            f"{edited.named} is edited by somebody at this moment; nothing was changed by it; try again"
        )
    cluster.expect_success(answer, f"edit {edited}")
    return answer.json()


def _refuse_overlap(log: UndoLog, edited: EditedObject, clock: Clock, number: int | None = None) -> None:
    """Refuse the second of two edits of one field: whoever is put back last would decide what it is.

    Args:
        log: The run's log.
        edited: What is to be edited.
        clock: Source of time.
        number: Its own entry once that is on record; then only what was there before it counts.
    """
    for run, item in _open_edits(log, clock):
        is_own = run == log.run and number is not None and item.number >= number
        field = "" if is_own else edited.overlap(edited_object(item.entry))
        if field:
            raise TargetRefused(
                f"{field} of {edited.named} is edited by fault {item.fault} of run {run} already; nothing was changed; "
                "stop that one first, or edit another field"
            )


def _open_edits(log: UndoLog, clock: Clock) -> Iterator[tuple[str, Item]]:
    """Every edit that is open in this cluster, whoever made it."""
    for path in find_logs(undo_folder()):
        with suppress(UndoFailed):  # the gate refuses what cannot be read
            other = UndoLog.read(path, clock)
            if other.header.get("cluster_uid") == log.header.get("cluster_uid"):
                yield from ((other.run, item) for item in other.open_items() if item.entry.kind == NAME)


def _version(found: Mapping[str, Any]) -> str:
    return str((found.get("metadata") or {}).get("resourceVersion") or "")
