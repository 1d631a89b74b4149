"""The one table of vantage points: what is sampled, by whom, how often, and what its samples stand for.

Whoever lists vantage points reads this table, so a new one is one row. Extensions add rows of their own
(``VANTAGE_POINTS`` in their module, see ``extensions.py``); those come after ours. The order of the table is the order
of a report.
"""

from typing import Final

from chaoslib_cp import extensions
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.vantage_point import Request, VantagePoint

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
# A C library asks again after 5 s: an answer that needed that is one on which a first attempt failed.
_LOOKUP_PATIENCE_S: Final = 4.9
_HEALTH_PROBE: Final = "chaoslib_cp.apiserver.probes:api_health"
_DNS_PROBE: Final = "chaoslib_cp.dns.probes:workload_dns"

SERVER_AFTER: Final = " at "
"""Between the question and the server in the target of a watched name's sample: ``api.shop.svc. A at 10.0.0.1``."""

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
DNS_REVISION: Final = VantagePoint(
    name="dns_revision",
    label="the revision that a DNS server runs",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="a DNS server does not tell its revision",
    works="a DNS server tells its revision again",
    is_check=False,
    in_story=False,
    is_optional=True,
)
DNS_WATCHED_BACKEND: Final = VantagePoint(
    name="dns_watched_backend",
    label="watched names, past the DNS servers' caches",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="a DNS server lies",
    works="a DNS server tells the truth again",
    bad_in_a_row=1,
    good_in_a_row=1,
    in_story=False,  # the lie itself; what caches and workloads make of it is the story
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="watched-backends",
)
DNS_WATCHED_POD: Final = VantagePoint(
    name="dns_watched_pod",
    label="watched names, each DNS server",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="a DNS server's cache holds a lie",
    works="no DNS server's cache holds a lie any more",
    in_story=False,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="watched-pods",
)
DNS_WATCHED_UNCACHED: Final = VantagePoint(
    name="dns_watched_uncached",
    label="watched names, the DNS Service",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="the DNS Service gives false answers",
    works="the DNS Service tells the truth again",
    users_need=True,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="watched-uncached",
)
DNS_WATCHED_CACHED: Final = VantagePoint(
    name="dns_watched_cached",
    label="watched names, as workloads ask",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="workloads get FALSE ANSWERS",
    works="workloads hear the truth again",
    users_need=True,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="watched",
)
# The three below are in no story: what they add to it is told by `dns_cached` and `dns_uncached` half a second before.
# An older prober does not ask them, so nobody waits for them.
DNS_LOOKUP: Final = VantagePoint(
    name="dns_lookup",
    label="lookups as workloads make them (getaddrinfo, search list)",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_LOOKUP_PATIENCE_S,
    fails="lookups of workloads fail",
    works="lookups of workloads work again",
    in_story=False,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="lookup",
)
DNS_CONNECT: Final = VantagePoint(
    name="dns_connect",
    label="connections of workloads to a name",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_LOOKUP_PATIENCE_S,
    fails="workloads cannot connect to a name",
    works="workloads connect again",
    in_story=False,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="connect",
)
DNS_NEVER_ASKED: Final = VantagePoint(
    name="dns_never_asked",
    label="names that nobody asked for before",
    asked_by="prober",
    period_s=1.0,
    deadline_s=_DNS_PATIENCE_S,
    fails="DNS fails for names that no cache holds",
    works="DNS answers again for names that no cache holds",
    in_story=False,
    is_optional=True,
    probe=_DNS_PROBE,
    dns_path="never-asked",
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
    DNS_REVISION,
    DNS_WATCHED_BACKEND,
    DNS_WATCHED_POD,
    DNS_WATCHED_UNCACHED,
    DNS_WATCHED_CACHED,
    DNS_LOOKUP,
    DNS_CONNECT,
    DNS_NEVER_ASKED,
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
            f"VANTAGE_POINTS of an extension holds a {type(row).__name__}; use chaoslib_cp.vantage_point.VantagePoint"
            for row in rows
            if not isinstance(row, VantagePoint)
        ),
    ]
