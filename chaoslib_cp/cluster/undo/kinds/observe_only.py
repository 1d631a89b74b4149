"""Undo kind ``observe_only``: a change that the cluster repairs by itself. On record, nothing to undo."""

from collections.abc import Iterable, Iterator
from typing import Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone

NAME: Final = "observe_only"


def observed(fault: str, what: str) -> Entry:
    """The entry of such a change, for example ``delete pod kube-system/coredns-abc``."""
    return Entry(NAME, fault, what, {})


class ObserveOnly:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Nothing is done by its facts, so any will do."""

    def take_back(self, item: Item, healer: Healer) -> Undone:  # noqa: ARG002 - the contract has it
        """Close it."""
        return Undone(closed=True, words=f"nothing to undo: {item.entry}")

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:  # noqa: ARG002 - the contract has it
        """Never anything: whoever repairs it does so without us."""
        return ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:  # noqa: ARG002 - the contract has it
        """There is nothing to do."""
        return []

    def rights(self, entry: Entry) -> Iterable[Right]:  # noqa: ARG002 - the contract has it
        """None."""
        return ()

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:  # noqa: ARG002 - the contract has it
        """It leaves nothing that carries our label."""
        yield from ()


OBSERVE_ONLY: Final = ObserveOnly()
