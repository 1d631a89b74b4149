"""The bytes of a request."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.version import VERSION

# not curl, Wget or Mozilla: to those the API server answers in indented JSON, which costs it more
# (kubernetes/apiserver: pkg/endpoints/handlers/negotiation/negotiate.go)
USER_AGENT = f"chaoslib-cp/{VERSION}"


PLACES: Final = ("node", "namespace", "pod", "load", "resource_version")
"""What a request may leave open, in braces: where the agent is that asks, and what :func:`words_of` a profile tells."""
NOWHERE: Final[Mapping[str, str]] = {}
_CONTENT_TYPES: Final = {"POST": "application/json", "PATCH": "application/apply-patch+yaml"}  # any JSON is YAML


def words_of(profile: LoadProfile) -> dict[str, str]:
    """What of ``PLACES`` is the same for all agents of a load.

    Returns:
        ``load``: ten letters that no other load has, in the names of what this one writes; empty for one that writes
        nothing. ``resource_version``: that of when it began, if a request asks for it.
    """
    marks = "/".join(f"{key}={value}" for key, value in sorted(profile.marks.items()))
    load = hashlib.sha256(marks.encode()).hexdigest()[:10] if marks else ""
    return {"load": load, "resource_version": profile.resource_version}


def request_head(
    spec: RequestSpec,
    host: str,
    credentials: Credentials,
    base_path: str = "",
    place: Mapping[str, str] = NOWHERE,
    next_page: str = "",
) -> bytes:
    """Return the request line and headers of one request, with the empty line that ends them.

    A write has its body, and the length of that, added by ``write.py``.

    Args:
        spec: the request.
        host: the Host header.
        credentials: who asks.
        base_path: what every path begins with, without a slash at its end.
        place: where the agent is, by the words of ``PLACES``.
        next_page: token of the page to ask for, from the answer that held the page before; empty for the first.

    Raises:
        ProfileInvalid: the request leaves something open that ``place`` does not have. Nothing was sent.
    """
    query = dict(spec.query)
    if spec.watch_s:
        query.setdefault("timeoutSeconds", str(math.ceil(spec.watch_s)))
    if next_page:
        query["continue"] = next_page
    path = base_path + filled(spec.path, place)
    if query:
        path += "?" + urlencode({key: filled(value, place) for key, value in query.items()}, quote_via=quote)
    headers = {"Host": host, "User-Agent": USER_AGENT, "Accept": spec.accept}
    headers["Accept-Encoding"] = "gzip" if spec.gzip else "identity"
    if spec.method in _CONTENT_TYPES:
        headers["Content-Type"] = _CONTENT_TYPES[spec.method]
    if credentials.token:
        headers["Authorization"] = f"Bearer {credentials.token}"
    return head_of(spec.method, path, (*headers.items(), *credentials.headers))


def filled(text: str, place: Mapping[str, str]) -> str:
    """Return a path, a value of a query or a body, with what it leaves open filled in.

    Raises:
        ProfileInvalid: ``place`` does not have it. Nothing was sent.
    """
    for word in PLACES:
        if f"{{{word}}}" not in text:
            continue
        if not place.get(word):
            raise ProfileInvalid(
                f"load profile: {text[:80]} needs the agent's {word}, which nobody told; nothing was sent"
            )
        text = text.replace(f"{{{word}}}", place[word])
    return text


def head_of(method: str, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a request line and headers, given as (name, value), as bytes.

    Raises:
        ValueError: a header holds a line end; sent as it is, it would begin a header of its own.
    """
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a request line or header holds a line end")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
