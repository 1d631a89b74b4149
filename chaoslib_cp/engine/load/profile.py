"""The load profile: what one agent asks, how often, and when it must stop. Plain JSON in, frozen dataclasses out."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.engine.load.fields import (
    check,
    check_deadline,
    check_keys,
    check_labels,
    check_numbers,
    check_report,
    check_word,
    matches,
    number,
)
from chaoslib_cp.engine.load.patterns.lookup import as_request, find_pattern
from chaoslib_cp.engine.load.weights import with_periods
from chaoslib_cp.errors import ProfileInvalid

SCHEMA = 1
RETRY_NONE = "none"
RETRY_NAIVE = "naive"
RETRY_CLIENT_GO = "client-go"
RETRIES: Final = (RETRY_NONE, RETRY_NAIVE, RETRY_CLIENT_GO)
KEPT = "kept"
PER_REQUEST = "per-request"
CONNECTIONS: Final = (KEPT, PER_REQUEST)
HTTP_1 = "http/1.1"
HTTP_2 = "h2"
PROTOCOLS: Final = (HTTP_1, HTTP_2)
"""By the names that a TLS client offers them under (RFC 7301: ALPN)."""
LINEAR = "linear"
STEPS = "steps"
ALL_AT_ONCE = "all-at-once"
RAMPS: Final = (LINEAR, STEPS, ALL_AT_ONCE)
MAX_REQUEST_KINDS = 16

#: What a rollout or an overload puts into the profile, and nobody else.
ROLLOUTS_OWN = ("fault", "report_to", "marks", "resource_version")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# What may stand in a request line or a header line without being able to end it (RFC 9110, sections 4 and 5.5).
_PATH = re.compile(r"/[!-~]*")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_VERSION = re.compile(r"[0-9]{0,20}")
_TRUE = ("1", "t", "true")  # source: strconv.ParseBool of Go, in lower case
_SEVERAL_KEYS = {"schema", "requests", "report_to", "rate_per_s"}


@dataclass(frozen=True)
class RequestSpec:
    """One kind of request that an agent repeats.

    Attributes:
        path: absolute path without a query. ``{node}``, ``{namespace}`` and ``{pod}`` stand for where each agent is.
        method: GET; another only as a pattern that writes sets it, so that nothing but objects of our own is written.
        query: parameters, percent-encoded by the engine; ``{node}`` and the others stand for the same here, and
            ``{resource_version}`` for the version that the collection had when the load began.
        accept: the Accept header; the encoding asked for decides much of the server's cost (YAML, Table).
        gzip: ask for a compressed answer. The server pays for it, the engine never decompresses.
        period_s: seconds between two requests of one agent.
        connection: ``kept``, or ``per-request``: a new connection for each try, closed after its answer.
        watch_s: seconds that a watch is read from its first byte on, then its end is a good one; the server is told
            the same as ``timeoutSeconds``. 0: as any other answer, it must end within the profile's time-out.
        abort_after_s: seconds after which the client hangs up, while the server may still work on it; 0: never.
        paged: follow ``continue`` until the list is read whole; each further page is a try of the same request.
        pattern: name of the load pattern (``patterns/table.py``) that it is; empty for none.
    """

    path: str
    method: str = "GET"
    query: dict[str, str] = dataclasses.field(default_factory=dict)
    accept: str = "application/json"
    gzip: bool = True
    period_s: float = number(10.0, 0.1, 3600, "seconds between two requests of one agent")
    connection: str = KEPT
    watch_s: float = number(0.0, 0, 3600, "seconds that a watch is read")
    abort_after_s: float = number(0.0, 0, 120, "seconds until the client hangs up")
    paged: bool = False
    pattern: str = ""

    def __post_init__(self) -> None:
        check_numbers(self)
        row = find_pattern(self.pattern)
        check(
            self.method == "GET" or (row is not None and self.method == row.sets.get("method")),
            "method",
            f"must be GET, not {self.method!r}: only patterns such as create-events write, each its own objects",
        )
        check(
            matches(_PATH, self.path) and "?" not in self.path and "#" not in self.path,
            "path",
            f"must begin with / and hold neither spaces nor a query, not {self.path!r}",
        )
        check(matches(_HEADER_VALUE, self.accept), "accept", f"must be a media type, not {self.accept!r}")
        check(isinstance(self.gzip, bool), "gzip", f"must be true or false, not {self.gzip!r}")
        check(
            isinstance(self.query, dict) and all(isinstance(text, str) for pair in self.query.items() for text in pair),
            "query",
            "must map strings to strings",
        )
        check_word("connection", self.connection, CONNECTIONS)
        check(self.pattern == "" or self._is_its_pattern(), "pattern", f"{self.pattern!r} is none that asks for this")
        check(not self.watch_s or self.is_watch, "watch_s", "is for a request whose query has watch=1")
        check(not (self.watch_s and self.abort_after_s), "abort_after_s", "stands beside watch_s, which ends a watch")
        self._check_paged()

    def _is_its_pattern(self) -> bool:
        row = find_pattern(self.pattern)
        return row is not None and all(getattr(self, key) == value for key, value in row.sets.items())

    def _check_paged(self) -> None:
        check(isinstance(self.paged, bool), "paged", f"must be true or false, not {self.paged!r}")
        can_be_read = not self.gzip and self.accept == "application/json"
        check(
            not self.paged or (can_be_read and "limit" in self.query and not self.is_watch),
            "paged",
            "needs a list as plain JSON (gzip false) with a limit in its query: the way to the next page stands in it",
        )

    @property
    def is_write(self) -> bool:
        """Whether it changes something, which is an object of the load's own."""
        return self.method != "GET"

    @property
    def makes(self) -> bool:
        """Whether it makes one more object each time."""
        return self.method == "POST"

    @property
    def is_watch(self) -> bool:
        """Whether the API server takes it as a watch."""
        return self.query.get("watch", "0").lower() in _TRUE

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; what the pattern sets is left out."""
        row = find_pattern(self.pattern)
        return {key: value for key, value in dataclasses.asdict(self).items() if row is None or key not in row.sets}


@dataclass(frozen=True)
class LoadProfile:
    """What every agent of one rollout does. All limits are per agent, except where they say total.

    Attributes:
        requests: the kinds of request, each on a schedule of its own.
        name: names the profile in results.
        jitter_ratio: how much of a period each request may come later than its place in the schedule.
        ramp: ``linear``: agents begin spread evenly over ``ramp_s``; ``steps``: in ``ramp_steps`` groups of about the
            same size; ``all-at-once``: with ``ramp_s`` 0, as those of a new DaemonSet.
        ramp_s: seconds over which agents begin.
        ramp_steps: how many groups there are; the first begins at once, the others at equal distances after it.
        phase_ratio: share of a period over which the first requests of agents that begin together are spread. 1 lets
            no two march in step; 0 sends them when the agent begins, as a client that lists when it starts.
        duration_s: an agent ends this long after its own start.
        deadline_epoch_s: all agents end at this moment (seconds since 1970-01-01 UTC), whenever they started.
        request_timeout_s: limit of one try, connecting included.
        protocol: ``http/1.1``, where each request in flight has a connection, or ``h2``, where all those of an agent
            share one, as with Go's client, but for ``per-request`` ones.
        max_in_flight_per_agent: requests an agent has open at most; a request that comes due beyond it is counted as
            ``held_back``.
        retry: ``none``, ``naive`` or ``client-go`` (facts in ``retry.py``).
        max_requests: tries an agent makes at most.
        max_bytes: bytes of answers an agent receives at most.
        max_total_requests: tries of all agents together; 0: no more than each agent's own. One process counts what
            its own agents do; a rollout shares each total out among the nodes that there are when it starts.
        max_total_bytes: bytes of answers of all agents together; 0 as above. What is under way is cut off within
            0.25 s.
        max_total_connections: connections of all agents that are open at once; 0 as above. A request that finds none
            is ``held_back``.
        max_objects: tries of all agents together to create an Event; one that comes due beyond it is ``held_back``. Of
            Leases and of what stands for a node's status each agent has one.
        seed: of every random choice; the same seed gives the same schedule.
        fault: id of the fault that the agents belong to. The rollout's or overload's own, as the next ones are: a file
            has none of them.
        report_to: pages of the workload prober (``ip:port``) that each agent tells its account; at most 3.
        marks: labels of each object that is written.
        resource_version: what ``{resource_version}`` stands for.
    """

    requests: tuple[RequestSpec, ...]
    name: str = "telemetry"
    jitter_ratio: float = number(0.1, 0, 1, "share of a period")
    ramp: str = LINEAR
    ramp_s: float = number(0.0, 0, 600, "seconds over which agents begin")
    ramp_steps: int = number(1, 1, 100, "groups in which agents begin", whole=True)
    phase_ratio: float = number(1.0, 0, 1, "share of a period")
    duration_s: float = number(120.0, 1, 3600, "seconds from an agent's start to its end")
    deadline_epoch_s: float | None = None
    request_timeout_s: float = number(30.0, 0.1, 120, "seconds for one try")
    protocol: str = HTTP_1
    max_in_flight_per_agent: int = number(4, 1, 64, "requests of one agent at once", whole=True)
    retry: str = RETRY_NONE
    max_requests: int = number(10_000, 1, 1_000_000, "tries of one agent", whole=True)
    max_bytes: int = number(268_435_456, 1, 68_719_476_736, "bytes received by one agent", whole=True)
    max_total_requests: int = number(0, 0, 100_000_000, "tries of all agents", whole=True)
    max_total_bytes: int = number(0, 0, 10_000_000_000_000, "bytes received by all agents", whole=True)
    max_total_connections: int = number(0, 0, 100_000, "connections of all agents at once", whole=True)
    max_objects: int = number(10_000, 1, 100_000, "tries of all agents to create an Event", whole=True)
    seed: int = number(1, 0, 2**63 - 1, "seed of the schedule", whole=True)
    fault: str = ""
    report_to: tuple[str, ...] = ()
    marks: dict[str, str] = dataclasses.field(default_factory=dict)
    resource_version: str = ""

    def __post_init__(self) -> None:
        check_numbers(self)
        check(matches(_NAME, self.name), "name", f"must be 1 to 63 of a-z, 0-9 and '-', not {self.name!r}")
        check_word("retry", self.retry, RETRIES)
        check_word("protocol", self.protocol, PROTOCOLS)
        self._check_ramp()
        check(
            0 < len(self.requests) <= MAX_REQUEST_KINDS,
            "requests",
            f"must list 1 to {MAX_REQUEST_KINDS} requests, not {len(self.requests)}",
        )
        check_deadline(self.deadline_epoch_s)
        for i, one in enumerate(self.requests):
            check(
                one.abort_after_s < self.request_timeout_s,
                f"requests[{i}].abort_after_s",
                f"is {one.abort_after_s}, not under request_timeout_s {self.request_timeout_s}",
            )
        check_report(self.fault, self.report_to)
        check_labels("marks", self.marks)
        check(matches(_VERSION, self.resource_version), "resource_version", f"is none: {self.resource_version!r}")

    def _check_ramp(self) -> None:
        check_word("ramp", self.ramp, RAMPS)
        check(self.ramp != ALL_AT_ONCE or self.ramp_s == 0, "ramp_s", f"is {self.ramp_s}, but ramp is {ALL_AT_ONCE!r}")
        check(
            (self.ramp_steps > 1 and self.ramp_s > 0) if self.ramp == STEPS else self.ramp_steps == 1,
            "ramp_steps",
            f"is {self.ramp_steps}: ramp {STEPS!r} takes 2 to 100 and a ramp_s above 0, every other ramp 1",
        )

    @property
    def connections_per_agent(self) -> int:
        """How many connections an agent has open at most; a few more while old ones close."""
        is_shared = self.protocol == HTTP_2 and all(one.connection == KEPT for one in self.requests)
        return 1 if is_shared else self.max_in_flight_per_agent

    def in_short(self) -> dict[str, Any]:
        """What is really asked for, in under 1 KB, for results: requests beyond the fourth are counted, not listed."""
        shown = ("pattern", "path", "period_s", "accept", "gzip")
        return {
            "profile": self.name,
            "requests": [{key: getattr(request, key) for key in shown} for request in self.requests[:4]],
            "request_count": len(self.requests),
            "ramp": self.ramp,
            "ramp_s": self.ramp_s,
            "retry": self.retry,
            "protocol": self.protocol,
            "max_in_flight_per_agent": self.max_in_flight_per_agent,
            "request_timeout_s": self.request_timeout_s,
            "seed": self.seed,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``parse_profile`` of it gives an equal profile."""
        return {
            "schema": SCHEMA,
            **dataclasses.asdict(self),
            "requests": [request.as_dict() for request in self.requests],
        }


