"""The load profile: what one agent asks, how often, and when it must stop. Plain JSON in, frozen dataclasses out."""

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number

SCHEMA = 1
RETRY_NONE = "none"
RETRY_CLIENT_GO = "client-go"
MAX_REQUEST_KINDS = 16

MAX_REPORT_TO = 3
#: What a rollout puts into the profile, and nobody else.
ROLLOUTS_OWN = ("fault", "report_to")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# What may stand in a request line or a header line without being able to end it (RFC 9110, sections 4 and 5.5).
_PATH = re.compile(r"/[!-~]*")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SEVERAL_KEYS = {"schema", "requests", "report_to"}


def _number(default: float, least: float, most: float, meaning: str, whole: bool = False) -> Any:
    metadata = {"least": least, "most": most, "meaning": meaning, "whole": whole}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RequestSpec:
    """One kind of request that an agent repeats.

    Attributes:
        path: absolute path without a query.
        method: only reads for now.
        query: parameters, percent-encoded by the engine.
        accept: the Accept header; the encoding asked for decides much of the server's cost (YAML, Table).
        gzip: ask for a compressed answer. The server pays for it, the engine never decompresses.
        period_s: seconds between two requests of one agent.
    """

    path: str
    method: str = "GET"
    query: dict[str, str] = dataclasses.field(default_factory=dict)
    accept: str = "application/json"
    gzip: bool = True
    period_s: float = _number(10.0, 0.1, 3600, "seconds between two requests of one agent")

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check(self.method == "GET", "method", f"must be GET, not {self.method!r}")
        _check(
            _matches(_PATH, self.path) and "?" not in self.path and "#" not in self.path,
            "path",
            f"must begin with / and hold neither spaces nor a query, not {self.path!r}",
        )
        _check(_matches(_HEADER_VALUE, self.accept), "accept", f"must be a media type, not {self.accept!r}")
        _check(isinstance(self.gzip, bool), "gzip", f"must be true or false, not {self.gzip!r}")
        _check(
            isinstance(self.query, dict) and all(isinstance(text, str) for pair in self.query.items() for text in pair),
            "query",
            "must map strings to strings",
        )


