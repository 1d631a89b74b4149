"""Control calls to an API server: raw JSON, one try, a limit on the whole call.

The official client is left out: it retries 429 silently for seconds, has no limit on time unless asked, decodes a big
list for seconds, and knows no impersonation (facts K1 to K3 of the ecosystem sheet: kubernetes-client/python#962 and
#362, measured on 35 to 37).
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HttpTimeout

from chaoslib_cp.cluster.door.address import first_that_accepts
from chaoslib_cp.cluster.door.connection import Connection
from chaoslib_cp.cluster.door.go_json import go_json
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.outcome import Outcome, of_http_status, of_socket_error
from chaoslib_cp.version import VERSION

Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""What is sent as JSON: an object, or the operations of a patch. A patch that is an object is merged."""
DEFAULT_TIMEOUT_S = 10.0
# A list of operations says itself under which conditions it may be made (source: RFC 6902); an object is merged into
# what is there (source: RFC 7396).
_PATCHES = {True: "application/json-patch+json", False: "application/merge-patch+json"}
_READS = ("GET", "HEAD")
_MAX_BODY_BYTES = 64 * 1024 * 1024  # a list of 10,000 pods is about 40 MB; more is no answer to a control call
_NOT_SENT = (ConnectTimeoutError, NewConnectionError, SSLError)


class CallFailed(TargetUnreachable):
    """No usable answer came.

    Attributes:
        outcome: How, in the words of the timeline.
        is_unknown: True when the request may have reached the server, so that a write may or may not have happened.
    """

    def __init__(self, message: str, outcome: str, is_unknown: bool) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.is_unknown = is_unknown


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, whatever its status.

    Attributes:
        status: HTTP status.
        body: The whole body.
        latency_s: Seconds from the start of the call, connecting included, to the last byte.
        served_epoch_s: The server's clock in its answer (header Date, whole seconds); None when it did not say.
        flow_schema_uid: UID of the FlowSchema that took the request in; empty without priority and fairness.
        priority_level_uid: UID of the priority level that it was given.
    """

    status: int
    body: bytes = field(repr=False)
    latency_s: float
    served_epoch_s: float | None = None
    flow_schema_uid: str = ""
    priority_level_uid: str = ""

    @property
    def outcome(self) -> Outcome:
        """The status in the words of the timeline."""
        return of_http_status(self.status)

    def json(self) -> dict[str, Any]:
        """The body as an object; empty if it is not one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def reason(self) -> str:
        """What the server says, one line of at most 200 characters, no payload."""
        said = self.json().get("message") or self.body[:200].decode("utf-8", "replace")
        return " ".join(str(said).split())[:200] or "no reason given"


