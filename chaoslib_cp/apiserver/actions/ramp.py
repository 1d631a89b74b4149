"""Find out how much the API servers bear."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonObject, JsonObjectOrName, activity, settings_of
from chaoslib_cp.apiserver.fault import AGENT_CONTEXT, API_RAMP
from chaoslib_cp.apiserver.overload import start, stop
from chaoslib_cp.apiserver.overload.start import OverloadAsk
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.signals import USUAL as USUAL_LINES
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock


def _ramp(
    profile: JsonObjectOrName, until: JsonObject, context: str, impersonate: str, namespace: str, **rungs: Any
) -> OverloadAsk:
    ladder = Ladder(until=USUAL_LINES if until is ABSENT else until, **rungs)
    return OverloadAsk(profile, ladder.max_nodes, ladder.longest_s, context, impersonate, namespace, ladder=ladder)


@activity(_ramp)
def ramp_until_saturated(
    profile: JsonObjectOrName,
    until: JsonObject = ABSENT,
    first_nodes: int = 5,
    step_nodes: int = 5,
    max_nodes: int = 100,
    dwell_s: float = 15.0,
    hold_factor: float = 1.0,
    hold_s: float = 30.0,
    max_error_ratio: float = 0.5,
    stop_at_restart: bool = True,
    context: str = AGENT_CONTEXT,
    impersonate: str = "",
    namespace: str = "default",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Add virtual nodes in steps until a signal says that the API servers are saturated, hold there, and end.

    It is a load as that of ``start_api_overload``, and returns while it goes on: the loop is in the process that plays
    the load, which needs no order to back off or to end. The load stays on a rung for ``dwell_s``; a rung on which a
    signal crosses its line is looked at once more, and a signal that crosses twice in a row ends the climb. The
    capacity is the last rung before that. Then it holds ``hold_factor`` times the capacity, and takes all load away. A
    guard rail (a restart of an API server, too many errors, the profile's budget of requests or bytes, a signal that
    can no longer be read) takes all load away at once. What can be read before it begins is read once; what cannot is
    refused.

    Args:
        profile: Load profile of each virtual node, as for ``start_api_overload``. How agents begin (``ramp``,
            ``ramp_s``, ``ramp_steps``) is the ladder's. A budget is the profile's ``max_total_requests`` and
            ``max_total_bytes``, and those of one agent.
        until: Line of each signal, by its name; the first that crosses decides. ``client_p99_s``: latency from the due
            time, seconds; ``refused_ratio``: share (0..1) of answers that are 429; ``server_cpu_cores``: cores of the
            busiest API server; ``server_rss_mib_per_s``: growth of the memory of the one that grows most;
            ``lease_age_s``: oldest Lease of nodes and leaders. Without it ``{"client_p99_s": 1.0}``, Kubernetes' own
            objective for a small read; lists of many objects need a higher one.
        first_nodes: Virtual nodes on the first rung, 1 to ``max_nodes``.
        step_nodes: Virtual nodes that each rung adds, 1 to 5000.
        max_nodes: There are never more, 1 to 5000; together they may offer 5000 requests a second.
        dwell_s: Seconds on each rung, 0.5 to 300; 5 and more where metrics are read. One period of the profile lets
            each virtual node ask once.
        hold_factor: The hold is at this times the capacity, 0.1 to 10, and never above ``max_nodes``.
        hold_s: Seconds of the hold, 0 to 3600; 0 for none.
        max_error_ratio: Guard rail: share of tries that got no answer or 5xx, 0.01 to 1: of 20 and more at any time, of
            5 and more at the end of a dwell.
        stop_at_restart: Guard rail: a restart of an API server. It is seen in ``/metrics``, which the observer must be
            allowed to read.
        context: As for ``start_api_overload``.
        impersonate: As for ``start_api_overload``.
        namespace: As for ``start_api_overload``.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` as ``start_api_overload`` does. ``deadline_epoch_s`` is the latest end, with every rung looked
        at twice; it ends itself earlier. What it found is in the result of ``stop_ramp``, and in the run's figures.

    Raises:
        ProfileInvalid: An argument or the profile is wrong, or the ramp could take more than 3600 s: nothing was sent.
        TargetRefused: As ``start_api_overload``; or a signal or guard rail cannot be read: nothing else was sent, and
            the message says what to do.
        TargetUnreachable: As ``start_api_overload``.
        UndoFailed: As ``start_api_overload``.
    """
    asked = _ramp(
        profile,
        until,
        context,
        impersonate,
        namespace,
        first_nodes=first_nodes,
        step_nodes=step_nodes,
        max_nodes=max_nodes,
        dwell_s=dwell_s,
        hold_factor=hold_factor,
        hold_s=hold_s,
        max_error_ratio=max_error_ratio,
        stop_at_restart=stop_at_restart,
    )
    return start.start(asked, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_ramp(
    timeout_s: float = 10.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """End the ramps of this run, or read what they found when they are over. May be played any number of times.

    Other faults of the run are left alone, overloads among them. It asks nothing of the API.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600.
        fault: Id of the one ramp to end, for example ``api_ramp-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        As ``stop_api_overload``; each of ``loads`` has ``ramp``, what was found
        (``chaoslib_cp/apiserver/overload/summary.py`` tells its keys).

    Raises:
        ProfileInvalid: As ``stop_api_overload``.
        UndoFailed: As ``stop_api_overload``.
        TargetRefused: As ``stop_api_overload``.
    """
    settings = settings_of(configuration, secrets)
    return stop.stop(API_RAMP, settings, timeout_s, fault or None, SystemClock()).as_dict()