@dataclass(frozen=True)
class LoadProfile:
    """What every agent of one rollout does. All limits are per agent.

    Attributes:
        requests: the kinds of request, each on a schedule of its own.
        name: names the profile in results.
        jitter_ratio: how much of a period each request may come later than its place in the schedule.
        ramp_s: agents begin spread evenly over this time.
        duration_s: an agent ends this long after its own start.
        deadline_epoch_s: all agents end at this moment (seconds since 1970-01-01 UTC), whenever they started.
        request_timeout_s: limit of one try, connecting included.
        max_in_flight_per_agent: requests, and so connections, an agent has open at most; a request that comes due
            beyond it is counted as ``held_back``.
        retry: ``none``, or ``client-go`` (facts in ``retry.py``).
        max_requests: tries an agent makes at most.
        max_bytes: bytes of answers an agent receives at most.
        seed: of every random choice; the same seed gives the same schedule.
        fault: id of the fault that the agents belong to. The rollout's own, as the next is: a file has neither.
        report_to: pages of the workload prober (``ip:port``) that each agent tells its account; at most 3.
    """

    requests: tuple[RequestSpec, ...]
    name: str = "telemetry"
    jitter_ratio: float = _number(0.1, 0, 1, "share of a period")
    ramp_s: float = _number(0.0, 0, 600, "seconds over which agents begin")
    duration_s: float = _number(120.0, 1, 3600, "seconds from an agent's start to its end")
    deadline_epoch_s: float | None = None
    request_timeout_s: float = _number(30.0, 0.1, 120, "seconds for one try")
    max_in_flight_per_agent: int = _number(4, 1, 64, "requests of one agent at once", whole=True)
    retry: str = RETRY_NONE
    max_requests: int = _number(10_000, 1, 1_000_000, "tries of one agent", whole=True)
    max_bytes: int = _number(268_435_456, 1, 68_719_476_736, "bytes received by one agent", whole=True)
    seed: int = _number(1, 0, 2**63 - 1, "seed of the schedule", whole=True)
    fault: str = ""
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check(_matches(_NAME, self.name), "name", f"must be 1 to 63 of a-z, 0-9 and '-', not {self.name!r}")
        _check(
            self.retry in (RETRY_NONE, RETRY_CLIENT_GO),
            "retry",
            f"must be {RETRY_NONE!r} or {RETRY_CLIENT_GO!r}, not {self.retry!r}",
        )
        _check(
            0 < len(self.requests) <= MAX_REQUEST_KINDS,
            "requests",
            f"must list 1 to {MAX_REQUEST_KINDS} requests, not {len(self.requests)}",
        )
        if self.deadline_epoch_s is not None:
            _check(
                is_number(self.deadline_epoch_s) and self.deadline_epoch_s > 0,
                "deadline_epoch_s",
                f"must be seconds since 1970 or null, not {self.deadline_epoch_s!r}",
            )
        self._check_report()

    def _check_report(self) -> None:
        _check(self.fault == "" or _matches(_LABEL_VALUE, self.fault), "fault", f"must be an id, not {self.fault!r}")
        _check(
            len(self.report_to) <= MAX_REPORT_TO and all(map(_is_page, self.report_to)),
            "report_to",
            f"must list at most {MAX_REPORT_TO} ip:port, not {list(self.report_to)!r}",
        )
        _check(not self.report_to or self.fault != "", "report_to", "needs the id of a fault beside it")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``parse_profile`` of it gives an equal profile."""
        return {
            "schema": SCHEMA,
            **dataclasses.asdict(self),
            "requests": [dataclasses.asdict(r) for r in self.requests],
        }


def parse_profile(document: Any) -> LoadProfile:
    """Check a profile's JSON form and build it.

    Args:
        document: the decoded JSON.

    Raises:
        ProfileInvalid: a key is unknown, missing or out of range; the message names it. Nothing was changed.
    """
    _check(isinstance(document, dict), "", "must be a JSON object")
    _check(document.get("schema") == SCHEMA, "schema", f"must be {SCHEMA}, not {document.get('schema')!r}")
    _check_keys(document, LoadProfile, "", _SEVERAL_KEYS)
    listed = document.get("requests")
    _check(isinstance(listed, list), "requests", "must be a list of requests")
    pages = document.get("report_to", [])
    _check(isinstance(pages, list), "report_to", "must be a list of ip:port")
    plain = {key: value for key, value in document.items() if key not in _SEVERAL_KEYS}
    requests = tuple(_parse_request(one, i) for i, one in enumerate(listed or []))
    return LoadProfile(requests=requests, report_to=tuple(pages), **plain)


def _parse_request(document: Any, index: int) -> RequestSpec:
    where = f"requests[{index}]"
    _check(isinstance(document, dict), where, "must be a JSON object")
    _check_keys(document, RequestSpec, f"{where}.", set())
    _check("path" in document, f"{where}.path", "is missing")
    try:
        return RequestSpec(**document)
    except ProfileInvalid as error:
        raise ProfileInvalid(str(error).replace("load profile: ", f"load profile: {where}.", 1)) from error


def _check_keys(document: dict[str, Any], kind: type, prefix: str, extra: set[str]) -> None:
    known = {field.name for field in dataclasses.fields(kind)} | extra
    for key in document:
        _check(key in known, f"{prefix}{key}", f"is not a known key; known are {', '.join(sorted(known))}")


def _check_numbers(checked: RequestSpec | LoadProfile) -> None:
    for field in dataclasses.fields(checked):
        if not field.metadata:
            continue
        value, limits = getattr(checked, field.name), field.metadata
        kind = "a whole number" if limits["whole"] else "a number"
        _check(
            is_number(value, limits["whole"]),
            field.name,
            f"must be {kind}, not {value!r}",
        )
        _check(
            limits["least"] <= value <= limits["most"],
            field.name,
            f"is {value}, allowed are {limits['least']} to {limits['most']} ({limits['meaning']})",
        )


def _is_page(text: object) -> bool:
    """Whether it is an address and a port: a name would have to be looked up, and DNS may be what is broken."""
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return re.fullmatch(r"[0-9]{1,5}", port) is not None and 0 < int(port) < 65536


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _check(is_right: bool, key: str, problem: str) -> None:
    if not is_right:
        raise ProfileInvalid(f"load profile: {key}{' ' if key else ''}{problem}; nothing was started")
