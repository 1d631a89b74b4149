"""Is an object the one that we sent? Asked when its create was never answered, so that nobody knows its UID."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.cluster.door.labels import RUN_LABEL


def contains(found: object, sent: object) -> bool:
    """Whether all that was sent is there; the API server adds defaults, and leaves out what is empty."""
    if isinstance(sent, Mapping) and isinstance(found, Mapping):
        return all(contains(found[key], value) if key in found else not value for key, value in sent.items())
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(map(contains, found, sent))
    return found == sent


def doubt_about(found: Mapping[str, Any], sent: Mapping[str, Any], run: str) -> str:
    """Why an object may be ours and may not; empty when it is plainly the one or the other.

    Args:
        found: The object that has the name.
        sent: What was sent; when that is not known, the label decides alone.
        run: The run that sent it.
    """
    label = ((found.get("metadata") or {}).get("labels") or {}).get(RUN_LABEL)
    if sent and label == run and not contains(found, sent):
        return "has the label of this run but not the content that was sent"
    if sent and label is None and contains(found, _without_labels(sent)):
        return "has the content that was sent but not the label of this run"
    return ""


def _without_labels(sent: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in (sent.get("metadata") or {}).items() if key != "labels"}
    return {**sent, "metadata": metadata}
