"""JSON patches (RFC 6902) as an API server applies them, as far as we send any: no indexes of lists."""

import json
from typing import Any


def merged_with(found: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A copy of an object with a merge patch applied (RFC 7396)."""
    merged = dict(found)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merged_with(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


def patched_by(found: dict[str, Any], text: str) -> dict[str, Any]:
    """A copy of an object with a JSON patch applied (RFC 6902), in full or not at all.

    Args:
        found: The object.
        text: The patch as it was sent: a test of a text compares how it is written (evanphx/json-patch).

    Raises:
        KeyError, ValueError, TypeError: It does not apply, or a test in it failed.
    """
    operations: list[dict[str, Any]] = json.loads(text)
    patched: dict[str, Any] = json.loads(json.dumps(found))
    for one in operations:
        *folders, key = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        place: Any = patched
        for folder in folders:
            place = place[folder]
        if one["op"] in ("test", "replace", "remove") and key not in place:
            raise KeyError(key)
        if one["op"] == "test" and json.dumps(place[key], sort_keys=True) != json.dumps(one["value"], sort_keys=True):
            raise ValueError(key)
        if one["op"] == "test" and isinstance(one["value"], str) and _as_go_writes(one["value"]) not in text:
            raise ValueError(key)
        if one["op"] == "remove":
            del place[key]
        elif one["op"] != "test":
            place[key] = one["value"]
    return patched


def _as_go_writes(value: str) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
