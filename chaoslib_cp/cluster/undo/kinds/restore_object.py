"""Undo kind ``restore_object``: fields of an object that is not ours are edited; undo sets them back, byte for byte.

Compare and swap, by the version of the object and by content: what somebody else edited since is never overwritten.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.go_json import go_json
from chaoslib_cp.cluster.undo.fields import Field, parse_field, swap
from chaoslib_cp.cluster.undo.healer import WRITE_MAY_LAND_S, Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.cluster.undo.kinds.record import find_records
from chaoslib_cp.cluster.undo.objects import OBJECT_KINDS, group_and_resource, object_path, said
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import UndoFailed

NAME: Final = "restore_object"
_RECORD: Final = re.compile(r"chaoslib-cp-undo-[0-9a-f]{16}")
SWAP_FAILED: Final = (409, 422)
"""How an API server answers a patch that found the object changed (source: apiserver, handlers/patch.go)."""


@dataclass(frozen=True)
class EditedObject:
    """The facts of an entry.

    Attributes:
        object_kind: Kubernetes kind, for example ``Deployment``.
        namespace: Its namespace, empty for kinds without one.
        name: Its name.
        uid: UID of the object that was edited.
        version: Its resourceVersion just before.
        run: Run that edits it.
        record: Name of the ConfigMap that holds this entry in the cluster.
        fields: What was edited.
    """

    object_kind: str
    namespace: str
    name: str
    uid: str
    version: str
    run: str
    record: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        """Refuse what no log of ours can contain."""
        kind = OBJECT_KINDS.get(self.object_kind)
        if kind is None or not kind.we_edit:
            raise UndoFailed(f"undo entry would edit a {self.object_kind!r}, which we never do; the log was edited")
        if not self.fields or any(field.path[0] not in ("data", "spec", "metadata") for field in self.fields):
            raise UndoFailed("undo entry would edit no field, or one that we never do; the log was edited")
        if not self.uid or not _RECORD.fullmatch(self.record):
            raise UndoFailed("undo entry names no object by its UID, or no record of it; the log was edited")
        object_path(self.object_kind, self.namespace, self.name)

    def __str__(self) -> str:
        """The object and its fields as a person writes them."""
        return f"{self.named}: {', '.join(map(str, self.fields))}"

    @property
    def named(self) -> str:
        """The object as a person writes it."""
        return said(self.object_kind, self.namespace, self.name)

    @property
    def path(self) -> str:
        """Its API path."""
        return object_path(self.object_kind, self.namespace, self.name)

    def entry(self, fault: str) -> Entry:
        """The undo entry of the edit."""
        known = {key: value for key, value in vars(self).items() if key != "fields"}
        return Entry(NAME, fault, str(self), {**known, "fields": [field.as_dict() for field in self.fields]})

    def overlap(self, other: "EditedObject") -> str:
        """A field that both of two edits are about; empty when there is none."""
        if self.path != other.path:
            return ""
        return next((str(one) for one in self.fields for two in other.fields if one.overlaps(two)), "")


def edited_object(entry: Entry) -> EditedObject:
    """Read the facts of an entry.

    Raises:
        UndoFailed: This kind never writes such facts; nothing was done.
    """
    facts = dict(entry.facts)
    given = facts.pop("fields", None)
    fields = [parse_field(one) for one in given] if isinstance(given, list) else [None]
    known = [field for field in fields if field is not None]
    if len(known) == len(fields) and all(isinstance(value, str) for value in facts.values()):
        try:
            return EditedObject(**facts, fields=tuple(known))
        except TypeError:
            pass  # a fact is missing, or there is one too many
    raise UndoFailed(f"undo entry {entry} does not say what to restore; it was left alone; the log was edited")


class RestoreObject:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Only kinds that we edit, only fields that stand in a file, only names that objects can have."""
        edited_object(entry)

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """Set back what still is as we made it; leave alone, and open, what somebody else edited since."""
        edited = edited_object(item.entry)
        return healer.by_whoever_may(
            f"{item.entry} was not restored", lambda cluster: _restore(cluster, edited, item, healer)
        )

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:
        """The fields that still are as we made them."""
        edited = edited_object(item.entry)
        found = cluster.get(edited.path, timeout_s=timeout_s)
        ours = [str(field) for field in edited.fields if found is not None and field.is_ours(found)]
        return f"{edited.named}: {', '.join(ours)}" if ours else ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:
        """The same compare and swap: refused where a field is no longer as we made it."""
        edited = edited_object(item.entry)
        where = f" --namespace {edited.namespace}" if edited.namespace else ""
        patch = go_json(swap(edited.fields, {"uid": edited.uid}, back=True))
        return [
            f"{kubectl}{where} patch {edited.object_kind.lower()} {edited.name} --type json "
            f"--patch {shlex.quote(patch)}"
        ]

    def rights(self, entry: Entry) -> Iterable[Right]:
        """Undo looks at the fields, then patches them."""
        edited = edited_object(entry)
        group, resource = group_and_resource(edited.object_kind)
        of_one = (group, resource, edited.object_kind, edited.namespace, edited.name)
        return [Right(verb, *of_one) for verb in ("get", "patch")]

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:
        """By the records in the cluster; the runner may not list them."""
        if not as_runner:
            yield from find_records(NAME, cluster, timeout_s)


