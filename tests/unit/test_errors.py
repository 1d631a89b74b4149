"""How an error is told where its own words may repeat a secret."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp.activity import settings_of
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, said_safely

PACKAGE = Path(chaoslib_cp.__file__).parent


class Unreadable:
    """Something that Python itself cannot make sense of."""

    def __bool__(self) -> bool:
        raise ValueError("canary")


def raised(by: Callable[[], Any]) -> Exception:
    """The error that a call ends with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        by()
    return caught.value


@pytest.mark.parametrize("kind", [TargetRefused, ProfileInvalid])
def test_an_error_of_ours_is_told_with_its_words(kind: type[Exception]) -> None:
    """They are made to be read."""
    assert said_safely(kind("what; nothing was changed")) == f"{kind.__name__}: what; nothing was changed"


def test_any_other_is_told_by_its_type_and_the_last_place_of_ours() -> None:
    """Not by its words; whoever called whom, and where the library is left, its last line counts."""
    called = said_safely(raised(lambda: settings_of({}, {"KUBERNETES_HOST": Unreadable()})))
    found = re.fullmatch(r"unforeseen ValueError at chaoslib_cp/(settings\.py):(\d+), which is .*", called)
    assert found
    line = (PACKAGE / found[1]).read_text(encoding="utf-8").splitlines()[int(found[2]) - 1]
    assert line.strip().startswith("has_host = secrets.get(")


def test_one_that_never_was_in_the_library_has_no_place() -> None:
    """Nor has one that was never raised."""
    for error in (raised(lambda: int("canary")), ValueError("canary")):
        assert said_safely(error) == "unforeseen ValueError at chaoslib_cp/?, which is worth a report"
