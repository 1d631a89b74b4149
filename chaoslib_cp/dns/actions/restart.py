"""Restart the DNS servers, and replace the pods that a name stands for."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns import endpoints, restart
from chaoslib_cp.dns.endpoints import EndpointsPlan
from chaoslib_cp.fault import read_expects


def _plan(coupling: str, wait_for_fresh_cache: bool, timeout_s: float, expects: JsonObject) -> restart.RestartPlan:
    return restart.RestartPlan(coupling, wait_for_fresh_cache, timeout_s, read_expects(expects, restart.USUAL))


@activity(_plan)
def restart_dns_pods(
    coupling: str = "delete-pods",
    wait_for_fresh_cache: bool = True,
    timeout_s: float = 30.0,
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Restart or reload all cluster DNS servers, the step that couples a sick API to DNS: CoreDNS must list anew.

    With couplings other than ``delete-pods`` nothing is asked of the API but which pods there are, so they are played
    while it is away: a CoreDNS that has lost what it knew answers SERVFAIL for names of the cluster until it is back.

    Args:
        coupling: ``none`` does nothing and says so (synced CoreDNS outlives the API); ``delete-pods`` deletes the pods
            through the API as the runner. The others go through the infrastructure driver, to the containers of
            those pods only that this cluster's API named, now or at the gate: ``restart-containers`` kills them, as a
            crash would; ``reload-containers`` sends SIGUSR1, at which CoreDNS (and nothing else) reads its Corefile
            anew, forgets its caches and the cluster, and after 5 s serves without it; ``oom-kill-containers`` lowers
            the memory limit of each below what it uses, so that the kernel kills it as it kills one that has grown too
            large. The kubelet starts it again with the pod's own limit: nothing stays changed.
        wait_for_fresh_cache: First wait until the node cache has just renewed its record, so that the mask that
            follows lasts a whole TTL. At most one TTL and 3 s more; without samples of the cache it is skipped.
        timeout_s: Seconds for the restart and for watching it, 1 to 300; the wait for the cache is extra, and so are
            the 4 s at most in which the API is asked which pods there are, and whether the nodes of those that are not
            ready live, before containers are killed.
        expects: What users of DNS are expected to suffer, where that is not that half of the uncached questions fail
            for 5 s within 30 s; ``start_agent_rollout`` tells the keys.
        configuration: The experiment's configuration; ``infrastructure`` chooses the driver.
        secrets: chaosk8s' own keys.

    Returns:
        With coupling none a ``NotPlayed``: there is no fault. Else an ``Injected``
        (``chaoslib_cp/fault.py`` tells its keys) that is over at once and delivers what was killed or deleted, of how
        many. ``details`` has ``cache`` (how the wait for a fresh entry went) and ``restart``: with delete-pods
        ``pods``, ``accepted``, ``outcomes`` (of deletes that were not accepted), ``accepted_s``, ``rescheduled_s`` and
        ``synced_s`` (null if not seen in time); with restart-containers ``killed``, ``names`` and ``took_s``; with
        the other two ``reloaded`` (how many were sent the signal) or ``oom_killed`` in place of ``killed``.

    Raises:
        ProfileInvalid: An argument is wrong, or there is no such infrastructure driver. Nothing was changed.
        TargetRefused: No permit for this cluster, no DNS pods, no driver, one whose infrastructure runs none of this
            cluster's DNS pods, or the runner may not delete pods. Nothing was changed.
        TargetUnreachable: The API is too unwell to pass the gate, or nobody knows which pods to delete: nothing was
            changed. Or the infrastructure driver failed: some containers may have been killed.
        UndoFailed: The undo log cannot be read or written; when only its last line could not be, the DNS servers have
            been restarted.
    """
    plan = _plan(coupling, wait_for_fresh_cache, timeout_s, expects)
    return restart.restart_dns(plan, settings_of(configuration, secrets))


@activity(EndpointsPlan)
def replace_endpoints(
    service: str = "decoy-pods",
    namespace: str = "chaoslib-cp",
    timeout_s: float = 30.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Replace the pods behind a headless Service, so that its name stands for other addresses from then on.

    Nothing is forged: DNS servers hear of it from the API and tell the truth, and whoever has the name in a cache goes
    on to addresses that nobody has any more, for the TTL of what he has. ``start_dns_poison`` with ``pin`` makes that
    long. The pods are deleted through the API as the runner; their controller makes new ones.

    Args:
        service: Name of the Service; that of ours has one pod, which nobody uses.
        namespace: Its namespace. In another one than ``chaoslib-cp`` the runner needs the right to list and delete pods
            there, which the roles of `chaos cp manifests` do not give.
        timeout_s: Seconds until as many new pods must be ready, 1 to 300.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys) that is over at once and delivers pods replaced, of
        how many were ready: one counts when a new one is ready at an address that none of the old ones had.
        ``details`` has ``gone`` and ``new`` (addresses) and ``replaced``: ``pods``, ``accepted``, ``outcomes`` (of
        deletes that were not accepted), ``accepted_s``, ``rescheduled_s`` and ``synced_s`` (null if not seen in time).

    Raises:
        ProfileInvalid: An argument is wrong. Nothing was changed.
        TargetRefused: No permit for this cluster, no such Service, one that is not headless, of the cluster itself, or
            without ready pods; pods that nobody would make anew, or that measure the run; or the runner may not delete
            them. Nothing was changed.
        TargetUnreachable: The API is unwell. Nothing was changed.
        UndoFailed: The undo log cannot be read or written; when only its last line could not be, the pods have been
            deleted.
    """
    plan = EndpointsPlan(service, namespace, timeout_s)
    return endpoints.replace_endpoints(plan, settings_of(configuration, secrets), SystemClock()).as_dict()
