"""What an open model offers and what becomes of it, second by second."""

from itertools import zip_longest
from typing import Any, Final

from chaoslib_cp.engine.load.told import count_of

_LISTS: Final = ("due", "begun", "answered")
_MOST_SECONDS: Final = 5000
"""A load lasts an hour at most, and a late answer some minutes more."""


class PerSecond:
    """Counts by the second since the load began; not thread-safe, one per event loop.

    Attributes:
        due: requests by the second for which they were meant, those over an agent's cap left out.
        begun: requests by the second in which their first try began: what a late engine offers late is seen here.
        answered: tries by the second in which they got an answer, whatever its status.
    """

    def __init__(self) -> None:
        self._began_at: float | None = None
        self.due: list[int] = []
        self.begun: list[int] = []
        self.answered: list[int] = []

    def begin(self, at: float) -> None:
        """Let the first second begin; only the first call acts."""
        if self._began_at is None:
            self._began_at = at

    def count(self, counts: list[int], at: float) -> None:
        """Add one to the second of ``counts`` in which ``at`` lies; a moment before the begin counts as the begin."""
        second = 0 if self._began_at is None else max(int(at - self._began_at), 0)
        if second >= len(counts):
            counts.extend([0] * (second + 1 - len(counts)))
        counts[second] += 1

    def as_dict(self) -> dict[str, list[int]]:
        """Return the counts as JSON, lists of one length: the n-th number is that of the n-th second."""
        lists = {"due": self.due, "begun": self.begun, "answered": self.answered}
        longest = max(map(len, lists.values()))
        return {name: counts + [0] * (longest - len(counts)) for name, counts in lists.items()}

    def merge(self, other: "PerSecond", later_s: int = 0) -> None:
        """Add the counts of another process, which began so many whole seconds later than this one."""
        for name in _LISTS:
            theirs = [0] * later_s + getattr(other, name)
            setattr(self, name, [sum(pair) for pair in zip_longest(getattr(self, name), theirs, fillvalue=0)])

    @staticmethod
    def of_lists(told: Any) -> "PerSecond":
        """Read what :meth:`as_dict` wrote, which came over the network.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        made = PerSecond()
        for name in _LISTS:
            if len(told[name]) > _MOST_SECONDS:
                raise ValueError(f"{name} has {len(told[name])} seconds")
            setattr(made, name, [count_of(one) for one in told[name]])
        return made
