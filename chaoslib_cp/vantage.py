"""The one table of vantage points: what is sampled, by whom, how often, and what its samples stand for.

Whoever lists vantage points reads this table, so a new one is one row. Extensions add rows of their own
(``VANTAGE_POINTS`` in their module, see ``extensions.py``); those come after ours. The order of the table is the order
of a report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from chaoslib_cp import extensions
from chaoslib_cp.errors import ProfileInvalid

Asker = Literal["observer", "prober", "injector"]
ASK_AS: Final = ("observer", "admin", "break-glass")
"""Whom the observer can ask as."""

SHORTEST_PERIOD_S: Final = 0.2
LONGEST_PERIOD_S: Final = 60.0


@dataclass(frozen=True)
class Request:
    """One call to the API, as plain data.

    Attributes:
        method: HTTP method.
        path: Path and query; ``{namespace}`` in it stands for the namespace of the library's own objects.
        body: What is sent as JSON; None sends nothing.
        kept: Over a connection that is kept, as a client that has long been there does; else each call connects anew,
            as each ``kubectl`` does.
        first_s: Seconds from the observer's start to the first call. Close to the others, so that the server is woken
            once, but one by one.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    kept: bool = True
    first_s: float = 0.2


@dataclass(frozen=True)
class VantagePoint:
    """One row: a question that is asked again and again, and what its answers stand for.

    Attributes:
        name: What samples, abort rules and figures call it, for example ``api_read``.
        label: What a person calls it, for example "small API reads".
        asked_by: ``observer`` (from where ``chaos`` runs, at the API), ``prober`` (from a pod, at DNS) or ``injector``
            (what brings the fault tells about itself).
        period_s: Seconds between two attempts, 0.2 to 60; the experiment may set it for those that the observer asks.
        deadline_s: Seconds after which an attempt has failed, 0.2 to 60; may be set likewise.
        fails: What a story says when it breaks.
        works: What a story says when it is good again.
        identity: Whom the observer asks as, one of ``ASK_AS``; empty where it does not ask.
        request: What the observer asks; None where it does not.
        bad_in_a_row: How many bad samples begin a failure: a single lost packet is none.
        good_in_a_row: How many good samples end it: while one of two servers is back, single right answers get through.
        limit_s: A slower answer is not a good one, seconds; None when only the deadline counts.
        is_check: Each sample is a good or a bad answer. False where samples only carry numbers: never broken, never
            green, and no abort rule can be about them.
        in_story: Its failures are moments of the story, and a run is not healed before it works again.
        is_health: A health check of the API, as a monitor has them: it may give the first signal.
        is_queued: The API server lets such calls wait for a seat (fair queueing), so they tell of saturation.
        users_need: Without it users are not served: ``wait_until_recovered`` waits for it.
        is_optional: The prober asks it only where it was set up to.
        probe: The probe (``module:function``) whose claim these samples answer; empty when there is none.
        dns_path: The argument ``path`` with which that probe means this one; empty when it has no such argument.
    """

    name: str
    label: str
    asked_by: Asker
    period_s: float
    deadline_s: float
    fails: str
    works: str
    identity: str = ""
    request: Request | None = None
    bad_in_a_row: int = 2
    good_in_a_row: int = 3
    limit_s: float | None = None
    is_check: bool = True
    in_story: bool = True
    is_health: bool = False
    is_queued: bool = False
    users_need: bool = False
    is_optional: bool = False
    probe: str = ""
    dns_path: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that could not be sampled or told.

        Raises:
            ProfileInvalid: Something is missing or out of its range.
        """
        for wrong in self._wrong():
            raise ProfileInvalid(f"vantage point {self.name!r}: {wrong}; correct its row")

    def _wrong(self) -> list[str]:
        asked = self.asked_by == "observer"
        numbers = (self.period_s, self.deadline_s)
        wrong = {
            "it needs a name, a label, and the words for fails and works": not all(
                (self.name, self.label, self.fails, self.works)
            ),
            f"asked_by is {self.asked_by!r}, use one of {', '.join(get_args(Asker))}": self.asked_by
            not in get_args(Asker),
            f"identity is {self.identity!r}, use one of {', '.join(ASK_AS)} where the observer asks, else none": (
                self.identity not in ASK_AS if asked else self.identity != ""
            ),
            "it needs a request where the observer asks, and none elsewhere": (self.request is not None) != asked,
            f"period_s and deadline_s are {numbers}, use {SHORTEST_PERIOD_S:g} to {LONGEST_PERIOD_S:g}": not all(
                SHORTEST_PERIOD_S <= one <= LONGEST_PERIOD_S for one in numbers
            ),
            "bad_in_a_row and good_in_a_row must be 1 or more": min(self.bad_in_a_row, self.good_in_a_row) < 1,
            "what is no check breaks nothing, so it is not in the story": self.in_story and not self.is_check,
        }
        return [words for words, is_so in wrong.items() if is_so]

    def is_good(self, ok: bool, latency_s: float) -> bool:
        """Whether an attempt counts as good: answered right, and within the limit."""
        return ok and (self.limit_s is None or latency_s <= self.limit_s)


_READ: Final = "/api/v1/namespaces/{namespace}"
"""The smallest right there is: one object, by name.

