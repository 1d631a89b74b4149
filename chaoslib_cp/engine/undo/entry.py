"""One change on record: of which kind, by which fault, what it is about. Data, never code.

What the facts of a kind mean, and how it is taken back, is known to that kind alone (``cluster/undo/kinds``).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chaoslib_cp.errors import UndoFailed

_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
# With a number behind it, it is a label's value (source: Kubernetes documentation, "Labels and Selectors").
_FAULT = re.compile(r"[a-z][a-z0-9_]{0,39}-[1-9][0-9]{0,5}")
_MOST_WORDS = 1000


@dataclass(frozen=True)
class Entry:
    """A change that is about to be made.

    Attributes:
        kind: Undo kind: how it is taken back.
        fault: Id of the fault that it belongs to, for example ``agent_rollout-1``.
        what: What is changed, for people, for example ``DaemonSet kube-system/x``; also where the kind is unknown.
        facts: What the kind needs to take it back; goes through JSON. No secrets.
    """

    kind: str
    fault: str
    what: str
    facts: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse what no log of ours can contain."""
        if not _KIND.fullmatch(self.kind):
            raise UndoFailed(f"undo entry has the kind {self.kind!r}, which is no name of one; the log was edited")
        if not is_fault_id(self.fault):
            raise UndoFailed(f"undo entry is of fault {self.fault!r}, which is no id of one; the log was edited")
        if not self.what.isprintable() or len(self.what) > _MOST_WORDS:
            raise UndoFailed(f"undo entry of kind {self.kind} does not say in a line what it is; the log was edited")

    def __str__(self) -> str:
        """What is changed."""
        return self.what


def is_fault_id(text: str) -> bool:
    """Whether ``text`` is the id of a fault: a kind of fault, a hyphen, a number from 1."""
    return bool(_FAULT.fullmatch(text))


def kind_of_fault(fault: str) -> str:
    """The kind of a fault by its id: ``agent_rollout`` of ``agent_rollout-1``."""
    return fault.rpartition("-")[0]


def entry_as_dict(entry: Entry) -> dict[str, Any]:
    """The entry as it is written to the log."""
    return asdict(entry)


def parse_entry(data: Mapping[str, object]) -> Entry:
    """Read one entry back.

    Raises:
        UndoFailed: It is none that we write; nothing was done.
    """
    match data:
        case {"kind": str() as kind, "fault": str() as fault, "what": str() as what, "facts": dict() as facts}:
            return Entry(kind, fault, what, facts)
    raise UndoFailed("undo entry lacks its kind, fault, words or facts; nothing was undone; the log was edited")
