"""Actions on the DNS servers."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.dns import restart
from chaoslib_cp.fault import read_expects

__all__ = ["restart_dns_pods"]


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
    """Restart all cluster DNS servers, the step that couples a sick API to DNS: a starting CoreDNS must list first.

    Args:
        coupling: ``none`` does nothing and says so (synced CoreDNS outlives the API); ``delete-pods`` deletes the pods
            through the API as the runner; ``restart-containers`` kills the containers through the infrastructure
            driver, as a crash would, and only those of pods that this cluster's API named, now or at the gate.
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
        ``synced_s`` (null if not seen in time); with restart-containers ``killed``, ``names`` and ``took_s``.

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
