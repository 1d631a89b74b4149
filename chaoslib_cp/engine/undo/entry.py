"""The closed set of things that can be taken back.

Adding a kind means adding its class here, its line in ``KINDS`` and its executor in ``cluster/undo/heal.py``.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

from chaoslib_cp.errors import UndoFailed

# A Kubernetes object name as the API server accepts it for the kinds we create (source: Kubernetes documentation,
# "Object Names and IDs": RFC 1123 subdomain; RBAC names also allow ":").
_NAME = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class DeleteObject:
    """We are about to create this object; undo is to delete it, if it is still ours.

    Attributes:
        object_kind: Kubernetes kind, for example ``DaemonSet``.
        namespace: Its namespace, empty for cluster-scoped kinds.
        name: Its name.
        run: Value of the label ``chaoslib-cp/run`` that marks it as ours.
    """

    kind: ClassVar[str] = "delete_object"
    object_kind: str
    namespace: str
    name: str
    run: str

    def __post_init__(self) -> None:
        """Refuse what no log of ours can contain: an edited log must not steer a delete elsewhere."""
        if not re.fullmatch(r"[A-Z][A-Za-z]+", self.object_kind):
            raise UndoFailed(f"undo entry names the kind {self.object_kind!r}, which is not a kind; the log was edited")
        for text in (self.name, self.namespace or "a", self.run.lower()):
            if not _NAME.fullmatch(text.replace("_", "-")):
                raise UndoFailed(f"undo entry names {text!r}, which is not an object name; the log was edited")

    def __str__(self) -> str:
        """The object as a person writes it: ``DaemonSet kube-system/name``."""
        return (
            f"{self.object_kind} {self.namespace}/{self.name}" if self.namespace else f"{self.object_kind} {self.name}"
        )


@dataclass(frozen=True)
class ObserveOnly:
    """A change that the cluster repairs by itself: on record, nothing to undo.

    Attributes:
        what: What is done, for people, for example ``delete pod kube-system/coredns-abc``.
    """

    kind: ClassVar[str] = "observe_only"
    what: str

    def __str__(self) -> str:
        """What is done."""
        return self.what


Entry = DeleteObject | ObserveOnly
KINDS: Mapping[str, type[DeleteObject] | type[ObserveOnly]] = {
    DeleteObject.kind: DeleteObject,
    ObserveOnly.kind: ObserveOnly,
}


def entry_as_dict(entry: Entry) -> dict[str, str]:
    """The entry as it is written to the log."""
    return {"kind": entry.kind, **asdict(entry)}


def parse_entry(data: Mapping[str, object]) -> Entry:
    """Read one entry back.

    Raises:
        UndoFailed: The kind is unknown or its facts are not the ones this kind has; nothing was done.
    """
    kind = KINDS.get(str(data.get("kind")))
    facts = {key: value for key, value in data.items() if key != "kind"}
    if kind is None or not all(isinstance(value, str) for value in facts.values()):
        raise UndoFailed(f"undo entry of unknown kind {data.get('kind')!r}; it was left alone; use a newer chaoslib_cp")
    try:
        return kind(**{key: str(value) for key, value in facts.items()})
    except TypeError as error:
        raise UndoFailed(f"undo entry of kind {kind.kind} has other facts than that kind: {error}") from error
