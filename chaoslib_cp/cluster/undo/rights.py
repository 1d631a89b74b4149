"""May this identity take back what it is about to do? Asked before the first change."""

from collections.abc import Iterable

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.review import Access, may
from chaoslib_cp.cluster.undo.kinds import Right, kind_of
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.errors import TargetRefused


def require_undo_rights(cluster: Cluster, entries: Iterable[Entry]) -> None:
    """Refuse to do what could not be taken back; a review stores nothing in the cluster.

    Args:
        cluster: The identity that will undo.
        entries: What is about to be done.

    Raises:
        TargetRefused: A right is missing; nothing was changed.
        UndoFailed: An entry is of a kind that nobody here knows; nothing was changed.
        CallFailed: The API does not answer, so nobody knows; nothing was changed.
    """
    rights = dict.fromkeys(right for entry in entries for right in kind_of(entry).rights(entry))
    for right in rights:
        require_right(cluster, right, "so it could not be taken back")


def require_right(cluster: Cluster, right: Right, so: str) -> None:
    """Refuse what would be done half without a right; a review stores nothing in the cluster.

    Args:
        cluster: Whose right.
        right: Which.
        so: What would follow from doing it all the same, as half a sentence.

    Raises:
        TargetRefused: It is missing; nothing was changed.
        CallFailed: The API does not answer, so nobody knows; nothing was changed.
    """
    access = Access(right.verb, right.group, right.resource, right.namespace, right.name)
    if not may(cluster, access):
        what = f"{right.what} {right.name}" if right.name else f"a {right.what}"
        where = f" in {right.namespace}" if right.namespace else ""
        raise TargetRefused(
            f"{cluster.identity} ({cluster.context or cluster.server}) may not {right.verb} {what}{where}, "
            f"{so}; nothing was changed; apply the roles of `chaos cp manifests` (they are for agents in "
            "kube-system and chaoslib-cp; elsewhere the runner needs such a Role, too)"
        )
