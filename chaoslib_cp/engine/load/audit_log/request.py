"""What a profile can play of a request that was logged: its path and query without what was of its moment."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from chaoslib_cp.engine.load.audit_log.event import AuditEvent

WRITES: Final = "writes"
RESUMED: Final = "watches that go on from a version of then"
LONG: Final = "connections into pods"
ELSEWHERE: Final = "requests of another form"
LEFT_OUT: Final = (WRITES, RESUMED, LONG, ELSEWHERE)
"""Why a request cannot be played."""
NODE: Final = "{node}"
POD: Final = "{pod}"
NAMESPACE: Final = "{namespace}"
NAME: Final = "{name}"
"""Of any other object: the first that was asked for stands for all, since a profile has no word for it."""

_READS: Final = ("get", "list", "watch")
_LONG: Final = re.compile(r"/(?:exec|attach|portforward|proxy)(?:/|$)|/log$")
_OBJECT: Final = re.compile(r"(?P<before>/(?:api/[^/]+|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?)"
                            r"/(?P<resource>[^/]+)/(?P<name>[^/]+)(?P<after>/[^/]+)?")  # fmt: skip
_NODE_SELECTOR: Final = re.compile(r"spec\.nodeName=([^,]+)")
# To these an API server answers in indented JSON, unasked (kubernetes/apiserver: negotiation/negotiate.go).
_PRETTY_FOR: Final = ("curl", "Wget", "Mozilla/5.0")
_NEVER_PLAYABLE: Final = re.compile(r"[^!-~]|[#{}]")


@dataclass(frozen=True)
class LoggedRequest:
    """One kind of request, so that requests which differ in nothing that costs are one.

    Attributes:
        path: With ``{node}`` and the like in place of names, where these are taken for the agent's own.
        query: Parameters, sorted.
        is_watch: It is a watch.
        is_page: It is a further page of a list, which is no request of its own.
        names: What stood in place of each word in braces, by the word.
    """

    path: str
    query: tuple[tuple[str, str], ...]
    is_watch: bool = False
    is_page: bool = False
    names: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What it is counted under: with names left out."""
        return self.path, self.query


def playable(event: AuditEvent) -> LoggedRequest | str:
    """Turn a logged request into one that can be played, or say which of ``LEFT_OUT`` it is."""
    if event.verb not in _READS:
        return WRITES
    parts = urlsplit(event.uri)
    path, given = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
    if _LONG.search(path) and _OBJECT.match(path):
        return LONG
    if _NEVER_PLAYABLE.search(path) or "/watch/" in path or not path.startswith("/"):
        return ELSEWHERE
    query = dict(given)
    is_page = bool(query.pop("continue", ""))
    is_watch = event.verb == "watch"
    if _is_of_then(query.get("resourceVersion", "")):
        if is_watch or query.get("resourceVersionMatch") == "Exact":
            return RESUMED
        query["resourceVersion"] = "0"  # at least as new as then: the watch cache answers, as for 0
    if is_watch:
        query["watch"] = "1"
        query.pop("timeoutSeconds", "")
    if event.user_agent.startswith(_PRETTY_FOR):
        query.setdefault("pretty", "true")
    path, names = _without_names(path)
    query, of_node = _without_node(query)
    return LoggedRequest(path, tuple(sorted(query.items())), is_watch, is_page, (*names, *of_node))


def _is_of_then(version: str) -> bool:
    return version not in ("", "0")


def _without_names(path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A path that names one object, with words for its names; those of a node and of a pod are the agent's own."""
    found = _OBJECT.fullmatch(path)
    if found is None or (found["resource"] == "namespaces" and found["after"]):
        return path, ()
    after = found["after"] or ""
    if found["resource"] == "nodes":
        return f"{found['before']}/nodes/{NODE}{after}", ((NODE, found["name"]),)
    if found["resource"] == "pods" and found["namespace"]:
        before = found["before"][: -len(found["namespace"])] + NAMESPACE
        return f"{before}/pods/{POD}{after}", ((NAMESPACE, found["namespace"]), (POD, found["name"]))
    return f"{found['before']}/{found['resource']}/{NAME}{after}", ((NAME, found["name"]),)


def _without_node(query: dict[str, str]) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """A query that asks for the pods of one node asks for those of the agent's."""
    selector = query.get("fieldSelector", "")
    found = _NODE_SELECTOR.search(selector)
    if found is None:
        return query, ()
    return {**query, "fieldSelector": selector.replace(found[1], NODE)}, ((NODE, found[1]),)
