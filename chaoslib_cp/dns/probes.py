"""Probes of DNS as workloads use it. None raises for sick DNS, none changes anything."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns import configuration_risks
from chaoslib_cp.dns.server_restarts import look_for_restarts
from chaoslib_cp.dns.truth import Patience, truth_is_back
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.observe.evidence import gather, summary
from chaoslib_cp.vantage import all_points

__all__ = ["dns_configuration_risks", "dns_servers_stay_up", "dns_truth_is_back", "workload_dns"]


def _known_path(path: str, **_others: object) -> str:
    """The vantage point of a path."""
    by_path = {point.dns_path: point.name for point in all_points() if point.dns_path}
    if path not in by_path:
        raise ProfileInvalid(f"path is {path!r}; nothing was asked; use one of {', '.join(by_path)}")
    return by_path[path]


@activity(between(window_s=(1, 280), min_ok_ratio=(0, 1)), _known_path)
def workload_dns(
    path: str = "cached",
    window_s: float = 10.0,
    min_ok_ratio: float = 0.9,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether a pod's DNS questions get the right answer, as the workload prober sees it.

    Reads the observer's samples; reads the prober's own page where there are none. Changes nothing.

    Args:
        path: Which way the question goes: ``cached`` (the pod's own resolv.conf, so through the node cache),
            ``uncached`` (the cluster DNS Service), ``pods`` (each DNS server), ``external`` (a name outside),
            ``lookup`` (the C library's own, with the search list), ``connect`` (the same, and a TCP connection to the
            answer), ``never-asked`` (as ``cached``, a name that no cache can hold; right is that there is none). Of
            names that are lied about, while DNS servers are armed: ``watched`` (as a pod asks), ``watched-uncached``,
            ``watched-pods``, ``watched-backends`` (each DNS server past its cache).
        window_s: Seconds to look back, 1 to 280. Without an observer as far as the prober remembers: some
            400 s, a minute while the most names are watched.
        min_ok_ratio: Share of questions with the right answer, 0 to 1.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``, ``worst_latency_s``, ``by`` (observer or probe). Of
        several nodes those of the one that had the least share of right answers, and ``node``, its name.

    Raises:
        ProfileInvalid: An argument is wrong; nothing was asked.
    """
    vantage = _known_path(path)
    return summary(gather(settings_of(configuration, secrets), [vantage], window_s)[vantage], min_ok_ratio)


@activity(between(timeout_s=(1, 60)), configuration_risks.known_level)
def dns_configuration_risks(
    fail_at: str = "high",
    timeout_s: float = 10.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say what in the cluster's configuration of DNS makes the day of an outage worse, and what to do about it.

    Reads, as the runner, the Corefiles of the DNS servers and of the node caches, and how many servers run where,
    within how much memory: about ten small reads each time, so it belongs in a preflight check and not in the
    hypothesis of a storm. Changes nothing. In a run each finding is a line on the terminal, once.

    Args:
        fail_at: The lowest level that fails: ``low`` (good to know; a stock kubeadm has some), ``medium`` (makes an
            outage worse), ``high`` (can by itself take DNS away, or keep it wrong) or ``never`` (only tell).
        timeout_s: Seconds for all reads together, 1 to 60.
        configuration: The experiment's configuration; ``prober_pages`` where the prober is not to be looked up.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (nothing at that level, and everything was looked at); ``high``, ``medium``, ``low`` (how many of each);
        ``findings``, the gravest first, each with ``name``, ``level``, ``on`` (object and line), ``what``, ``why``,
        ``fix`` and ``source``; ``left_off`` (how many more there are than fit in); ``not_seen`` (what could not be
        looked at, and why: for example a right that the runner does not have). A sick API is a result, not an error.

    Raises:
        ProfileInvalid: An argument is wrong; nothing was asked.
    """
    return configuration_risks.look_at_configuration(
        settings_of(configuration, secrets), fail_at, timeout_s, SystemClock()
    )


def _watched_path(path: str, **_others: object) -> str:
    """The vantage point of a path on which names that are lied about are asked for."""
    by_path = {point.dns_path: point.name for point in all_points() if point.dns_path.startswith("watched")}
    if path not in by_path:
        raise ProfileInvalid(f"path is {path!r}; nothing was asked; use one of {', '.join(by_path)}")
    return by_path[path]


@activity(
    between(ttl_s=(0, 3600), grace_s=(0, 3600), window_s=(3, 120), min_ok_ratio=(0, 1)),
    _watched_path,
)
def dns_truth_is_back(
    path: str = "watched",
    ttl_s: float = 60.0,
    grace_s: float = 30.0,
    window_s: float = 10.0,
    min_ok_ratio: float = 0.9,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether names that were lied about, or pinned, are answered right again, no later than caches may keep it.

    While a lie is told it is there by design, so until ``ttl_s + grace_s`` seconds after its end this is ok. From then
    on each question at each server must be answered right. Once no DNS server is armed, nobody watches any more: this
    is ok where nothing false was heard last. Reads the observer's samples; reads the prober's own page where there are
    none. Changes nothing.

    Args:
        path: Where is asked: ``watched`` (as a pod asks, so through the node cache), ``watched-uncached`` (the cluster
            DNS Service), ``watched-pods`` (each DNS server), ``watched-backends`` (each past its cache).
        ttl_s: TTL of the lie, seconds, 0 to 3600: so long may every cache keep it.
        grace_s: Seconds that caches may add to that, 0 to 3600. A stock node cache adds 5 at most (CoreDNS keeps
            nothing for less), one that keeps good answers for a fixed time adds that time.
        window_s: Seconds to look back, 3 to 120.
        min_ok_ratio: Share of right answers, 0 to 1, of the question that was answered right least often.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``; ``state``: "not armed", "told" (a server lies, or pins), "may be kept", "due" (the lie must be gone) or
        "not measured", which is never ok; ``withdrawn_ago_s`` (null before the end); and of the question that was
        answered right least often since it was due ``asked``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``,
        ``worst_latency_s`` and ``by`` (observer or probe).

    Raises:
        ProfileInvalid: An argument is wrong; nothing was asked.
    """
    patience = Patience(ttl_s, grace_s, window_s, min_ok_ratio)
    return truth_is_back(settings_of(configuration, secrets), _watched_path(path), patience, SystemClock())


@activity(between(window_s=(1, 3600), timeout_s=(1, 60)))
def dns_servers_stay_up(
    window_s: float = 15.0,
    timeout_s: float = 5.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether no container of the DNS servers has ended of late: killed for its memory, crashed, or restarted.

    Asks the API, as the runner, for the pods of cluster DNS: two small reads. Changes nothing. A pod that is deleted
    and replaced is another pod, and no restart.

    Args:
        window_s: Seconds to look back, 1 to 3600; longer than the time between two looks.
        timeout_s: Seconds for all reads together, 1 to 60.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (there are DNS servers, and none of their containers ended within the window); ``servers`` and ``ready``
        (how many pods); ``restarted`` (names of the pods of which one ended, 10 at most); ``restarts`` (of all, since
        their pods were made); ``oom_killed`` (how many of those ends were kills for memory); ``reason`` (why nobody can
        tell, or empty). A sick API is a result, not an error.

    Raises:
        ProfileInvalid: An argument is wrong; nothing was asked.
    """
    return look_for_restarts(settings_of(configuration, secrets), window_s, timeout_s, SystemClock())
