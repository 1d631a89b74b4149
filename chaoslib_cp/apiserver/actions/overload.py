"""Overload the API servers from this machine."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonObject, JsonObjectOrName, activity, settings_of
from chaoslib_cp.apiserver.fault import AGENT_CONTEXT, API_OVERLOAD
from chaoslib_cp.apiserver.overload import start, stop
from chaoslib_cp.apiserver.overload.start import USUAL, OverloadAsk
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.fault import read_expects


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
