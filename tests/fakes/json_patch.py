"""JSON patches (RFC 6902) as an API server applies them, as far as we send any: no indexes of lists."""

import json
from typing import Any


def patched_by(found: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """A copy of an object with a JSON patch applied (RFC 6902), in full or not at all.

    Raises:
        KeyError, ValueError, TypeError: It does not apply, or a test in it failed.
    """
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
        if one["op"] == "remove":
            del place[key]
        elif one["op"] != "test":
            place[key] = one["value"]
    return patched
