"""The contract of an undo kind: everything that must be known of one sort of change, in one place.

Whoever undoes, looks for what is left, prints commands, asks for rights or finds a lost record asks the kind. A kind of
somebody else's is a row of its module's table ``UNDO_KINDS`` (``chaoslib_cp/extensions.py``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone


@dataclass(frozen=True)
class Right:
    """One thing that the identity which undoes must be allowed to do.

    Attributes:
        verb: For example ``delete``.
        group: API group, empty for the core.
        resource: For example ``daemonsets``.
        what: The same for people, for example ``DaemonSet``.
        namespace: Empty for what has none.
        name: Of the one object; empty for any.
    """

    verb: str
    group: str
    resource: str
    what: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class Found:
    """A change of ours as the cluster shows it, without a log.

    Attributes:
        entry: What would undo it.
        run: Run that made it.
        ends_at_s: When its fault ends by itself, seconds since 1970.
        notes: What an undo log would have learned about it, for example ``uid``.
    """

    entry: Entry
    run: str
    ends_at_s: float
    notes: Mapping[str, str] = field(default_factory=dict)


class UndoKind(Protocol):
    """One sort of change. All of its parts read an entry's facts as if anybody could have written them."""

    @property
    def name(self) -> str:
        """What entries of this kind have as their ``kind``."""

    def check(self, entry: Entry) -> None:
        """Refuse facts that this kind never writes: an edited log must not steer anything elsewhere.

        Raises:
            UndoFailed: They are such; nothing was done.
        """

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """Make one attempt to take the change back, and verify that.

        Raises:
            ControlPlaneError: It could not be done now; the entry stays open and is tried again.
        """

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:
        """What of the change is still there, for people, as the cluster shows it; empty when nothing is.

        Raises:
            ControlPlaneError: Nobody can tell now.
        """

    def by_hand(self, item: Item, kubectl: str) -> list[str]:
        """The commands that do the same by hand, fit to be pasted into a shell.

        Args:
            item: The entry.
            kubectl: How kubectl is called for that cluster, with its options.
        """

    def rights(self, entry: Entry) -> Iterable[Right]:
        """What whoever takes it back must be allowed to do."""

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:
        """Find changes of this kind in a cluster, whether a log tells of them or not, first made first.

        Args:
            cluster: Where.
            timeout_s: Limit of each call.
            as_runner: Look only for what the runner may list, and what carries load; otherwise for everything.

        Raises:
            ControlPlaneError: Nobody can tell now.
        """


PARTS = ("name", "check", "take_back", "still_there", "by_hand", "rights", "find")
