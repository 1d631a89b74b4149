"""Actions of the rollout: start it, remove it as an administrator would, take it back."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonObject, JsonObjectOrName, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.roles import AGENT_ACCOUNT
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.fault import read_expects
from chaoslib_cp.rollout.fault import AGENT_ROLLOUT
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.rollout.start import USUAL, StartPlan, start

__all__ = ["remove_agent", "start_agent_rollout", "stop_agent_rollout"]


def _plan(expects: JsonObject, **planned: Any) -> StartPlan:
    return StartPlan(expects=read_expects(expects, USUAL), **planned)


@activity(_plan)
def start_agent_rollout(
    profile: JsonObjectOrName,
    service_account: str = AGENT_ACCOUNT,
    namespace: str = "kube-system",
    duration_s: float = 120.0,
    image: str = "",
    image_pull_secret: str = "",
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Roll the telemetry agent out to every node, as a DaemonSet, and return without waiting for it.

    Creates a ServiceAccount, a ClusterRole with just the reads of the profile, its binding, a ConfigMap with the
    profile and the DaemonSet; each is in the undo log, on disk, before it is created.

    Args:
        profile: Load profile of each agent (``chaoslib_cp/engine/load/profile.py`` lists the keys and limits); or the
            name of a preset (docs/load-profiles.md); or a mapping whose key ``preset`` names one, with the keys that
            are to be different. Patterns in it are looked at against the version of the API server: those that do not
            bite there are said in the log, and where none does the rollout is refused. Totals are shared out among
            the nodes that there are now.
        service_account: Name of the agents' ServiceAccount, which is made. The runner's roles name it: for another than
            telemetry-agent, apply those of ``chaos cp manifests --agent-account NAME``.
        namespace: Where the agents live. All ServiceAccounts of kube-system share one priority level and flow, so
            there they queue in front of CoreDNS and the controllers; any other namespace must exist already.
        duration_s: Every agent ends by itself this many seconds from now, with no API needed; 1 to 3600.
        image: Image that holds this version of chaoslib_cp; without it ``agent_image`` of the configuration, else the
            image that the workload prober runs.
        image_pull_secret: Secret of that namespace with which the image is pulled; without it the key of that name in
            the configuration, else the name of the prober's.
        expects: What users of the API are expected to suffer, where that is not that half of the small reads fail
            within 60 s: any of ``vantage``, ``outcome`` ("failing" or a class of failure), ``share`` (0.01 to 1),
            ``window_s`` (1 to 300), ``within_s`` (1 to 600) and ``decides``. It is reported as come or not come; only
            with ``decides`` true a run in which it did not come is inconclusive.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers agents, on how many of how many nodes as
        their own accounts tell. ``deadline_epoch_s`` is when every agent ends; ``details`` has ``objects`` and
        ``nodes`` (how many the cluster has, null if nobody said).

    Raises:
        ProfileInvalid: An argument or the profile is wrong, or it asks for what agents are never given: nothing was
            changed. Or the API server does not accept an object.
        TargetRefused: No permit for this cluster, a right is missing, nothing of the profile bites on its version, or
            it has no such custom resource: nothing was changed. Or such an object exists already.
        TargetUnreachable: The API does not answer, or stopped answering on the way.
        UndoFailed: The undo log cannot be read or written.

        Whatever was made before an error is taken back as far as the API lets us, and stays in the undo log otherwise.
    """
    plan = _plan(
        expects,
        profile=profile,
        service_account=service_account,
        namespace=namespace,
        duration_s=duration_s,
        image=image,
        image_pull_secret=image_pull_secret,
    )
    return start(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(1, 3600), attempt_deadline_s=(0.5, 60)))
def remove_agent(
    timeout_s: float = 180.0,
    attempt_deadline_s: float = 10.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Delete the agent's DaemonSet as the ordinary administrator, again and again until it lands.

    Each attempt is a fresh connection, as each kubectl is. This is the fix that the overload locks out; how long it
    takes is a finding, so running out of time is a result and not a failure.

    Args:
        timeout_s: Seconds to go on trying, 1 to 3600.
        attempt_deadline_s: Seconds one attempt may take, 0.5 to 60.
        configuration: The experiment's configuration; ``admin_context`` names the identity.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the rollout; of nothing when it did not land. ``by``
        is "delete landed", "timeout" or "nothing to remove"; whether the agents had ended by themselves before that,
        the results tell. It landed between ``after_epoch_s`` and ``at_epoch_s``: a delete that got no answer may be
        the one that did it. ``details`` has ``landed``, ``waited_s``, ``identity``, ``attempt_count``, ``outcomes``
        (number by outcome) and ``attempts``: the first ten and last ten, each with ``at_epoch_s``, ``outcome``
        ("unknown" when no answer came), ``how`` and ``latency_s``.

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was changed.
        TargetRefused: Nothing was rolled out in this run, there is no context for the admin, or it leads to another
            cluster; nothing was changed by it.
        TargetUnreachable: The name of the API server does not resolve, and no address was noted; nothing was changed.
        UndoFailed: The undo log cannot be read: nothing was changed. Or it cannot be written: the DaemonSet is gone,
            and its entry stays open.
    """
    return remove_as_admin(settings_of(configuration, secrets), timeout_s, attempt_deadline_s, SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_agent_rollout(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Take back all that rollouts of this run made. For the rollbacks: may be played any number of times.

    Other faults of the run are left alone. Works from the undo log and the CA alone; while the API is sick it retries,
    as the runner and then as break-glass.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600.
        fault: Id of the one rollout to take back, for example ``agent_rollout-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the faults that were taken back; of nothing when
        nothing was open. ``details`` has ``undone`` (number of objects), ``left`` (0) and ``outcomes`` by object.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such rollout; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could reach that cluster; nothing was undone.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    return take_back(
        settings_of(configuration, secrets), timeout_s, SystemClock(), AGENT_ROLLOUT.name, fault or None
    ).as_dict()
