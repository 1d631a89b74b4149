"""How the fields of a load profile are declared and checked; each refusal names the field."""

import dataclasses
import ipaddress
import re
from typing import Any, Final

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number

MAX_REPORT_TO: Final = 3
LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


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


def check_deadline(deadline_epoch_s: object) -> None:
    """Check that a deadline is a moment, or None.

    Raises:
        ProfileInvalid: It is neither.
    """
    is_moment = is_number(deadline_epoch_s) and isinstance(deadline_epoch_s, int | float) and deadline_epoch_s > 0
    check(
        deadline_epoch_s is None or is_moment,
        "deadline_epoch_s",
        f"must be seconds since 1970 or null, not {deadline_epoch_s!r}",
    )


def check_report(fault: str, report_to: tuple[str, ...]) -> None:
    """Check the id of a fault, and the pages of the prober that are told its account.

    Raises:
        ProfileInvalid: It is no id, or one is no page.
    """
    check(fault == "" or matches(LABEL_VALUE, fault), "fault", f"must be an id, not {fault!r}")
    check(
        len(report_to) <= MAX_REPORT_TO and all(map(_is_page, report_to)),
        "report_to",
        f"must list at most {MAX_REPORT_TO} ip:port, not {list(report_to)!r}",
    )
    check(not report_to or fault != "", "report_to", "needs the id of a fault beside it")


def check_labels(key: str, labels: object) -> None:
    """Check that a field maps names of labels to values that Kubernetes takes.

    Raises:
        ProfileInvalid: It does not.
    """
    is_right = isinstance(labels, dict) and all(
        isinstance(name, str) and matches(LABEL_VALUE, value) for name, value in labels.items()
    )
    check(is_right, key, f"must map labels to values, not {labels!r}")


def _is_page(text: object) -> bool:
    """Whether it is an address and a port: a name would have to be looked up, and DNS may be what is broken."""
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return re.fullmatch(r"[0-9]{1,5}", port) is not None and 0 < int(port) < 65536
