"""Overload the API servers from pods of the cluster."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonObject, JsonObjectOrName, activity, settings_of
from chaoslib_cp.apiserver.in_cluster import start as start_in_cluster
from chaoslib_cp.apiserver.in_cluster import stop as stop_in_cluster
from chaoslib_cp.apiserver.in_cluster.start import InClusterAsk
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.fault import read_expects


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