class Cluster:
    """One identity's connection to one cluster. Close it, or use it in a ``with``.

    Attributes:
        connection: How it is reached and as whom.
        identity: ``runner``, ``admin``, ``break-glass`` or ``observer``.
        context: The kubeconfig context behind it, empty when there is no kubeconfig.
        kubeconfig: Path of the kubeconfig, empty when there is none.
        server: ``https://host:port/path`` as configured.
        addresses: The server's addresses as ``ip:port``.
        ca_sha256: Hash of the certificate authority, empty without one.
        is_verified: Whether whoever answers must have a certificate of that authority.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.identity, self.context = connection.identity, connection.context
        self.kubeconfig, self.server = connection.kubeconfig, connection.server
        self.addresses = connection.addresses
        self.ca_sha256, self.is_verified = connection.ca_sha256, connection.is_verified
        self._alive = ""
        self._connect()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connections."""
        self._pool.clear()

    def fresh(self) -> "Cluster":
        """The same identity with no connection yet, as a new kubectl process would be."""
        return Cluster(self.connection)

    def _connect(self) -> None:
        """Make the pool; connections are made when they are used."""
        if self.connection.scheme == "http":
            self._pool = urllib3.PoolManager()
        else:
            self._pool = urllib3.PoolManager(
                ssl_context=self.connection.tls(), server_hostname=self.connection.server_name
            )

    def call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Answer:
        """Make one call, with no retry and no redirect; an address that takes no connection is passed over.

        Args:
            method: GET, HEAD, POST, DELETE, or PATCH.
            path: Path below the server, without the query.
            body: What to send as JSON: an object, or the operations of a patch.
            query: Query parameters. Writes also get ``timeout``: the server gives up when we do, so that a write
                nobody waits for does not land later (source: API server filter ``request_deadline.go``).
            timeout_s: Limit of the whole call, from connecting to the last byte of the body.

        Raises:
            CallFailed: Nothing usable came back. After a write the outcome is unknown unless the error says it is not.
        """
        asked = dict(query or {})
        if method not in _READS:
            asked.setdefault("timeout", f"{max(1, math.ceil(timeout_s))}s")
        target = path + (f"?{urlencode(asked)}" if asked else "")
        started_s = time.monotonic()
        if self.connection.login.renew_if_due(timeout_s):
            self.close()
            self._connect()
        try:
            response = self._request(method, target, body, started_s + timeout_s)
            content = b"".join(_chunks(response, started_s + timeout_s))
        except (HTTPError, OSError) as error:
            raise self._failure(method, path, error, time.monotonic() - started_s) from error
        response.release_conn()
        if response.status == 401:
            self.connection.login.distrust()
        told = response.headers
        return Answer(
            int(response.status),
            content,
            time.monotonic() - started_s,
            _epoch_s(told.get("Date")),
            told.get("X-Kubernetes-PF-FlowSchema-UID", ""),
            told.get("X-Kubernetes-PF-PriorityLevel-UID", ""),
        )

    def get(self, path: str, timeout_s: float = DEFAULT_TIMEOUT_S, **query: str) -> dict[str, Any] | None:
        """Read one object or list; None when there is none (404).

        Raises:
            TargetRefused: This identity may not.
            CallFailed: No answer, or the server is unwell (429, 5xx).
        """
        answer = self.call("GET", path, query=query, timeout_s=timeout_s)
        if answer.status == 404:
            return None
        self.expect_success(answer, f"read {path}")
        return answer.json()

    def expect_success(self, answer: Answer, what: str) -> None:
        """Turn a status that is not a success into the error the user can act on.

        Raises:
            TargetRefused: 401, 403, 404, 409: not allowed, or not there, or somebody else's.
            ProfileInvalid: 400, 422: the server does not accept what was asked.
            CallFailed: 429 or 5xx; after a 5xx a write's outcome is unknown.
        """
        who = f"{self.identity} ({self.context or self.server})"
        trouble = self.connection.login.trouble
        match answer.status:
            case status if 200 <= status < 300:
                return
            case 401:
                raise TargetRefused(
                    f"{who} could not {what}: 401 {answer.reason()}; nothing was changed by it; its credentials have "
                    f"expired or are not for this cluster, so renew them{f' ({trouble})' if trouble else ''}"
                )
            case 403 | 404 | 409 as status:
                raise TargetRefused(f"{who} could not {what}: {status} {answer.reason()}; nothing was changed by it")
            case 400 | 422 as status:
                raise ProfileInvalid(f"{who} could not {what}: {status} {answer.reason()}; nothing was changed by it")
            case status:
                raise CallFailed(
                    f"{who} could not {what}: {status} {answer.reason()}; wait until the API is healthy",
                    answer.outcome,
                    is_unknown=status >= 500,
                )

    def _request(self, method: str, target: str, body: Body | None, deadline_s: float) -> urllib3.BaseHTTPResponse:
        """Send it to the first address that takes it; the next one is tried only while nothing was sent."""
        left = list(self.addresses)
        while True:
            address = self._alive if self._alive in left else ""
            if not address:
                address = first_that_accepts(left, deadline_s - time.monotonic())
                left = left[left.index(address) :]
            left.remove(address)
            try:
                response = self._pool.request(
                    method,
                    f"{self.connection.scheme}://{address}{self.connection.base_path}{target}",
                    body=None if body is None else go_json(body).encode(),
                    headers=self._headers(_content_type(method, body)),
                    timeout=urllib3.Timeout(total=max(0.001, deadline_s - time.monotonic())),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            except (ConnectTimeoutError, NewConnectionError):
                self._alive = ""
                if not left or time.monotonic() >= deadline_s:
                    raise
                continue
            self._alive = address
            return response

    def _headers(self, content_type: str) -> HTTPHeaderDict:
        headers = HTTPHeaderDict(self.connection.headers())
        headers["Accept"] = "application/json"
        headers["User-Agent"] = f"chaostoolkit-cp/{VERSION}"
        headers["Host"] = self.connection.host
        if content_type:
            headers["Content-Type"] = content_type
        return headers

    def _failure(self, method: str, path: str, error: Exception, after_s: float) -> CallFailed:
        """The error in our words; the original's text is left out, it may repeat headers."""
        outcome = _outcome_of(error)
        is_unknown = method not in _READS and not isinstance(error, _NOT_SENT)
        left = "its outcome is unknown" if is_unknown else "nothing was changed by it"
        return CallFailed(
            f"{method} {path} as {self.identity} at {self.server}: {outcome} after {after_s:.1f} s; {left}; "
            "check that the API server runs and can be reached from here",
            outcome,
            is_unknown,
        )


def _epoch_s(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _content_type(method: str, body: Body | None) -> str:
    if body is None:
        return ""
    return _PATCHES[not isinstance(body, Mapping)] if method == "PATCH" else "application/json"


def _chunks(response: urllib3.BaseHTTPResponse, deadline_s: float) -> Iterator[bytes]:
    """The body piece by piece: a server that drips bytes must not hold us beyond the limit."""
    size = 0
    for chunk in response.stream(65_536, decode_content=True):
        size += len(chunk)
        if time.monotonic() > deadline_s:
            response.close()
            raise TimeoutError
        if size > _MAX_BODY_BYTES:
            response.close()
            raise HTTPError("the answer is over 64 MB")
        yield chunk


def _outcome_of(error: BaseException) -> Outcome:
    """Find the socket's own word under urllib3's wrapping."""
    if isinstance(error, HttpTimeout) and not isinstance(error, NewConnectionError):  # urllib3 derives one from both
        return "timeout"
    if isinstance(error, NameResolutionError):
        return "unreachable"
    if isinstance(error, SSLError):
        return "tls"
    if isinstance(error, OSError):
        return of_socket_error(error)
    inner = error.__cause__ or next((part for part in error.args if isinstance(part, BaseException)), None)
    return _outcome_of(inner) if inner is not None else "error"
