"""Numbers of a result that came over the network: anybody may have sent it."""

from typing import Any, Final

from chaoslib_cp.limits import is_number

# Larger counts than this are nobody's; every one of them is still exact as a float.
_MOST: Final = 2**53


def count_of(value: Any, most: int = _MOST) -> int:
    """Return a whole number from 0 to ``most``.

    Raises:
        ValueError: it is none.
    """
    if not is_number(value, whole=True) or not 0 <= value <= most:
        raise ValueError(f"{value!r:.50} is no count")
    return int(value)


def seconds_of(value: Any) -> float:
    """Return a finite number of 0 or more.

    Raises:
        ValueError: it is none.
    """
    if not is_number(value) or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r:.50} is no number of seconds")
    return float(value)
