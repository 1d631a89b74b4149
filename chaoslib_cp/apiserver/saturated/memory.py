"""What is known of the memory of one API server: notes from its pages, and how its processes ended. Pure.

A kill for memory leaves no page behind: nobody answers any more. So what came before counts: pages of this look, and
notes that were taken earlier in the run, by the observer and by looks before this one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chaoslib_cp.cluster.door.container_ends import OUT_OF_MEMORY, ContainerEnd

#: An API server grows by itself when it starts; what it has afterwards is what it needs. Measured on the testbed (1.36,
#: 0.4 core, 400 pods of 16 kB): 301 MiB at an age of 9 s and 303 at 28 s; with twelve clients that list 339 to 464.
SETTLED_S: Final = 30.0
# Behind one address the next page may be that of another server, which began long before. So far may the clocks of a
# server and of this machine be apart (cluster/gate/guard.py).
CLOCKS_APART_S: Final = 60.0
# How a container ends that was killed at once (128 + SIGKILL): by the kernel for memory, or by somebody.
_KILLED: Final = 137


@dataclass(frozen=True)
class Note:
    """What one page said.

    Attributes:
        at_s: When it came, epoch seconds.
        started_s: When the process had begun, by its own account.
        rss_bytes: Its resident memory.
    """

    at_s: float
    started_s: float
    rss_bytes: float

    @property
    def is_settled(self) -> bool:
        """Whether the process was past its start."""
        return self.at_s - self.started_s >= SETTLED_S


@dataclass(frozen=True)
class Growth:
    """How much more memory a process had before its end.

    Attributes:
        calm_bytes: What it had while it was calm.
        last_bytes: The most that it was seen to have.
    """

    calm_bytes: float
    last_bytes: float

    @property
    def factor(self) -> float:
        """The second by the first."""
        return self.last_bytes / self.calm_bytes if self.calm_bytes else 1.0


@dataclass(frozen=True)
class Memory:
    """What is known of one server.

    Attributes:
        since_s: When the look began; what ended before is no news.
        notes: All of this run, in the order of time.
        signs_s: When it was found in this look that nothing listened, or that kept connections had been closed.
        ends: How containers of it ended since then, as their kubelet tells; None where nobody can see that.
    """

    since_s: float
    notes: tuple[Note, ...] = ()
    signs_s: tuple[float, ...] = ()
    ends: tuple[ContainerEnd, ...] | None = None

    @property
    def restarts(self) -> int:
        """How often a note of this look is of another process than the one before, which had only just begun."""
        return len(list(self._restarted()))

    @property
    def went_away(self) -> bool:
        """Whether a process of it ended in this look."""
        return bool(self._gone_s()) or self.restarts > 0 or bool(self.ends)

    @property
    def kills(self) -> int:
        """How many of its containers the kernel killed for memory, as their kubelet tells."""
        return sum(one.reason == OUT_OF_MEMORY for one in self.ends or ())

    @property
    def ended_otherwise(self) -> bool:
        """Whether the kubelet tells of ends, and none of them can have been a kill for memory."""
        return bool(self.ends) and all(
            one.reason != OUT_OF_MEMORY and one.exit_code != _KILLED for one in self.ends or ()
        )

    @property
    def growth(self) -> Growth | None:
        """The greatest growth of a process that ended in this look; None where its memory was not seen before."""
        return self._greatest(self._last_notes())

    @property
    def growth_since_back(self) -> Growth | None:
        """The greatest growth of a process that began in this look, since one had ended; None where none was seen."""
        ends_s = [*self._gone_s(), *(before.at_s for before, _ in self._restarted())]
        if not ends_s:
            return None
        known = {one.started_s for one in self.notes if one.at_s <= min(ends_s)}
        return self._greatest(one for one in self.notes if one.at_s > min(ends_s) and one.started_s not in known)

    def _greatest(self, last: Iterable[Note]) -> Growth | None:
        found = [one for one in map(self._growth_until, last) if one is not None]
        return max(found, key=lambda one: one.factor, default=None)

    def _growth_until(self, last: Note) -> Growth | None:
        """Of the process of that note: what it had past its start, or else what the one before it had then."""
        before = [one for one in self.notes if one.at_s <= last.at_s]
        own = [one for one in before if one.started_s == last.started_s]
        calm = [one.rss_bytes for one in own if one.is_settled]
        calm = [min(calm)] if calm else [one.rss_bytes for one in before if one.is_settled][-1:]
        return Growth(calm[0], max(one.rss_bytes for one in own)) if calm else None

    def _last_notes(self) -> Iterator[Note]:
        """The last note of each process that ended."""
        yield from (before for before, _ in self._restarted())
        for gone_s in self._gone_s():
            yield from [one for one in self.notes if one.at_s <= gone_s][-1:]

    def _gone_s(self) -> list[float]:
        """The signs, but for those after which the same process still was there."""
        return [one for one in self.signs_s if not self._is_there_after(one)]

    def _is_there_after(self, sign_s: float) -> bool:
        before = [one.started_s for one in self.notes if one.at_s <= sign_s][-1:]
        after = [one.started_s for one in self.notes if one.at_s > sign_s][:1]
        return bool(before) and before == after

    def _restarted(self) -> Iterator[tuple[Note, Note]]:
        for before, after in pairwise(self.notes):
            is_new = before.started_s != after.started_s and after.started_s >= before.at_s - CLOCKS_APART_S
            is_news = before.at_s >= self.since_s or after.started_s >= self.since_s
            if is_new and is_news and after.at_s >= self.since_s:
                yield before, after