RESTORE_OBJECT: Final = RestoreObject()


def _restore(cluster: Cluster, edited: EditedObject, item: Item, healer: Healer) -> Undone:
    found = cluster.get(edited.path, timeout_s=healer.attempt_s)
    if found is None or _uid(found) != edited.uid:
        healer.same.require(cluster, healer.attempt_s)
        return _without_the_object(edited, item, found, healer)
    ours = [field for field in edited.fields if field.is_ours(found)]
    strange = [field for field in edited.fields if not field.is_ours(found) and not field.is_before(found)]
    if ours:
        undone = _swap_back(cluster, edited, ours, found, healer)
        if not undone.closed or not strange:
            return undone
    if strange:
        return Undone(closed=False, words=_foreign(edited, item, strange, found, healer))
    return _as_before(edited, item, found, healer)


def _swap_back(
    cluster: Cluster, edited: EditedObject, ours: list[Field], found: Mapping[str, Any], healer: Healer
) -> Undone:
    """Set fields back in the object as it was just read."""
    patch = swap(ours, {"uid": edited.uid, "resourceVersion": _version(found)}, back=True)
    answer = cluster.call("PATCH", edited.path, body=patch, timeout_s=healer.attempt_s)
    if answer.status in (404, *SWAP_FAILED):
        return Undone(
            closed=False, words=f"{edited.named} was changed in this moment by somebody; it is looked at again"
        )
    cluster.expect_success(answer, f"restore {edited}")
    if not all(field.is_before(answer.json()) for field in ours):
        return Undone(closed=False, words=f"{edited.named} was restored, but does not show it; it is looked at again")
    return Undone(closed=True, words="restored")


def _without_the_object(edited: EditedObject, item: Item, found: Mapping[str, Any] | None, healer: Healer) -> Undone:
    """The object that we edited is gone; another one of its name may have been made from a copy of it."""
    copied = [field for field in edited.fields if found is not None and field.is_ours(found)]
    if not copied:
        words = "is gone" if found is None else "was made anew, with nothing of ours in it"
        return Undone(closed=True, words=f"the object that was edited {words}: nothing to restore")
    return Undone(
        closed=False,
        words=f"{edited.named} was made anew since, and {copied[0]} in it is as we had set it: left alone; "
        f"{copied[0].difference(found or {})}; {_what_to_do(item, healer)}",
    )


def _as_before(edited: EditedObject, item: Item, found: Mapping[str, Any], healer: Healer) -> Undone:
    """Nothing of ours is in it: done, unless our own patch was never answered and fits the object still."""
    age_s = item.age_s(healer.clock)
    may_land = "version" not in item.notes and _version(found) == edited.version and age_s < WRITE_MAY_LAND_S
    if may_land:
        return Undone(
            closed=False,
            words=f"{edited} is as before, but its patch was never answered and may land for another "
            f"{WRITE_MAY_LAND_S - age_s:.0f} s",
        )
    return Undone(closed=True, words="is as before")


def _foreign(edited: EditedObject, item: Item, strange: list[Field], found: Mapping[str, Any], healer: Healer) -> str:
    return (
        f"{edited.named} was edited by somebody else since, which is never overwritten: "
        f"{'; '.join(field.difference(found) for field in strange)}; {_what_to_do(item, healer)}"
    )


def _what_to_do(item: Item, healer: Healer) -> str:
    return (
        "set it as it was, then run `chaos cp recover`; or keep it as it is: "
        f"`chaos cp recover --keep {healer.log.run}:{item.number}`"
    )


def _uid(found: Mapping[str, Any]) -> str:
    return str((found.get("metadata") or {}).get("uid") or "")


def _version(found: Mapping[str, Any]) -> str:
    return str((found.get("metadata") or {}).get("resourceVersion") or "")
