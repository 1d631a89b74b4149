"""Is an object the one that we sent? Asked when its create was never answered, so that nobody knows its UID."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import Item


def contains(found: object, sent: object) -> bool:
    """Whether all that was sent is there; the API server adds defaults, and leaves out what is empty."""
    if isinstance(sent, Mapping) and isinstance(found, Mapping):
        return all(contains(found[key], value) if key in found else not value for key, value in sent.items())
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(map(contains, found, sent))
    return found == sent


def doubt_about(found: Mapping[str, Any], item: Item) -> str:
    """Why an object may be ours and may not; empty when it is plainly the one or the other.

    Args:
        found: The object that has the name.
        item: Its undo entry, without a UID. One of an earlier version has no manifest: there the label decides.
    """
    if not isinstance(item.entry, DeleteObject) or not item.sent:
        return ""
    run = ((found.get("metadata") or {}).get("labels") or {}).get(RUN_LABEL)
    if run == item.entry.run and not contains(found, item.sent):
        seen = "has the label of this run but not the content that was sent"
    elif run is None and contains(found, _without_labels(item.sent)):
        seen = "has the content that was sent but not the label of this run"
    else:
        return ""
    where = f" --namespace {item.entry.namespace}" if item.entry.namespace else ""
    look = f"kubectl{where} get {item.entry.object_kind.lower()} {item.entry.name} --output yaml"
    return (
        f"{item.entry} {seen}, and its create was never answered: somebody edited ours, or made another; left alone; "
        f"look at it (`{look}`) and delete or rename it by hand"
    )


def _without_labels(sent: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in (sent.get("metadata") or {}).items() if key != "labels"}
    return {**sent, "metadata": metadata}
