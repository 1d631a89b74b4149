"""A weakness: what in the configuration of DNS makes an outage begin sooner, last longer or hurt more."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from textwrap import shorten
from typing import Final, Literal, NamedTuple

from chaoslib_cp.engine.poison.weaknesses.served import Served

Level = Literal["low", "medium", "high"]
LEVELS: Final[tuple[Level, ...]] = ("low", "medium", "high")
"""``high`` can by itself take DNS away, or keep it wrong; ``medium`` makes an outage worse; ``low`` is good to know."""
Place = Literal["servers", "node caches"]
_MOST_CHARACTERS: Final = 200
_LEAST_WORDS: Final = 60


@dataclass(frozen=True)
class Weakness:
    """One thing in the configuration of DNS that makes an outage worse.

    Attributes:
        name: Of its row in a table.
        level: How much worse.
        on: On which object, with the line of the Corefile.
        what: What is there, or is not.
        why: What that does on the day of the outage.
        fix: What to do.
        source: Where that is known from.
    """

    name: str
    level: Level
    on: str
    what: str
    why: str
    fix: str
    source: str

    def sentence(self) -> str:
        """All of it but its name and source, in one line; what is too long is cut before what to do."""
        tail = f"; do: {self.fix}"
        left = max(_LEAST_WORDS, _MOST_CHARACTERS - len(tail))
        return shorten(f"{self.level}: {self.on}: {self.what}: {self.why}", left, placeholder=" ...") + tail


class Found(NamedTuple):
    """What a row found: how grave, on which line, in which words."""

    level: Level
    line: int
    what: str


@dataclass(frozen=True)
class Row:
    """One kind of weakness of a Corefile.

    Attributes:
        name: What findings and the page of probes call it.
        look: Finds it.
        why: As in :class:`Weakness`.
        fix: As in :class:`Weakness`.
        source: As in :class:`Weakness`.
        places: Whose Corefile is looked at.
    """

    name: str
    look: Callable[[Served], Iterator[Found]]
    why: str
    fix: str
    source: str
    places: tuple[Place, ...] = ("servers",)

    def weaknesses(self, served: Served, named: str) -> Iterator[Weakness]:
        """What it finds in a Corefile that is called so."""
        for found in self.look(served):
            on = f"{named} line {found.line}"
            yield Weakness(self.name, found.level, on, found.what, self.why, self.fix, self.source)


def gravest_first(found: Iterable[Weakness]) -> list[Weakness]:
    """Sort by level; what has the same level keeps its order."""
    return sorted(found, key=lambda one: -LEVELS.index(one.level))
