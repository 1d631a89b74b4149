"""What the workload prober asks cluster DNS: a row for each layer that a lookup passes."""

from typing import Final

from chaoslib_cp.vantage_point import VantagePoint

# The C library of a workload gives up on one attempt after 5 s; ours stays below 2 s so that at most four questions
# of a vantage point are in flight and the first failure is known soon.
_DNS_PATIENCE_S: Final = 1.9
# A C library asks again after 5 s: an answer that needed that is one on which a first attempt failed.
_LOOKUP_PATIENCE_S: Final = 4.9
_DNS_PROBE: Final = "chaoslib_cp.dns.probes:workload_dns"

SERVER_AFTER: Final = " at "
"""Between the question and the server in the target of a watched name's sample: ``api.shop.svc. A at 10.0.0.1``."""

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

ROWS: Final = (
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
)
"""In the order of a report."""
