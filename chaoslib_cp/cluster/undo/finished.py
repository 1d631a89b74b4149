"""Which undo logs are finished, and may be put aside."""

import os
from contextlib import suppress

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.lock import process_using
from chaoslib_cp.cluster.undo.pods import last_end_s
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.aside import FOLDER, put_aside
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import UndoFailed
from chaoslib_cp.state import prune

# A use without a control holds no lock: while it may still be at work its log stays where it is.
_UNTOUCHED_S = 600.0


def put_aside_if_finished(log: UndoLog, clock: Clock) -> None:
    """Put a log aside if nothing is open in it and its pods have come to their own end; for whoever has just closed it.

    One that cannot be put aside stays where it is: it costs time, and nothing else.
    """
    with suppress(UndoFailed):
        if put_aside(log.path, lambda: not log.open_items() and last_end_s(log) <= clock.epoch_s()):
            prune(undo_folder() / FOLDER, clock.epoch_s())


def put_aside_if_forgotten(log: UndoLog, clock: Clock) -> None:
    """The same for somebody else's log, which nobody must be using: whoever should have done it was killed."""
    with suppress(OSError):
        changed_s = os.stat(log.path, follow_symlinks=False).st_mtime
        is_untouched = clock.epoch_s() - changed_s > _UNTOUCHED_S
        if is_untouched and not process_using(str(log.header.get("cluster_uid"))):
            put_aside_if_finished(log, clock)
