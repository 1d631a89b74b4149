"""What a load's result comes to in a few figures."""

import pytest

from chaoslib_cp.apiserver.overload.summary import least_share_on_time, split_outcomes


def test_the_two_kinds_of_429_are_told_apart() -> None:
    """One is priority and fairness at work, the other a server that has just started."""
    total = {"outcomes": {"ok": 3, "http_429": 5}, "not_initialized": 2}
    assert split_outcomes(total) == {"ok": 3, "http_429": 3, "http_429_not_initialized": 2}
    assert split_outcomes({**total, "not_initialized": 0}) == {"ok": 3, "http_429": 5}
    assert split_outcomes({**total, "not_initialized": 5}) == {"ok": 3, "http_429_not_initialized": 5}


@pytest.mark.parametrize(
    ("due", "begun", "share"),
    [
        ([100, 100], [100, 100], 1.0),
        ([100, 100], [90, 110], 0.9),  # ten were late by a second, and came
        ([100, 100, 0], [90, 95, 15], 0.85),  # what is still late counts in the next second, too
        ([0, 0], [0, 0], None),
        ([], [], None),
    ],
)
def test_late_is_what_had_not_begun_by_the_end_of_its_second(
    due: list[int], begun: list[int], share: float | None
) -> None:
    """In the worst second: an average would hide it."""
    assert least_share_on_time({"due": due, "begun": begun}) == (None if share is None else pytest.approx(share))
