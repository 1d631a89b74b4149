"""Every number a user gives has a smallest and a largest value that makes sense."""

import math

from chaoslib_cp.errors import ProfileInvalid


def checked(name: str, value: float, least: float, most: float) -> float:
    """Return ``value`` if it is a number between the two, both included.

    Args:
        name: What the user calls it.
        value: What was given; experiment files may hold anything.
        least: Smallest value allowed.
        most: Largest value allowed.

    Raises:
        ProfileInvalid: It is not a number, not finite, or out of range; nothing was changed.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        raise ProfileInvalid(f"{name} is {value!r}; nothing was changed; use a number from {least:g} to {most:g}")
    return value
