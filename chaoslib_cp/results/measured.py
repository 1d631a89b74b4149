"""One measured quantity: a value, or the reason why there is none. Never a guess, never a bare null."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """A value with the unit its name says, or the reason why it was not measured.

    A value can come with a reason, too: what to know when reading it, for example that it is a lower bound.
    """

    value: Any
    reason: str | None = None


def absent(reason: str) -> Measured:
    """Say why a quantity was not measured."""
    return Measured(None, reason)


def seconds(value_s: float, reason: str | None = None) -> Measured:
    """Keep a duration to the millisecond, which is finer than any sampling period."""
    return Measured(round(value_s, 3), reason)


def ratio(part: int, whole: int, nothing: str) -> Measured:
    """Give ``part / whole`` (0..1), or the reason ``nothing`` when there is no whole."""
    return Measured(round(part / whole, 4)) if whole else absent(nothing)
