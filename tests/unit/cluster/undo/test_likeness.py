"""Is an object the one that we sent: the API server adds to it, and others may have edited it."""

from typing import Any

import pytest

from chaoslib_cp.cluster.undo.likeness import contains, doubt_about
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import Item, UndoLog
from tests.scaffold.clocks import ManualClock

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


@pytest.mark.usefixtures("kube")
@pytest.mark.parametrize(
    ("namespace", "command"),
    [
        ("", "(`kubectl get clusterrole a --output yaml`)"),
        ("default", "(`kubectl --namespace default get clusterrole a --output yaml`)"),
    ],
)
def test_a_doubt_comes_with_the_command_that_shows_the_object(namespace: str, command: str) -> None:
    """Of the cluster, or of a namespace."""
    assert command in doubt_about(EDITED, sent_item(namespace))


@pytest.mark.usefixtures("kube")
def test_only_half_a_likeness_is_a_doubt() -> None:
    """Ours by label and content, somebody else's by both: neither needs a person."""
    item = sent_item()
    unlabelled = {**SENT, "metadata": {"name": "a"}}
    theirs = {**EDITED, "metadata": {"name": "a", "labels": {"chaoslib-cp/run": "another"}}}
    assert doubt_about(SENT, item) == ""
    assert doubt_about(theirs, item) == ""
    assert "has the label of this run but not the content" in doubt_about(EDITED, item)
    assert "has the content that was sent but not the label" in doubt_about(unlabelled, item)


def sent_item(namespace: str = "") -> Item:
    """An item whose manifest is on record."""
    log = UndoLog.create(undo_folder(), "r", {}, ManualClock())
    log.intend(DeleteObject("ClusterRole", namespace, "a", "r"), SENT)
    return log.items()[0]