A Role can grant the reading of its own Namespace (400 bytes), so nothing has to be created for it; the prober's
manifest brings that Role and its binding. Without a resourceVersion the answer comes from etcd, not from the watch
cache: the ordinary ``kubectl get NAME``.
"""


def _dry_run_write(name: str, first_s: float) -> Request:
    """A create that goes all the way (authentication, fair queueing, authorization, admission, etcd) but is not kept.

    Over a fresh connection: every ``kubectl`` is a new process that must connect, shake hands and authenticate, which
    is where a starved server fails first.

    Source: Kubernetes API concepts, dry-run.
    """
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"asked-by": "chaoslib-cp"}}
    path = "/api/v1/namespaces/{namespace}/configmaps?dryRun=All&fieldManager=chaoslib-cp-observe"
    return Request("POST", path, body, kept=False, first_s=first_s)


# Seconds between two attempts at the API. The API server may spend 2 % of its quota on all of this: 8 ms of CPU per
# second where it has 0.4 core. Measured (kube-apiserver 1.36.4, ECDSA certificates): asked without pause, a read over a
# kept connection costs it 0.5 to 0.95 ms and a dry-run write over a fresh one 2.4 ms. Asked now and then on an
# overloaded machine with two cores, where it has to be woken and finds its caches cold, the write costs 5.5 ms; a read
# that follows while it is still awake costs 1.6 ms. So all share one beat, break-glass joins each third one, and they
# are asked 10 ms apart. With a beat of 3 s that cost 5.1 ms per second (standard error 0.7, 16 pairs, load average 10).
# lockout_s is therefore known to 3 s; a server with more CPU allows a shorter beat.
_BEAT_S: Final = 3.0
# 5 s for the ordinary calls: longer than that is lost for a person who works on an outage.
_PATIENCE_S: Final = 5.0
# The C library of a workload gives up on one attempt after 5 s; ours stays below 2 s so that at most four questions
# of a vantage point are in flight and the first failure is known soon.
_DNS_PATIENCE_S: Final = 1.9
_HEALTH_PROBE: Final = "chaoslib_cp.apiserver.probes:api_health"
_DNS_PROBE: Final = "chaoslib_cp.dns.probes:workload_dns"

API_LIVEZ: Final = VantagePoint(
    name="api_livez",
    label="API /livez",
    asked_by="observer",
    identity="observer",
    request=Request("GET", "/livez", first_s=0.10),
    period_s=_BEAT_S,
    deadline_s=_PATIENCE_S,
    fails="API /livez fails",
    works="API /livez is good again",
    is_health=True,
    probe=_HEALTH_PROBE,
)
API_VERSION: Final = VantagePoint(
    name="api_version",
    label="API /version",
    asked_by="observer",
    identity="observer",
    request=Request("GET", "/version", first_s=0.11),
    period_s=_BEAT_S,
    deadline_s=_PATIENCE_S,
    fails="API /version fails",
    works="API /version is good again",
    is_health=True,
    is_queued=True,
    probe=_HEALTH_PROBE,
)
API_READ: Final = VantagePoint(
    name="api_read",
    label="small API reads",
    asked_by="observer",
    identity="observer",
    request=Request("GET", _READ, first_s=0.12),
    period_s=_BEAT_S,
    deadline_s=_PATIENCE_S,
    fails="small API reads fail",
    works="small API reads work again",
    is_health=True,
    is_queued=True,
    users_need=True,
    probe=_HEALTH_PROBE,
)
ADMIN_WRITE: Final = VantagePoint(
    name="admin_write",
    label="the ordinary admin's way in",
    asked_by="observer",
    identity="admin",
    request=_dry_run_write("admin-write", first_s=0.13),
    period_s=_BEAT_S,
    deadline_s=_PATIENCE_S,
    fails="ordinary admin LOCKED OUT",
    works="ordinary admin can write again",
    bad_in_a_row=3,
    # A write that takes longer has failed, whatever it answered: nobody waits for it in an outage.
    limit_s=5.0,
    is_queued=True,
    users_need=True,
    probe="chaoslib_cp.access.probes:admin_write",
)
BREAK_GLASS_WRITE: Final = VantagePoint(
    name="break_glass_write",
    label="the break-glass way in",
    asked_by="observer",
    identity="break-glass",
    request=_dry_run_write("break-glass-write", first_s=0.16),
    period_s=3 * _BEAT_S,
    deadline_s=10.0,  # it is slow in a storm; the question is whether it works at all
    fails="break-glass cannot write",
    works="break-glass can write again",
    in_story=False,
    probe="chaoslib_cp.access.probes:break_glass_write",
)
DNS_POD: Final = VantagePoint(
    name="dns_pod",
    label="a single DNS server",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="a DNS server fails",
    works="a DNS server answers again",
    in_story=False,  # servers come and go when they are restarted; the Service in front of them is what is used
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="pods",
)
DNS_UNCACHED: Final = VantagePoint(
    name="dns_uncached",
    label="DNS past the caches",
    asked_by="prober",
    period_s=0.5,
    deadline_s=_DNS_PATIENCE_S,
    fails="DNS servers fail",
    works="DNS servers answer again",
    users_need=True,
    probe=_DNS_PROBE,
    dns_path="uncached",
)
DNS_CACHED: Final = VantagePoint(
    name="dns_cached",
    label="workload DNS",
    asked_by="prober",
    period_s=0.5,
    deadline_s=_DNS_PATIENCE_S,
    fails="workload DNS FAILS",
    works="workload DNS works again",
    users_need=True,
    probe=_DNS_PROBE,
    dns_path="cached",
)
DNS_EXTERNAL: Final = VantagePoint(
    name="dns_external",
    label="names outside the cluster",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="names outside the cluster fail",
    works="names outside the cluster answer again",
    in_story=False,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="external",
)
AGENT_LOAD: Final = VantagePoint(
    name="agent_load",
    label="the agents' own account",
    asked_by="injector",
    # Shorter tells more exactly how much of the rollout was done at the first alarm. A hundred nodes with this period
    # are already fifty small requests a second for the one prober.
    period_s=2.0,
    deadline_s=1.0,  # a late account is dropped: the next one holds all that it held
    fails="agents do not tell their account",
    works="agents tell their account again",
    is_check=False,
    in_story=False,
)

_OURS: Final = (
    API_LIVEZ,
    API_VERSION,
    API_READ,
    ADMIN_WRITE,
    BREAK_GLASS_WRITE,
    DNS_POD,
    DNS_UNCACHED,
    DNS_CACHED,
    DNS_EXTERNAL,
    AGENT_LOAD,
)


def all_points() -> tuple[VantagePoint, ...]:
    """Every vantage point there is, in the order of a report. Of two with one name the first counts (``problems``)."""
    by_name: dict[str, VantagePoint] = {}
    for point in (*_OURS, *extensions.rows("VANTAGE_POINTS")):
        if isinstance(point, VantagePoint):
            by_name.setdefault(point.name, point)
    return tuple(by_name.values())


def named(name: str) -> VantagePoint:
    """The vantage point of that name.

    Raises:
        ProfileInvalid: There is none.
    """
    known = {point.name: point for point in all_points()}
    if name not in known:
        raise ProfileInvalid(f"there is no vantage point {name!r}; nothing was asked; use one of {', '.join(known)}")
    return known[name]


def asked_by_observer() -> dict[str, VantagePoint]:
    """Those that the observer asks itself, by name."""
    return {point.name: point for point in all_points() if point.asked_by == "observer"}


def problems() -> list[str]:
    """Why the rows of extensions cannot be relied on, one line each; empty when they can."""
    rows = extensions.rows("VANTAGE_POINTS")
    names = [point.name for point in (*_OURS, *rows) if isinstance(point, VantagePoint)]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [
        *(f"two vantage points are called {name!r}; give one of them another name" for name in twice),
        *(
            f"VANTAGE_POINTS of an extension holds a {type(row).__name__}; use chaoslib_cp.vantage.VantagePoint"
            for row in rows
            if not isinstance(row, VantagePoint)
        ),
    ]
