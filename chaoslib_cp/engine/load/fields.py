"""How the fields of a load profile are declared and checked; each refusal names the field."""

import dataclasses
import re
from typing import Any

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number


def number(default: float, least: float, most: float, meaning: str, whole: bool = False) -> Any:
    """Declare a field of a dataclass that is a number between the two, both included."""
    metadata = {"least": least, "most": most, "meaning": meaning, "whole": whole}
    return dataclasses.field(default=default, metadata=metadata)


def check_numbers(checked: Any) -> None:
    """Check every field that :func:`number` declared.

    Raises:
        ProfileInvalid: One is no finite number, or out of its range.
    """
    for field in dataclasses.fields(checked):
        if not field.metadata:
            continue
        value, limits = getattr(checked, field.name), field.metadata
        kind = "a whole number" if limits["whole"] else "a number"
        check(is_number(value, limits["whole"]), field.name, f"must be {kind}, not {value!r}")
        check(
            limits["least"] <= value <= limits["most"],
            field.name,
            f"is {value}, allowed are {limits['least']} to {limits['most']} ({limits['meaning']})",
        )


def check_keys(document: dict[str, Any], kind: type, prefix: str, extra: set[str]) -> None:
    """Check that every key is a field of ``kind`` or one of ``extra``.

    Raises:
        ProfileInvalid: One is not.
    """
    known = {field.name for field in dataclasses.fields(kind)} | extra
    for key in document:
        check(key in known, f"{prefix}{key}", f"is not a known key; known are {', '.join(sorted(known))}")


def check(is_right: bool, key: str, problem: str) -> None:
    """Refuse a profile whose ``key`` is wrong.

    Raises:
        ProfileInvalid: It is not right.
    """
    if not is_right:
        raise ProfileInvalid(f"load profile: {key}{' ' if key else ''}{problem}; nothing was started")


def check_word(key: str, value: object, words: tuple[str, ...]) -> None:
    """Check that a field is one of a few words.

    Raises:
        ProfileInvalid: It is not.
    """
    *others, last = map(repr, words)
    check(value in words, key, f"must be {', '.join(others)} or {last}, not {value!r}")


def matches(pattern: re.Pattern[str], text: object) -> bool:
    """Whether it is a text that fits the pattern as a whole."""
    return isinstance(text, str) and pattern.fullmatch(text) is not None
