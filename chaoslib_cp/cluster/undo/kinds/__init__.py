"""The undo kinds there are: one file each, and those of extensions. What must know about them asks here."""

from collections.abc import Mapping

from chaoslib_cp import extensions
from chaoslib_cp.cluster.undo.kinds.delete_object import DELETE_OBJECT
from chaoslib_cp.cluster.undo.kinds.driver import DRIVER
from chaoslib_cp.cluster.undo.kinds.kind import PARTS, Found, Right, UndoKind
from chaoslib_cp.cluster.undo.kinds.observe_only import OBSERVE_ONLY
from chaoslib_cp.cluster.undo.kinds.process import PROCESS
from chaoslib_cp.cluster.undo.kinds.restore_object import RESTORE_OBJECT
from chaoslib_cp.cluster.undo.kinds.written_by_load import WRITTEN
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.errors import UndoFailed

__all__ = ["Found", "Right", "UndoKind", "kind_of", "problems", "undo_kinds"]

_OURS: tuple[UndoKind, ...] = (DELETE_OBJECT, OBSERVE_ONLY, RESTORE_OBJECT, DRIVER, PROCESS, WRITTEN)


def undo_kinds() -> Mapping[str, UndoKind]:
    """Every undo kind that is whole, by its name; no extension takes the place of one of ours."""
    theirs = [kind for kind in extensions.rows("UNDO_KINDS") if not _lacks(kind)]
    return {kind.name: kind for kind in (*theirs, *_OURS)}


def problems() -> list[str]:
    """Why a kind that an extension declares cannot be used, one line each."""
    said = []
    for kind in extensions.rows("UNDO_KINDS"):
        name = getattr(kind, "name", type(kind).__name__)
        if lacks := _lacks(kind):
            said.append(f"undo kind {name!r} lacks {', '.join(lacks)}; what is of it cannot be undone; add that")
        elif any(name == one.name for one in _OURS):
            said.append(f"undo kind {name!r} of an extension has a name of ours; give it another one")
    return said


def kind_of(entry: Entry, number: int | None = None) -> UndoKind:
    """The kind of an entry, its facts checked.

    Args:
        entry: The entry.
        number: Its number in the log, for the error.

    Raises:
        UndoFailed: No module here knows the kind, or it never writes such facts: nothing was done.
    """
    kind = undo_kinds().get(entry.kind)
    if kind is None:
        which = "an entry" if number is None else f"entry {number}"
        missing = "; ".join([*extensions.problems(), *problems()])
        raise UndoFailed(
            f"{which} ({entry.what}) is of kind {entry.kind}, which no module here knows; it was left alone; set "
            f"{extensions.VARIABLE} to the module that declares it, or use the version that wrote it"
            + (f" ({missing})" if missing else "")
        )
    kind.check(entry)
    return kind


def kind_of_item(item: Item) -> UndoKind:
    """The kind of what a log tells; see :func:`kind_of`."""
    return kind_of(item.entry, item.number)


def _lacks(kind: object) -> list[str]:
    return [part for part in PARTS if not hasattr(kind, part)]
