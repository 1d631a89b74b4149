"""How much of a proof is played: a part by `make test`, all of it by `make prove`. This is the one place that says so.

A proof is a test with the marker ``proof``: it plays a promise of docs/reliability.md over many cases. Which cases make
up the part is drawn with a seed that is printed: the same one each time, so that one commit always plays the same part,
or the one that ``--part-seed`` names.
"""

import random
import zlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

Row = TypeVar("Row", bound=tuple[Hashable, ...])
SEED: Final = 20241211


@dataclass(frozen=True)
class Amount:
    """How many of one thing.

    Attributes:
        part: by `make test`.
        whole: by `make prove`.
    """

    part: int
    whole: int


AMOUNTS: Final = {
    "any edit: sequences": Amount(30, 3_000),
    "any kubeconfig: files": Amount(60, 2_000),
    "any sequence: sequences": Amount(80, 10_000),
    "crash points: effects from one kill to the next": Amount(6, 1),  # and of three modes one in each scenario
    "foreign editor: edits of one object in one scenario": Amount(12, 1000),
    "foreign editor: calls from one edit to the next": Amount(4, 1),
    "foreign editor: interleavings, at least": Amount(15, 1000),
    "foreign edits: calls from one edit to the next": Amount(4, 1),
    "foreign edits: interleavings, at least": Amount(15, 1000),
    "runner killed: kills": Amount(8, 1000),
    "testbed, crash points: kills": Amount(8, 40),
    "testbed, DNS poison: rows": Amount(5, 1000),  # more than there are: every one
    "testbed, mask: failures behind each pin": Amount(1, 10),
    "testbed, mask: pins": Amount(1, 3),
    "testbed, DNS experiments: files": Amount(1, 1000),  # more than there are: every one
    "testbed, price: rounds of an audit log": Amount(0, 5),
    "testbed, ramp: climbs": Amount(1, 3),
    "testbed, presets: rows": Amount(1, 1000),  # more than there are: every one
    "testbed, runner killed: kills": Amount(1, 20),
    "testbed, saturated: causes": Amount(1, 1000),  # more than there are: every one
    "testbed, saturated: healthy looks": Amount(1, 20),
    "testbed, stopped: signals": Amount(1, 4),
    "testbed, rights: rights taken away": Amount(2, 1000),  # more than there are: every one
    "testbed, up and down: rounds": Amount(2, 10),
}


@dataclass
class _Chosen:
    whole: bool = False
    seed: int = SEED


_chosen = _Chosen()


def choose(whole: bool, seed: int) -> None:
    """Say what is played from here on; tests/conftest.py does, before any test is collected."""
    _chosen.whole, _chosen.seed = whole, seed


def is_whole() -> bool:
    """Whether proofs are played in full."""
    return _chosen.whole


def described() -> str:
    """One line for whoever reads what pytest prints."""
    return "proofs: in full" if is_whole() else f"proofs: a part, drawn with seed {_chosen.seed} (in full: --prove)"


def amount(of: str) -> int:
    """How many of one thing in ``AMOUNTS`` are played."""
    return AMOUNTS[of].whole if is_whole() else AMOUNTS[of].part


def draws(proof: str) -> random.Random:
    """Random numbers for one proof, the same ones each time."""
    return random.Random(_chosen.seed + zlib.crc32(proof.encode()))  # noqa: S311 - guards nothing


def of(cases: Iterable[Row], proof: str, at_least: int = 0, columns: int | None = None) -> list[Row]:
    """The cases that are played, in their order: all, or a few in which each value of each column still appears.

    Args:
        cases: Rows of values.
        proof: Its name, for the draw.
        at_least: How many are played at least, of as many as there are.
        columns: How many of the first columns must have each of their values played; all by default.
    """
    every = list(cases)
    if is_whole():
        return every
    drawn = draws(proof).sample(range(len(every)), len(every))
    seen: set[tuple[int, Hashable]] = set()
    played = []
    for number in drawn:
        new = set(enumerate(every[number][:columns])) - seen
        if new:
            played.append(number)
            seen |= new
    others = [number for number in drawn if number not in played]
    played += others[: max(0, at_least - len(played))]
    return [every[number] for number in sorted(played)]
