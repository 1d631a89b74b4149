"""Probes of the API server. None raises for a sick server, none changes anything."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.apiserver import comeback, health
from chaoslib_cp.apiserver.ramp import progress
from chaoslib_cp.apiserver.saturated import look
from chaoslib_cp.arguments import Whole, between
from chaoslib_cp.clock import SystemClock

__all__ = [
    "api_comes_back",
    "api_health",
    "api_is_saturated",
    "ramp_progress",
    "wait_until_recovered",
    "what_is_saturated",
]


@activity(between(window_s=(1, 300), min_ok_ratio=(0, 1)))
def api_health(
    window_s: float = 10.0,
    min_ok_ratio: float = 0.9,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether the API server answers: ``/livez``, ``/version`` and a small read, each with a limit of 5 s.

    Reads the observer's samples; measures each once where there are none. Changes nothing.

    Args:
        window_s: Seconds to look back, 1 to 300. The observer samples each of the three every 3 s, unless
            ``observe_periods_s`` of the configuration says otherwise.
        min_ok_ratio: Share of good answers that each of the three needs, 0 to 1.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``; ``livez_ok_ratio``, ``version_ok_ratio``, ``read_ok_ratio`` (0..1); ``worst_latency_s``; ``samples``;
        ``diagnosis``: "healthy", "queued" (``/livez`` is exempt from fair queueing and answers, the others do not),
        "starved" (not even that one) or "not measured".

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.

    Source: the pair of probes is facts/api-overload.md 4.1; exempt paths: KEP-1040.
    """
    return health.api_health(settings_of(configuration, secrets), window_s, min_ok_ratio)