def parse_profile(document: Any) -> LoadProfile:
    """Check a profile's JSON form and build it.

    Two things are said in it that the profile itself has no field for: with ``rate_per_s``, requests of an agent per
    second, requests may have a ``weight`` instead of a period, their share of that rate.

    Args:
        document: the decoded JSON.

    Raises:
        ProfileInvalid: a key is unknown, missing or out of range; the message names it. Nothing was changed.
    """
    check(isinstance(document, dict), "", "must be a JSON object")
    check(document.get("schema") == SCHEMA, "schema", f"must be {SCHEMA}, not {document.get('schema')!r}")
    check_keys(document, LoadProfile, "", _SEVERAL_KEYS)
    listed = document.get("requests")
    check(isinstance(listed, list), "requests", "must be a list of requests")
    pages = document.get("report_to", [])
    check(isinstance(pages, list), "report_to", "must be a list of ip:port")
    plain = {key: value for key, value in document.items() if key not in _SEVERAL_KEYS}
    weighed = with_periods(listed or [], document.get("rate_per_s"))
    requests = tuple(_parse_request(one, i) for i, one in enumerate(weighed))
    return LoadProfile(requests=requests, report_to=tuple(pages), **plain)


def _parse_request(document: Any, index: int) -> RequestSpec:
    where = f"requests[{index}]"
    check(isinstance(document, dict), where, "must be a JSON object")
    check_keys(document, RequestSpec, f"{where}.", set())
    try:
        made = as_request(document) if document.get("pattern") else document
        check("path" in made, "path", "is missing")
        return RequestSpec(**made)
    except ProfileInvalid as error:
        raise ProfileInvalid(str(error).replace("load profile: ", f"load profile: {where}.", 1)) from error
