"""Putting a change on record that leaves no object with our label: its ConfigMap in the cluster, then the undo log."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.heal import take_back_item
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.delete_object import of_manifest
from chaoslib_cp.cluster.undo.kinds.record import record_manifest
from chaoslib_cp.cluster.undo.rights import require_undo_rights
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError, TargetRefused

MOST_BYTES: Final = 200_000
"""How large a backup may be: it goes into a ConfigMap, which takes 1 MiB, and into the undo log, which takes 4 MB."""


@dataclass(frozen=True)
class OnRecord:
    """Where a change is on record.

    Attributes:
        number: Number of its undo entry.
        record: Number of the undo entry of the ConfigMap that holds it in the cluster.
    """

    number: int
    record: int


def require_rights_for(cluster: Cluster, entry: Entry, ends_at_epoch_s: float) -> None:
    """Refuse a change that could not be taken back, or whose record could not be; see ``require_undo_rights``."""
    require_undo_rights(cluster, [entry, of_manifest(record_manifest(entry, ends_at_epoch_s))])


def put_on_record(
    cluster: Cluster, log: UndoLog, entry: Entry, ends_at_epoch_s: float, timeout_s: float = DEFAULT_TIMEOUT_S
) -> OnRecord:
    """Put a change on record, first in the cluster and then on disk; only afterwards may it be made.

    Raises:
        TargetRefused: It is too large, or its record cannot be made; nothing was changed.
        CallFailed: No answer; the record may have been made, and its entry stays open.
        UndoFailed: It cannot be put on disk; nothing was changed.
    """
    manifest = record_manifest(entry, ends_at_epoch_s)
    if len(json.dumps(manifest)) > MOST_BYTES:
        raise TargetRefused(f"a backup of {entry} has over {MOST_BYTES} bytes; nothing was changed; change less of it")
    record = create(cluster, log, manifest, timeout_s)
    return OnRecord(log.intend(entry), record)


def take_off_record(cluster: Cluster, log: UndoLog, noted: OnRecord, clock: Clock) -> None:
    """Close the entry of a change that was never made, and take its record away; what cannot be now stays open."""
    log.done(noted.number, "never made")
    with suppress(ControlPlaneError):
        undone = take_back_item(log.items()[noted.record], Healer(log, [cluster], clock, waits_for_pods=False))
        if undone.closed:
            log.done(noted.record, undone.words)
