"""Is an object the one that we sent: the API server adds to it, and others may have edited it."""

from typing import Any

import pytest

from chaoslib_cp.cluster.undo.likeness import contains, doubt_about

SENT: dict[str, Any] = {"metadata": {"name": "a", "labels": {"chaoslib-cp/run": "r"}}, "data": {"k": "v"}}
EDITED = {**SENT, "data": {"k": "theirs"}}


@pytest.mark.parametrize(
    ("found", "sent", "is_there"),
    [
        ({"a": 1, "added": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({}, {"a": {}, "b": [], "c": None, "d": ""}, True),
        ([{"a": 1, "added": 2}], [{"a": 1}], True),
        ([1, 2], [1], False),
        ([1], [1, 2], False),
        (["x"], "x", False),
        ("x", ["x"], False),
        ("x", {"x": 1}, False),
        ({"x": 1}, "x", False),
    ],
)
def test_what_was_sent_is_there_whatever_was_added(found: Any, sent: Any, is_there: bool) -> None:
    """Defaults are added and what is empty is left out; a list keeps its length."""
    assert contains(found, sent) is is_there


def test_only_half_a_likeness_is_a_doubt() -> None:
    """Ours by label and content, somebody else's by both: neither needs a person."""
    unlabelled = {**SENT, "metadata": {"name": "a"}}
    theirs = {**EDITED, "metadata": {"name": "a", "labels": {"chaoslib-cp/run": "another"}}}
    assert doubt_about(SENT, SENT, "r") == ""
    assert doubt_about(theirs, SENT, "r") == ""
    assert doubt_about(EDITED, {}, "r") == ""
    assert doubt_about(EDITED, SENT, "r") == "has the label of this run but not the content that was sent"
    assert doubt_about(unlabelled, SENT, "r") == "has the content that was sent but not the label of this run"