@activity(between(within_s=(0, 3600), window_s=(5, 120), min_ok_ratio=(0, 1)))
def api_comes_back(
    within_s: float = 60.0,
    load: str = "",
    window_s: float = 15.0,
    min_ok_ratio: float = 0.7,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether the API serves again ``within_s`` seconds after the end of a load, and goes on to.

    While the load is on, the API may be away: this is ok then, and for ``within_s`` seconds after it. From then on each
    API server must answer by itself, and small reads must be answered. Other loads may go on meanwhile: what is asked
    is whether the API comes back in spite of them. Reads the observer's samples; changes nothing.

    Args:
        within_s: Seconds from the end of the load, 0 to 3600.
        load: Id of the fault whose end counts, for example ``api_overload-2``; the load that ended last without it.
        window_s: Seconds to look back, 5 to 120. The observer asks each server every 3 s.
        min_ok_ratio: Share of good answers, 0 to 1, that each server and the small reads need in the window.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``; ``state``: "no load" (none has begun: it must answer), "on", "may be away", "due" (it must answer) or
        "not measured", which is never ok; ``ended_ago_s`` (null before the end); ``not_back``: what is not good,
        vantage point and whom it asks, ten at most; ``ok_ratio`` (0..1) of the one that was good least often, null
        without a sample.

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.
    """
    patience = comeback.Patience(within_s, load, window_s, min_ok_ratio)
    return comeback.api_comes_back(settings_of(configuration, secrets), patience, SystemClock())


@activity(between(timeout_s=(0, 600), window_s=(1, 60), max_ok_ratio=(0, 1), slow_s=(0.01, 60)))
def api_is_saturated(
    timeout_s: float = 60.0,
    window_s: float = 5.0,
    max_ok_ratio: float = 0.5,
    slow_s: float = 1.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Wait until the API server no longer serves: half of ``/version`` and small reads fail, or take over a second.

    Args:
        timeout_s: Seconds to wait at most, 0 to 600.
        window_s: Seconds of samples judged at a time, 1 to 60. The observer samples each of the two every 3 s, unless
            ``observe_periods_s`` of the configuration says otherwise.
        max_ok_ratio: At or below this share of good answers the server counts as saturated, 0 to 1.
        slow_s: An answer slower than this is not a good one, seconds. 1 s is Kubernetes' own objective for a single
            object (source: sig-scalability, API call latency SLO).
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (it is saturated), ``waited_s``, ``served_ratio`` (0..1 of the last window), ``samples``,
        ``worst_latency_s``.

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.
    """
    limits = health.Saturation(window_s, max_ok_ratio, slow_s)
    return health.wait_until_saturated(settings_of(configuration, secrets), limits, timeout_s, SystemClock())


@activity(between(timeout_s=(0, 3600), good_in_a_row=Whole(1, 20)))
def wait_until_recovered(
    timeout_s: float = 300.0,
    good_in_a_row: int = 3,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Wait until small reads, ordinary admin writes and workload DNS, cached and not, are good several times running.

    A vantage point that nobody can ask never counts as recovered. Changes nothing.

    Args:
        timeout_s: Seconds to wait at most, 0 to 3600.
        good_in_a_row: How many good answers running each of the four needs, a whole number from 1 to 20.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``, ``waited_s``, and for each of ``api_read``, ``admin_write``, ``dns_cached``, ``dns_uncached`` its last
        outcome; ``not_recovered``: the names of those that are not.

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.
    """
    return health.wait_until_recovered(settings_of(configuration, secrets), good_in_a_row, timeout_s, SystemClock())


@activity(between(timeout_s=(0, 3600)))
def ramp_progress(
    timeout_s: float = 0.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Wait until a ramp of this run is over, and say what it found. Asks nothing of the API, and changes nothing.

    Args:
        timeout_s: Seconds to wait at most, 0 to 3600; 0 says how far it is now.
        fault: Id of the ramp, for example ``api_ramp-1``; the last of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (a capacity was found, and no guard rail ended the ramp), ``is_over``, ``waited_s``, ``fault`` (empty
        where the run has no ramp), and ``ramp``: what it found (``chaoslib_cp/apiserver/overload/summary.py`` tells the
        keys) with the latest four rows of its ladder; while it goes on only ``ladder``; null without a ramp.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such ramp.
        UndoFailed: The undo log cannot be read.
        TargetRefused: Without a run, nobody can tell which of several logs is meant.
    """
    return progress.ramp_progress(settings_of(configuration, secrets), timeout_s, fault or None, SystemClock())


@activity(between(window_s=(1, 60)))
def what_is_saturated(
    window_s: float = 11.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say what of the API servers is saturated, seen from outside: CPU, memory, seats, etcd, the network or nothing.

    Asks each server by itself, as the observer, for ``window_s``: five small questions a second, and its page of
    metrics every 5 s where the observer may read it. It always asks itself, so it costs the servers a little
    (docs/what-is-saturated.md has the measurement). Changes nothing.

    Args:
        window_s: Seconds to ask, 1 to 60; the last questions may take 10 s longer. Below 6 there is one page of
            metrics, so nothing that is a difference between two is known. A restart is seen only if it falls in.
        configuration: The experiment's configuration; ``observer_context`` names the identity.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (nothing is saturated); ``resource``: "cpu", "memory", "seats", "etcd", "network", "nothing" or
        "unknown"; ``words``: the evidence in one line with its numbers; ``between``: for "unknown", which it may be;
        ``also``: resources that are marked, too, and explained by the first; ``servers``, the gravest first: each with
        ``server``, ``resource``, ``words`` and its numbers (seconds in ``_s``, shares 0..1 in ``_ratio``, null where
        nobody knows); ``left_off`` (how many more there are than fit in); ``not_seen``: what could not be looked at,
        and what to do; ``cost`` of the look: ``calls``, ``body_bytes``, ``client_cpu_s``, ``seconds``. Of several
        servers the gravest decides.

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.

    Source: the signs are facts/api-overload.md 4.1; each rule has its own in ``saturated/conditions.py``.
    """
    return look.what_is_saturated(settings_of(configuration, secrets), window_s, SystemClock())
