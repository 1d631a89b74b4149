"""Changing a setting by an infrastructure driver: read, on record on disk and in the cluster, then compare and set."""

from contextlib import suppress
from dataclasses import dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.kinds.driver import NAME, SET_S, ChangedSetting, changed_setting
from chaoslib_cp.cluster.undo.kinds.record import record_name
from chaoslib_cp.cluster.undo.pods import LONGEST_S
from chaoslib_cp.cluster.undo.recorded import put_on_record, require_rights_for, take_off_record
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import TargetRefused, UndoFailed
from chaoslib_cp.infrastructure.setting import Value, setting_named
from chaoslib_cp.settings import Settings


@dataclass(frozen=True)
class SettingChange:
    """What is wanted.

    Attributes:
        name: Name of the setting (``SETTINGS``).
        value: What it is to be.
        ends_at_epoch_s: When the fault is over by itself, seconds since 1970; None for the longest that one may last.
    """

    name: str
    value: Value
    ends_at_epoch_s: float | None = None


def change_setting(
    cluster: Cluster, log: UndoLog, fault: str, wanted: SettingChange, settings: Settings, clock: Clock
) -> int:
    """Change one setting of the infrastructure driver that the run was told of.

    Args:
        cluster: As the runner; the second record is made there.
        log: The run's undo log.
        fault: Id of the fault that this belongs to.
        wanted: What is changed, and to what.
        settings: What the run was told.
        clock: Source of time.

    Returns:
        The number of its undo entry.

    Raises:
        ProfileInvalid: There is no such setting or driver, or the value is none of its; nothing was changed.
        TargetRefused: The driver cannot set it, another fault changed it, somebody else does at this moment, or a right
            is missing; nothing was changed.
        TargetUnreachable: The driver failed; whether it was set is unknown, and its entry stays open.
        UndoFailed: It cannot be put on record; nothing was changed.
    """
    setting = setting_named(wanted.name)
    ours = setting.valid(wanted.value)
    planned = ChangedSetting(settings.infrastructure, setting.name, "", ours, _cluster_uid(log), log.run, "")
    _refuse_second(log, planned, clock)
    driver = planned.driver()
    before = driver.read_setting(setting.name, planned.cluster_uid, SET_S)
    if before == ours:
        raise TargetRefused(f"{planned} is {ours} already; nothing was changed; ask for another value")
    record = record_name(log.run, fault, str(planned), len(log.items()))
    changed = ChangedSetting(settings.infrastructure, setting.name, before, ours, planned.cluster_uid, log.run, record)
    end_s = wanted.ends_at_epoch_s or clock.epoch_s() + LONGEST_S
    require_rights_for(cluster, changed.entry(fault), end_s)
    noted = put_on_record(cluster, log, changed.entry(fault), end_s)
    try:
        _refuse_second(log, changed, clock, noted.number)
        now = driver.set_setting(setting.name, ours, before, changed.cluster_uid, SET_S)
        if now != ours:
            raise TargetRefused(f"{changed} became {now} at this moment; nothing was changed by us; try again")
    except TargetRefused:
        take_off_record(cluster, log, noted, clock)
        raise
    log.note(noted.number, set="yes")
    return noted.number


def _refuse_second(log: UndoLog, changed: ChangedSetting, clock: Clock, number: int | None = None) -> None:
    """Refuse the second of two changes of one setting; once its own entry is on record, what came after it is later."""
    for path in find_logs(undo_folder()):
        with suppress(UndoFailed):  # the gate refuses what cannot be read
            other = UndoLog.read(path, clock)
            for item in other.open_items():
                is_own = other.run == log.run and number is not None and item.number >= number
                if item.entry.kind != NAME or is_own:
                    continue
                known = changed_setting(item.entry)
                if (known.setting, known.cluster_uid) == (changed.setting, changed.cluster_uid):
                    raise TargetRefused(
                        f"{changed} is changed by fault {item.fault} of run {other.run} already; nothing was changed; "
                        "stop that one first"
                    )


def _cluster_uid(log: UndoLog) -> str:
    return str(log.header.get("cluster_uid") or "")
