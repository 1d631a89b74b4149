"""One figure: a value, or the reason why there is none. Never a guess, never a bare null."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A value with the unit its name says, or the reason why it was not measured.

    A value can come with a reason, too: what to know when reading it, for example that it is a lower bound.
    """

    value: Any
    reason: str | None = None


def absent(reason: str) -> Figure:
    """Say why a figure was not measured."""
    return Figure(None, reason)


def seconds(value_s: float, reason: str | None = None) -> Figure:
    """Keep a duration to the millisecond, which is finer than any sampling period."""
    return Figure(round(value_s, 3), reason)


def ratio(part: int, whole: int, nothing: str) -> Figure:
    """Give ``part / whole`` (0..1), or the reason ``nothing`` when there is no whole."""
    return Figure(round(part / whole, 4)) if whole else absent(nothing)
