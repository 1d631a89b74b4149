"""Lines of an audit log, in the form that an API server of 1.36 writes them at level Metadata."""

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

AGENT: Final = "system:serviceaccount:monitoring:agent"
USER_AGENT: Final = "telemetry/1.2 (linux/amd64)"
BEGAN_S: Final = 1_733_918_400.0
_ids = itertools.count()


def stamp(at_s: float) -> str:
    """As the API server writes it, with microseconds."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def line(
    at_s: float,
    uri: str = "/api/v1/pods",
    verb: str = "list",
    *,
    user: str = AGENT,
    user_agent: str = USER_AGENT,
    address: str = "10.0.0.1",
    code: int = 200,
    stage: str = "ResponseComplete",
    took_s: float = 0.05,
    **more: Any,
) -> dict[str, Any]:
    """One of them; ``at_s`` seconds after the log began."""
    began_s = BEGAN_S + at_s
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"00000000-0000-4000-8000-{next(_ids):012}",
        "stage": stage,
        "requestURI": uri,
        "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "sourceIPs": [address],
        "userAgent": user_agent,
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": stamp(began_s),
        "stageTimestamp": stamp(began_s + took_s),
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
        **more,
    }


def text(lines: Iterable[dict[str, Any]]) -> str:
    """A log of these."""
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in lines)
