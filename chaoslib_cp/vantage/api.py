"""What the observer asks the API: a row for each question.

Source of the paths: Kubernetes API health endpoints, API concepts.
"""

from typing import Final

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
_HEALTH_PROBE: Final = "chaoslib_cp.apiserver.probes:api_health"

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

API_SERVER_LIVEZ: Final = VantagePoint(
    name="api_server_livez",
    label="each API server by itself",
    asked_by="observer",
    identity="observer",
    # exempt from fair queueing, and without its look at etcd it needs nothing but the server's own process
    request=Request("GET", "/livez?exclude=etcd", first_s=0.14, each_server=True),
    period_s=_BEAT_S,
    deadline_s=_PATIENCE_S,
    fails="an API server does not answer",
    works="every API server answers again",
    in_story=False,  # behind one address API /livez tells the same
)
API_SERVER_MEMORY: Final = VantagePoint(
    name="api_server_memory",
    label="memory of each API server",
    asked_by="observer",
    identity="observer",
    request=Request(
        "GET",
        "/metrics?name[]=process_resident_memory_bytes&name[]=process_start_time_seconds",
        first_s=0.3,
        each_server=True,
        metrics={"rss_bytes": "process_resident_memory_bytes", "started_s": "process_start_time_seconds"},
    ),
    # A page costs an API server 0.15 s of CPU (docs/what-is-saturated.md), so this is 2.5 ms of CPU per second beside
    # the 5 of all the others. It is what a server has while it is calm; a look at a sick one reads its own pages.
    period_s=60.0,
    deadline_s=10.0,
    fails="an API server does not tell its memory",
    works="every API server tells its memory again",
    is_check=False,
    in_story=False,
)

ROWS: Final = (API_LIVEZ, API_VERSION, API_READ, ADMIN_WRITE, BREAK_GLASS_WRITE, API_SERVER_LIVEZ, API_SERVER_MEMORY)
"""In the order of a report."""
