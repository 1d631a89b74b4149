"""Every number a user gives has a smallest and a largest value that makes sense."""

import math

from chaoslib_cp.errors import ProfileInvalid


def is_number(value: object, whole: bool = False) -> bool:
    """Tell whether ``value`` is a finite number, and a whole one where that is asked for; True and False are none."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    return not whole and isinstance(value, float) and math.isfinite(value)


def checked(name: str, value: float, least: float, most: float, whole: bool = False) -> float:
    """Return ``value`` if it is a number between the two, both included.

    Args:
        name: What the user calls it.
        value: What was given; experiment files may hold anything.
        least: Smallest value allowed.
        most: Largest value allowed.
        whole: Only whole numbers count, as for a number of things.

    Raises:
        ProfileInvalid: It is not such a number, not finite, or out of range; nothing was changed.
    """
    if not is_number(value, whole) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise ProfileInvalid(f"{name} is {value!r}; nothing was changed; use {kind} from {least:g} to {most:g}")
    return value
