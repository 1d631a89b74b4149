"""Actions of the API server: overload it, from this machine or from pods, find out how much it bears, end that."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonObject, JsonObjectOrName, activity, settings_of
from chaoslib_cp.apiserver.fault import AGENT_CONTEXT, API_OVERLOAD, API_RAMP
from chaoslib_cp.apiserver.in_cluster import start as start_in_cluster
from chaoslib_cp.apiserver.in_cluster import stop as stop_in_cluster
from chaoslib_cp.apiserver.in_cluster.start import InClusterAsk
from chaoslib_cp.apiserver.overload import start, stop
from chaoslib_cp.apiserver.overload.start import USUAL, OverloadAsk
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.signals import USUAL as USUAL_LINES
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.fault import read_expects

__all__ = [
    "ramp_until_saturated",
    "start_api_overload",
    "start_api_overload_in_cluster",
    "stop_api_overload",
    "stop_api_overload_in_cluster",
    "stop_ramp",
]


def _asked(expects: JsonObject, **asked: Any) -> OverloadAsk:
    return OverloadAsk(expects=read_expects(expects, USUAL), **asked)


@activity(_asked)
def start_api_overload(
    profile: JsonObjectOrName,
    nodes: int = 50,
    duration_s: float = 60.0,
    context: str = AGENT_CONTEXT,
    impersonate: str = "",
    namespace: str = "default",
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Ask the API servers what so many node agents would, from this machine, and return while it goes on.

    A process of its own plays the profile for each virtual node. It ends at its own deadline, when
    ``stop_api_overload`` ends it, and when the process that played this action ends, even by SIGKILL. It makes nothing
    in the cluster, but where the profile has patterns that write: then Events, Leases and ConfigMaps in namespace
    chaoslib-cp-load, which are deleted when it is stopped. Before it begins, each request of the profile is asked for
    once in a way that the server authorizes and does not serve, or does not store.

    Args:
        profile: Load profile of each virtual node (``chaoslib_cp/engine/load/profile.py`` lists the keys and limits);
            or the name of a preset (docs/load-profiles.md); or a mapping whose key ``preset`` names one, with the keys
            that are to be different. Patterns that do not bite on the API server's version are said in the log, and
            where none does the load is refused.
        nodes: How many virtual nodes, 1 to 5000; together they may offer 5000 requests a second.
        duration_s: It ends by itself this many seconds from now, with no API needed; 1 to 3600.
        context: Context of the kubeconfig as which is asked: an ordinary user's, never one of system:masters.
        impersonate: "node" gives each virtual node a node's user of its own, "serviceaccount" a ServiceAccount's, and
            so a flow of its own in priority and fairness; without it all are one user and one flow. The identity must
            be allowed to impersonate these, and these must be allowed to ask.
        namespace: Of the ServiceAccounts that are stood for; they need not exist.
        expects: What users of the API are expected to suffer, where that is not that half of the small reads fail
            within 60 s; keys as for ``start_agent_rollout``.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers virtual nodes, whose requests are offered
        and sent as their own account tells. ``deadline_epoch_s`` is when it ends by itself; ``details`` has ``result``
        (the file with its progress and its result) and ``addresses`` (where it is sent to).

    Raises:
        ProfileInvalid: An argument or the profile is wrong, the server has no such path, or this machine allows too few
            open files: nothing was sent.
        TargetRefused: No permit for this cluster; no such context, one of another cluster, or of system:masters; or the
            server refuses a request of the profile to it, which is named; or nothing of the profile bites on the
            server's version; or the runner may not delete what it would write: nothing else was sent.
        TargetUnreachable: The API is unwell, or the process was not ready in time: nothing else was sent.
        UndoFailed: The undo log cannot be read or written: nothing else was sent.
    """
    asked = _asked(
        expects,
        profile=profile,
        nodes=nodes,
        duration_s=duration_s,
        context=context,
        impersonate=impersonate,
        namespace=namespace,
    )
    return start.start(asked, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_api_overload(
    timeout_s: float = 10.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """End the overloads of this run. For the rollbacks: may be played any number of times.

    Other faults of the run are left alone. It ends processes of this machine, for which nothing is asked of the API;
    what an overload wrote is deleted then, and for that the API must answer.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600.
        fault: Id of the one overload to end, for example ``api_overload-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the overloads that were ended; of nothing when none
        was open. ``details`` has ``undone`` (number of processes, and of loads that wrote), ``left`` (0), ``outcomes``
        by each of these, and ``loads``: for each overload its result (``chaoslib_cp/apiserver/overload/summary.py``
        tells its keys).

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such overload; nothing was ended.
        UndoFailed: A process does not end, or was started on another machine, or what it wrote could not be deleted in
            time, and stays in the undo log for ``chaos cp recover``; or the log cannot be read.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was ended.
    """
    settings = settings_of(configuration, secrets)
    return stop.stop(API_OVERLOAD, settings, timeout_s, fault or None, SystemClock()).as_dict()


def _asked_in_cluster(image: str, image_pull_secret: str, expects: JsonObject, **asked: Any) -> InClusterAsk:
    named = AgentImage(image, image_pull_secret)
    return InClusterAsk(image=named, expects=read_expects(expects, start_in_cluster.USUAL), **asked)


@activity(_asked_in_cluster)
def start_api_overload_in_cluster(
    profile: JsonObjectOrName,
    pods: int = 4,
    nodes_per_pod: int = 50,
    duration_s: float = 60.0,
    begin_in_s: float = 15.0,
    image: str = "",
    image_pull_secret: str = "",
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Ask the API servers what so many node agents would, from pods of the cluster, and return when all of them begin.

    Creates, in namespace ``chaoslib-cp``, a ServiceAccount, a ClusterRole with just the reads of the profile, its
    binding, a ConfigMap with the profile, and an Indexed Job; each is in the undo log, on disk, before it is created.
    The pods are spread over the nodes that take pods without tolerations. Pod i plays the virtual nodes from i times
    ``nodes_per_pod`` on, whose schedules are those that one process with all of them would play: ``pods`` changes where
    a load comes from, and not the load. Each pod ends at the common deadline by its own clock; the kubelet ends it a
    minute later (``activeDeadlineSeconds``), without the API, too. A pod that fails ends the Job.

    Args:
        profile: Load profile of each virtual node (``chaoslib_cp/engine/load/profile.py`` lists the keys and limits);
            or the name of a preset (docs/load-profiles.md); or a mapping whose key ``preset`` names one, with the keys
            that are to be different. Patterns that do not bite on the API server's version are said in the log, and
            where none does the load is refused. Totals are shared out among the pods.
        pods: How many pods, 1 to 200.
        nodes_per_pod: How many virtual nodes each of them plays, 1 to 1000; all of them 5000 at most. Together they may
            offer 20000 requests a second, those of one pod 5000.
        duration_s: It lasts for so many seconds from its begin, and ends with no API needed; 1 to 3600.
        begin_in_s: All pods begin so many seconds from now, 0 to 300: time for them to be scheduled, for their image to
            be pulled where the prober has not pulled it already, and to start. One that comes later begins at once, and
            ends with the others.
        image: Image that holds this version of chaoslib_cp; without it ``agent_image`` of the configuration, else the
            image that the workload prober runs.
        image_pull_secret: Secret of namespace ``chaoslib-cp`` with which the image is pulled; without it the key of
            that name in the configuration, else the name of the prober's.
        expects: What users of the API are expected to suffer, where that is not that half of the small reads fail
            within 60 s; keys as for ``start_agent_rollout``.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers virtual nodes, whose requests are offered
        and sent as their pods' own accounts tell. ``deadline_epoch_s`` is when it ends by itself; ``details`` has
        ``objects``, ``begins_epoch_s`` and ``result`` (the file that ``stop_api_overload_in_cluster`` writes).

    Raises:
        ProfileInvalid: An argument or the profile is wrong, or it asks for what agents are never given: nothing was
            changed. Or the API server does not accept an object.
        TargetRefused: No permit for this cluster, a right is missing, nothing of the profile bites on its version, or
            it has no such custom resource: nothing was changed. Or such an object exists already.
        TargetUnreachable: The API does not answer, or stopped answering on the way.
        UndoFailed: The undo log cannot be read or written.

        Whatever was made before an error is taken back as far as the API lets us, and stays in the undo log otherwise.
    """
    asked = _asked_in_cluster(
        image,
        image_pull_secret,
        expects,
        profile=profile,
        pods=pods,
        nodes_per_pod=nodes_per_pod,
        duration_s=duration_s,
        begin_in_s=begin_in_s,
    )
    return start_in_cluster.start(asked, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_api_overload_in_cluster(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Take back all that overloads from pods of this run made, and add up what their pods told.

    For the rollbacks: may be played any number of times. Other faults of the run are left alone. Works from the undo
    log and the CA alone; while the API is sick it retries, as the runner and then as break-glass. Results come from the
    prober's pages, which need neither the API nor DNS.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600; results are then waited for, 12 s at most.
        fault: Id of the one overload to take back, for example ``api_overload_in_cluster-1``; all of this run without
            it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the overloads that were taken back; of nothing when
        nothing was open. ``details`` has ``undone`` (number of objects), ``left`` (0), ``outcomes`` by object, and
        ``loads``: for each overload the result of all its pods together, with the keys of ``stop_api_overload``
        (``chaoslib_cp/apiserver/overload/summary.py`` tells them; ``client_cpu_s`` and ``peak_rss_bytes`` are sums) and
        ``pods_told`` of ``pods_wanted``; or why there is none, as a text.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such overload; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could reach that cluster; nothing was undone.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    settings = settings_of(configuration, secrets)
    return stop_in_cluster.stop(settings, timeout_s, fault or None, SystemClock()).as_dict()


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
