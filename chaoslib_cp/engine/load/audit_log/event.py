"""One line of an audit log: who asked for what, when, and what came of it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

API_VERSION: Final = "audit.k8s.io/v1"
KIND: Final = "Event"
RECEIVED: Final = "RequestReceived"
STARTED: Final = "ResponseStarted"
COMPLETE: Final = "ResponseComplete"
PANIC: Final = "Panic"
STAGES: Final = (RECEIVED, STARTED, COMPLETE, PANIC)
# Which pod asked, of tokens that are bound to one (source: Kubernetes documentation, "Managing Service Accounts").
_POD: Final = "authentication.kubernetes.io/pod-name"
_NODE: Final = "authentication.kubernetes.io/node-name"

NotAnEvent = Literal["no JSON", "of another kind"]


@dataclass(frozen=True)
class AuditEvent:
    """What of a line is used.

    Attributes:
        stage: One of ``STAGES``; one request may have a line for each of them.
        verb: Of Kubernetes; for a path that is no resource the method in lower case.
        uri: Path and query, as the client sent them.
        user: Who authenticated.
        stands_for: Whom that impersonated; empty for nobody.
        user_agent: As the client named itself.
        source: Which of several agents it was, as far as the log tells: whom it stood for, its pod, or its address.
        status: HTTP status; 0 where the line does not say.
        at_s: When the request came, seconds since 1970.
        took_s: From then to the stage.
    """

    stage: str
    verb: str
    uri: str
    user: str
    stands_for: str
    user_agent: str
    source: str
    status: int
    at_s: float
    took_s: float

    @property
    def names(self) -> tuple[str, ...]:
        """What its agent can be called: a user, a user agent, or the user agent's first word without a version."""
        product = self.user_agent.split(" ")[0].partition("/")[0]
        return tuple(name for name in (self.user, self.stands_for, self.user_agent, product) if name)


def parse_event(line: bytes) -> AuditEvent | NotAnEvent:
    """Read one line, or say what it is instead."""
    try:
        told: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "no JSON"
    try:
        if told["kind"] != KIND or told["apiVersion"] != API_VERSION or told["stage"] not in STAGES:
            return "of another kind"
        return _event(told)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return "of another kind"


def kind_of(line: bytes) -> str:
    """What a line that is no audit event calls itself, in under 80 characters; empty where it does not say."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    words = [str(told.get(key, ""))[:38] for key in ("apiVersion", "kind")] if isinstance(told, dict) else []
    return " ".join(word for word in words if word)


def _event(told: Any) -> AuditEvent:
    user, stands_for = told["user"], told.get("impersonatedUser") or {}
    at_s = _epoch_s(told["requestReceivedTimestamp"])
    who = str(user.get("username") or "")
    acts_as = str(stands_for.get("username") or "")
    return AuditEvent(
        stage=told["stage"],
        verb=str(told["verb"]),
        uri=str(told["requestURI"]),
        user=who,
        stands_for=acts_as,
        user_agent=str(told.get("userAgent") or ""),
        source=f"{acts_as or who} {_place(user, told.get('sourceIPs') or [''])}",
        status=int((told.get("responseStatus") or {}).get("code") or 0),
        at_s=at_s,
        took_s=max(_epoch_s(told["stageTimestamp"]) - at_s, 0.0),
    )


def _place(user: Any, addresses: list[Any]) -> str:
    """The pod, else the node, else the address of the connection, which is the last: all others a client may claim."""
    extra = user.get("extra") or {}
    named = extra.get(_POD) or extra.get(_NODE) or addresses[-1:]
    return str(named[0])


def _epoch_s(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
