"""Taking back what a log says, item by item: one that fails never stops the others."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.undo.log import Item, UndoLog
from chaoslib_cp.errors import ControlPlaneError, UndoFailed

# Between rounds over what is still open: first soon, then a rate that does not add to a storm.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Undone:
    """What became of an attempt to take one entry back.

    Attributes:
        closed: True when nothing is left to do for this entry, and that was verified.
        words: How it ended, for people and for the log.
    """

    closed: bool
    words: str


def replay(
    log: UndoLog,
    take_back: Callable[[Item], Undone],
    clock: Clock,
    timeout_s: float,
    faults: Collection[str] | None = None,
) -> dict[int, Undone]:
    """Undo every open entry of a log, last change first, in rounds until all are closed or time is up.

    Args:
        log: The run's undo log.
        take_back: Makes one attempt at one entry; where it raises, the entry stays open.
        clock: Source of time.
        timeout_s: Seconds for all rounds; the first round always runs to its end.
        faults: Only entries of these faults; all others are left alone.

    Returns:
        The last word on each entry that was open, by number.
    """
    deadline_s = clock.monotonic_s() + timeout_s
    pause_s = _FIRST_PAUSE_S
    results: dict[int, Undone] = {}
    while True:
        for item in log.open_items(faults):
            results[item.number] = _noted(log, item, _attempt(item, take_back))
        left_s = deadline_s - clock.monotonic_s()
        if left_s <= 0 or all(result.closed for result in results.values()):
            return results
        clock.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _noted(log: UndoLog, item: Item, undone: Undone) -> Undone:
    """Close the entry on disk; one that cannot be closed stays open, and the next attempt finds nothing left to do."""
    if not undone.closed:
        return undone
    try:
        log.done(item.number, undone.words)
    except UndoFailed as error:
        return Undone(closed=False, words=f"{undone.words}, but that could not be noted: {error}")
    return undone


def _attempt(item: Item, take_back: Callable[[Item], Undone]) -> Undone:
    try:
        return take_back(item)
    except ControlPlaneError as error:
        return Undone(closed=False, words=str(error))
