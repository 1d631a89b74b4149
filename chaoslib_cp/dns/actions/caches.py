"""Empty the caches of the DNS servers, and pin what the caches of nodes hold."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonList, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns.flush import FlushPlan, flush
from chaoslib_cp.dns.pin import PinPlan, pin_node_caches, unpin_node_caches


@activity(FlushPlan)
def flush_dns_caches(
    arm_within_s: float = 75.0,
    touch_pods: bool = True,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Empty the caches of all cluster DNS servers: each must ask for everything anew, all at once. For a forced refill.

    It needs the API and nothing else; with an infrastructure driver ``restart_dns_pods`` (``reload-containers``) does
    it within a second, past the API. The Corefile gets a revision, which each server tells when it has reloaded, and
    is given back at once, byte for byte: that is a second flush. Caches of nodes and of applications keep what they
    have. A reload without the API would lose all that the servers know of the cluster, so the API must be well.

    Args:
        arm_within_s: Seconds until each server must have reloaded, 1 to 300, and as many for the way back. A stock
            CoreDNS looks for a new Corefile every 30 s, 15 s sooner or later.
        touch_pods: Annotate the DNS pods, so that their kubelets hand the new Corefile on at once; without it that
            takes up to two minutes more, and the right to patch pods is not needed.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys) that is over at once: it delivers DNS servers flushed,
        of how many. ``details`` has ``revision``, ``corefile`` (where it is kept), ``flushed_after_s`` and
        ``disarmed_after_s``: seconds by server until it ran the one with the revision, and its own again; null where
        that was not seen in time, with a ``reason`` where there is one.

    Raises:
        ProfileInvalid: An argument is wrong, or the Corefile cannot be read. Nothing was changed.
        TargetRefused: No permit for this cluster, a right is missing, DNS is no CoreDNS whose ConfigMap is the owner's
            own, it is armed already, or the workload prober does not see each DNS server. Nothing was changed.
        TargetUnreachable: The API is unwell: nothing was changed. Or no identity could reach it for the way back.
        UndoFailed: The undo log cannot be read or written, or the Corefile could not be given back: it stays in the
            undo log for ``chaos cp recover``, for example because somebody edited it since.
    """
    return flush(FlushPlan(arm_within_s, touch_pods), settings_of(configuration, secrets), SystemClock()).as_dict()


def _pin_plan(names: JsonList, **planned: Any) -> PinPlan:
    return PinPlan(names=tuple(names or ()), **planned)


@activity(_pin_plan)
def start_node_cache_pin(
    pin_s: int = 0,
    zone: str = "cluster.local",
    names: JsonList = ABSENT,
    cluster_domain: str = "cluster.local",
    node_cache_selector: str = "",
    touch_pods: bool = True,
    timeout_s: float = 150.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Pin the node caches: each good answer in a zone is kept for exactly ``pin_s``, whatever its own TTL says.

    That is the mask of a failure of cluster DNS: who asks the cache hears the last good answer for what is left of the
    pin. ``names`` lets the caches ask cluster DNS about names of the world, which they ask their node's own resolvers
    otherwise: a lie that is told there (``start_dns_poison``) reaches pods behind a node cache only so.

    Edits one key of the ConfigMap of NodeLocal DNSCache; what it was is in the undo log, on disk, before that. **The
    caches reload, so all that they hold is gone**: pin first, then let the names that count be asked once (warm up),
    then break something. A node cache has nothing that could end by the clock, so a pin lasts until
    ``stop_node_cache_pin`` or ``chaos cp recover``; that is a reload again, and ends every mask.

    Args:
        pin_s: Seconds, whole, 1 to 3600; 0 pins nothing, for ``names`` alone. The original mask was 1200.
        zone: Of the server block of the caches' Corefile that is pinned: the cluster's domain, or ``.`` for names of
            the world.
        names: Up to 16 names of the world that are asked of cluster DNS from then on, and kept for ``pin_s`` or, with
            0, for the TTL that cluster DNS gives them.
        cluster_domain: The cluster's DNS domain: its block tells how cluster DNS is asked.
        node_cache_selector: Labels of the caches' pods, as a label selector, where they have none of the usual ones
            (``k8s-app=node-local-dns``, ``k8s-app=nodelocaldns``, ``app.kubernetes.io/name=node-local-dns``). The pods
            are in the namespace of cluster DNS.
        touch_pods: Annotate the caches' pods, so that their kubelets hand the new Corefile on at once; without it that
            takes up to two minutes more, and the right to patch pods is not needed.
        timeout_s: Seconds to wait until the caches are seen to have reloaded, 0 to 600: a cache takes up to 10 s to
            read its Corefile and 45 s to reload.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers the caches that the workload prober asks,
        that of its own node, seen with the pin; of the others nobody can tell, and each follows when its kubelet does.
        ``details`` has ``corefile`` (which key of which ConfigMap), ``revision`` (the TXT record of ``rev.cp.invalid``
        at a cache that runs it), ``caches`` (how many there are), ``asked`` and ``running`` (addresses) and
        ``waited_s``.

    Raises:
        ProfileInvalid: An argument is wrong, or the Corefile cannot be read, has no such block, or holds what stands
            against a pin, such as a first one (the message has its line). Nothing was changed.
        TargetRefused: No permit for this cluster, there is no node cache, somebody else keeps its ConfigMap as it is,
            or a right is missing. Nothing was changed.
        TargetUnreachable: The API is unwell: nothing was changed. Or it stopped answering on the way.
        UndoFailed: The undo log cannot be read or written.

        Whatever was changed before an error is taken back as far as the API lets us, and stays in the undo log
        otherwise.
    """
    plan = _pin_plan(
        names,
        pin_s=pin_s,
        zone=zone,
        cluster_domain=cluster_domain,
        node_cache_selector=node_cache_selector,
        touch_pods=touch_pods,
        timeout_s=timeout_s,
    )
    return pin_node_caches(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_node_cache_pin(
    timeout_s: float = 60.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Give the node caches their own Corefile back, byte for byte. For the rollbacks: may be played again.

    The caches reload, so they are empty then: while cluster DNS is broken this ends the mask. Let it be whole first
    (``wait_until_recovered``). What somebody else edited since is never overwritten.

    Args:
        timeout_s: Seconds to go on trying, and then to see the caches run their own Corefile, 0 to 3600 each.
        fault: Id of the one pin to take back, for example ``node_cache_pin-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the faults that were taken back; of nothing when
        nothing was open. ``details`` has ``undone`` (number of changes), ``left`` (0), ``outcomes`` by object and
        ``unpinned_after_s``: seconds until the caches that the prober asks ran their own Corefile again, null where
        that was not seen, with the ``reason``.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such pin; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could reach that cluster; nothing was undone.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    settings = settings_of(configuration, secrets)
    return unpin_node_caches(settings, timeout_s, fault or None, SystemClock()).as_dict()
