"""Undo kind ``written_by_load``: a load writes thousands of objects; one entry stands for all of them.

They are in the one namespace that loads write to, each with the labels of its run and fault, and these choose what is
deleted. Events expire after an hour by themselves (source: kube-apiserver, --event-ttl).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, OWNER_LABELS, RUN_LABEL
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.engine.load.fields import LABEL_VALUE, matches
from chaoslib_cp.engine.load.patterns.bodies import COLLECTIONS, WRITES_NAMESPACE, resource_of
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import UndoFailed

NAME: Final = "written_by_load"
# So many are deleted by one call, which a starved server must answer within the limit of a call.
_AT_ONCE: Final = 500
_EVENTS_EXPIRE: Final = "Events expire by themselves within an hour"


@dataclass(frozen=True)
class WrittenByLoad:
    """The facts of an entry.

    Attributes:
        run: Value of the label ``chaoslib-cp/run`` of each object.
        fault: Value of the label ``chaoslib-cp/fault``.
        ends_at_epoch_s: When the load has ended by itself, whole seconds since 1970.
    """

    run: str
    fault: str
    ends_at_epoch_s: int

    @property
    def marks(self) -> dict[str, str]:
        """Labels of each object."""
        return {**OWNER_LABELS, RUN_LABEL: self.run, FAULT_LABEL: self.fault, ENDS_AT: str(self.ends_at_epoch_s)}

    @property
    def selector(self) -> str:
        """What chooses them."""
        return f"{RUN_LABEL}={self.run},{FAULT_LABEL}={self.fault}"

    def entry(self) -> Entry:
        """The undo entry of all that the load will write."""
        return Entry(NAME, self.fault, f"what {self.fault} wrote in {WRITES_NAMESPACE}", asdict(self))


def read_written(entry: Entry) -> WrittenByLoad:
    """Read the facts of an entry.

    Raises:
        UndoFailed: This kind never writes such facts; nothing was done.
    """
    facts: Mapping[str, object] = entry.facts
    match facts:
        case {"run": str() as run, "fault": str() as fault, "ends_at_epoch_s": int() as end_s} if (
            set(facts) == {"run", "fault", "ends_at_epoch_s"}
            and matches(LABEL_VALUE, run)
            and matches(LABEL_VALUE, fault)
            and fault == entry.fault
            and end_s > 0
            and not isinstance(end_s, bool)
        ):
            return WrittenByLoad(run, fault, end_s)
    raise UndoFailed(
        f"undo entry {entry} does not say whose objects to delete; they were left alone; the log was edited"
    )


class Written:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Only a run, its fault and an end."""
        read_written(entry)

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """Delete what there is; closed by the look after that, so that a write which lands late is seen."""
        ours = read_written(item.entry)

        def attempt(cluster: Cluster) -> Undone:
            healer.same.require(cluster, healer.attempt_s)
            end_s = healer.clock.monotonic_s() + healer.attempt_s
            left = there_are(cluster, ours.selector, healer.attempt_s)
            if not left:
                return Undone(closed=True, words="deleted, as far as there was anything")
            while left and healer.clock.monotonic_s() < end_s:
                for kind in left:
                    _delete_some(cluster, kind, ours.selector, healer.attempt_s)
                left = there_are(cluster, ours.selector, healer.attempt_s)
            words = f"{said(left)} are left; {_EVENTS_EXPIRE}" if left else "deleted, and looked at once more"
            return Undone(closed=False, words=words)

        return healer.by_whoever_may(f"{item.entry} was not deleted; {_EVENTS_EXPIRE}", attempt)

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:
        """How many there are of each kind."""
        left = there_are(cluster, read_written(item.entry).selector, timeout_s)
        return f"{item.entry}: {said(left)}" if left else ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:
        """All of them by their labels."""
        kinds = ",".join(path.rpartition("/")[2] for path in COLLECTIONS.values())
        chosen = f"--selector {read_written(item.entry).selector} --wait=false"
        return [f"{kubectl} --namespace {WRITES_NAMESPACE} delete {kinds} {chosen}"]

    def rights(self, entry: Entry) -> Iterable[Right]:
        """To see them and to delete them, in the one namespace."""
        read_written(entry)
        return [
            Right(verb, group, resource, f"set of {kind}s", WRITES_NAMESPACE)
            for kind, (group, resource) in GROUPS.items()
            for verb in ("list", "deletecollection")
        ]

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:
        """By their labels; they carry no load, so a runner need not look for them."""
        seen: dict[WrittenByLoad, None] = {}
        for path in () if as_runner else COLLECTIONS.values():
            query = {"labelSelector": f"{RUN_LABEL},{FAULT_LABEL},{ENDS_AT}", "limit": str(_AT_ONCE)}
            for one in (cluster.get(path, timeout_s, **query) or {}).get("items") or []:
                labels = one["metadata"]["labels"]
                if labels[ENDS_AT].isdecimal():
                    seen[WrittenByLoad(labels[RUN_LABEL], labels[FAULT_LABEL], int(labels[ENDS_AT]))] = None
        for ours in seen:
            yield Found(ours.entry(), ours.run, ours.ends_at_epoch_s)


WRITTEN: Final = Written()
GROUPS: Final = {kind: resource_of(path)[:2] for kind, path in COLLECTIONS.items()}
"""API group (empty for the core) and resource of each kind that loads write, as rights name them."""


def there_are(cluster: Cluster, selector: str, timeout_s: float) -> dict[str, str]:
    """How many objects there are of each kind of which there are any, as people say it: ``500 or more``."""
    found = {}
    for kind, path in COLLECTIONS.items():
        listed: dict[str, Any] = cluster.get(path, timeout_s, labelSelector=selector, limit=str(_AT_ONCE)) or {}
        count = len(listed.get("items") or [])
        if count:
            found[kind] = f"{count} or more" if (listed.get("metadata") or {}).get("continue") else str(count)
    return found


def said(counts: Mapping[str, str]) -> str:
    """Counts of kinds as people write them: ``500 or more Events, 20 Leases``."""
    return ", ".join(f"{count} {kind}{'' if count == '1' else 's'}" for kind, count in counts.items())


def _delete_some(cluster: Cluster, kind: str, selector: str, timeout_s: float) -> None:
    query = {"labelSelector": selector, "limit": str(_AT_ONCE)}
    answer = cluster.call("DELETE", COLLECTIONS[kind], query=query, timeout_s=timeout_s)
    cluster.expect_success(answer, f"delete {kind}s in {WRITES_NAMESPACE}")
