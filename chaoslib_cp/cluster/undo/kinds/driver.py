"""Undo kind ``driver``: a setting of an infrastructure driver is changed; undo sets it back where it still is ours."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.healer import WRITE_MAY_LAND_S, Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.cluster.undo.kinds.record import find_records
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import ControlPlaneError, UndoFailed
from chaoslib_cp.infrastructure import Driver, open_driver
from chaoslib_cp.infrastructure.setting import SETTINGS, Value
from chaoslib_cp.settings import Settings, read_settings

NAME: Final = "driver"
SET_S: Final = 30.0
"""How long one call of a driver may take, seconds: a program starts, reaches the machines, and answers."""


@dataclass(frozen=True)
class ChangedSetting:
    """The facts of an entry.

    Attributes:
        infrastructure: The driver, as ``configuration.infrastructure`` names it; empty when only the environment of
            whoever recovers may name it.
        setting: Name of the setting.
        before: What it was.
        ours: What we set.
        cluster_uid: UID of the cluster that it belongs to.
        run: Run that changed it.
        record: Name of the ConfigMap that holds this entry in the cluster.
    """

    infrastructure: str
    setting: str
    before: Value
    ours: Value
    cluster_uid: str
    run: str
    record: str

    def __post_init__(self) -> None:
        """Refuse what no log of ours can contain."""
        values_fit = all(isinstance(value, float | str) for value in (self.before, self.ours))
        if self.setting not in SETTINGS or not values_fit or not self.cluster_uid:
            raise UndoFailed(f"undo entry would set {self.setting!r}, or to no value of it; the log was edited")

    def __str__(self) -> str:
        """The setting as a person writes it."""
        return f"setting {self.setting} of infrastructure {self.infrastructure.partition(':')[0] or 'of this cluster'}"

    def entry(self, fault: str) -> Entry:
        """The undo entry of the change."""
        return Entry(NAME, fault, str(self), asdict(self))

    def driver(self) -> Driver:
        """The driver that reaches it.

        Raises:
            TargetRefused, ProfileInvalid: None is named, or there is none of that name.
        """
        return open_driver(Settings(infrastructure=self.infrastructure) if self.infrastructure else read_settings())


def changed_setting(entry: Entry) -> ChangedSetting:
    """Read the facts of an entry.

    Raises:
        UndoFailed: This kind never writes such facts; nothing was done.
    """
    facts: Mapping[str, object] = entry.facts
    texts = ("infrastructure", "setting", "cluster_uid", "run", "record")
    if set(facts) == {*texts, "before", "ours"} and all(isinstance(facts[key], str) for key in texts):
        return ChangedSetting(**entry.facts)
    raise UndoFailed(f"undo entry {entry} does not say what to set back; it was left alone; the log was edited")


class DriverSetting:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Only settings of the table."""
        changed_setting(entry)

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """Compare and swap: ours becomes what was before, anything else is left alone."""
        changed = changed_setting(item.entry)
        driver = changed.driver()
        now = driver.read_setting(changed.setting, changed.cluster_uid, SET_S)
        if now == changed.before:
            return _as_before(changed, item, healer)
        if now == changed.ours:
            where = (changed.setting, changed.before, changed.ours, changed.cluster_uid)
            now = driver.set_setting(*where, SET_S)
            if now == changed.before:
                return Undone(closed=True, words=f"set back to {changed.before}")
        return Undone(
            closed=False,
            words=f"{changed} was set by somebody else since, which is never overwritten: it was {changed.before}, we "
            f"set {changed.ours}, it is {now} now; set it as it was, then run `chaos cp recover`; or keep it as it is: "
            f"`chaos cp recover --keep {healer.log.run}:{item.number}`",
        )

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:  # noqa: ARG002 - the contract has it
        """The setting, if it is as we set it."""
        changed = changed_setting(item.entry)
        now = changed.driver().read_setting(changed.setting, changed.cluster_uid, SET_S)
        return str(changed) if now == changed.ours else ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:  # noqa: ARG002 - kubectl cannot do it
        """The driver's own command, which leaves alone what is not as expected."""
        changed = changed_setting(item.entry)
        try:
            command = changed.driver().set_command(changed.setting, changed.before, changed.ours, changed.cluster_uid)
        except ControlPlaneError:
            return []  # who tries to undo it says why there is no driver
        return [shlex.join(command)] if command else []

    def rights(self, entry: Entry) -> Iterable[Right]:  # noqa: ARG002 - the contract has it
        """None in the cluster."""
        return ()

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:
        """By the records in the cluster.

        What a cluster says must not choose which program is started here: of a driver of somebody's own only that it
        is one is believed, and the environment names it.
        """
        for found in find_records(NAME, cluster, timeout_s) if not as_runner else ():
            try:
                changed = changed_setting(found.entry)
            except UndoFailed:
                continue
            if changed.infrastructure.partition(":")[0] == "command":
                facts = asdict(replace(changed, infrastructure=""))
                yield replace(found, entry=replace(found.entry, facts=facts))
            else:
                yield found


DRIVER: Final = DriverSetting()


def _as_before(changed: ChangedSetting, item: Item, healer: Healer) -> Undone:
    """Nothing of ours is in it: done, unless our own change was never answered and may come late."""
    age_s = item.age_s(healer.clock)
    if "set" not in item.notes and age_s < WRITE_MAY_LAND_S:
        return Undone(
            closed=False,
            words=f"{changed} is as before, but the driver never answered to our change, which may come for another "
            f"{WRITE_MAY_LAND_S - age_s:.0f} s",
        )
    return Undone(closed=True, words="is as before")
