"""Actions on the DNS servers and on the caches in front of them."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonList, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns import endpoints, load, poison, restart, rogue
from chaoslib_cp.dns.endpoints import EndpointsPlan
from chaoslib_cp.dns.fault import DNS_LOAD
from chaoslib_cp.dns.flush import FlushPlan, flush
from chaoslib_cp.dns.pin import PinPlan, pin_node_caches, unpin_node_caches
from chaoslib_cp.dns.poison_plan import PoisonPlan, told_of
from chaoslib_cp.dns.rogue_plan import RoguePlan, rogue_lies_of
from chaoslib_cp.fault import read_expects

__all__ = [
    "flush_dns_caches",
    "replace_endpoints",
    "restart_dns_pods",
    "start_dns_load",
    "start_dns_poison",
    "start_dns_rogue",
    "start_node_cache_pin",
    "stop_dns_load",
    "stop_dns_poison",
    "stop_dns_rogue",
    "stop_node_cache_pin",
]


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


def _poison_plan(
    *,
    duration_s: float,
    arm_within_s: float,
    zone: str,
    touch_pods: bool,
    prober_is_client: bool,
    expects: JsonObject,
    **told: Any,
) -> PoisonPlan:
    lies, pins = told_of(told)
    victims = poison.suffering(lies, pins, prober_is_client, expects)
    return PoisonPlan(lies, pins, duration_s, arm_within_s, zone, touch_pods, prober_is_client, victims)


@activity(_poison_plan)
def start_dns_poison(
    name: str,
    lie: str = "wrong-address",
    ttl_s: int = 60,
    duration_s: float = 60.0,
    addresses: JsonList = ABSENT,
    target: str = "",
    port: int = 0,
    also: JsonList = ABSENT,
    clients: JsonList = ABSENT,
    prober_is_client: bool = True,
    zone: str = "",
    arm_within_s: float = 75.0,
    touch_pods: bool = True,
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Put a lie into the caches of cluster DNS, and return when every DNS server tells it.

    The Corefile is edited once: the servers reload, their caches are flushed, and each asks itself past its cache from
    then on. The lie begins ``arm_within_s`` after the call, at all servers in the same second, and ends ``duration_s``
    later by their own clocks, whatever became of the API and of whoever started it. Caches keep what they took of it
    for its TTL. Who asks for a name all the time hears the lie when the truth in its cache has expired.

    Args:
        name: The DNS name that is lied about; for the lies ``zone`` and ``search-hijack`` the zone above the names.
        lie: One of ``wrong-address``, ``zone``, ``search-hijack``, ``nxdomain``, ``nodata-a``, ``nodata-aaaa``,
            ``servfail``, ``cname``, ``srv``, ``ptr``; or ``pin``: the address that is true when it begins is kept
            for ``ttl_s``, whatever becomes true (``replace_endpoints``), until ``duration_s`` is over. Every good
            answer of these servers is kept as long.
        ttl_s: For how long caches may keep it, seconds, 1 to 3600; ``servfail`` to 300. CoreDNS keeps it 5 at least.
        duration_s: For how long the servers tell it, seconds, 1 to 3600; longer than a cache may keep the truth, which
            is what the Corefile says (``ttl`` of its plugin kubernetes), 5 at least.
        addresses: What it answers with: IPv4 or IPv6 addresses of the cluster, or ones that nobody has; 192.0.2.66
            without it.
        target: The name that ``cname``, ``srv`` and ``ptr`` answer with.
        port: The port that ``srv`` answers with, 1 to 65535.
        also: Further lies of the same arming, each a mapping with ``name`` and any of ``lie``, ``ttl_s``,
            ``addresses``, ``target``, ``port`` and ``clients``; 16 questions can be watched.
        clients: Who hears it, everybody without it: 1 to 16 private addresses, or blocks of them ("10.244.3.0/24"), as
            the DNS servers see those who ask. A pod behind a node cache asks as its node does: its clients are all pods
            of that node. These servers keep nothing of such a lie, so it ends with its gate but for what the clients'
            own caches keep. Not for ``pin``.
        prober_is_client: The workload prober's own pod hears what only some clients hear, too, so that it is seen (of
            several the first, 16 addresses in all); without it nobody sees more than that the servers are armed.
        zone: Below which all names must be, or be it; the cluster's domain without it. Name another one for a name
            outside the cluster, or for an address ("10.in-addr.arpa").
        arm_within_s: Seconds until the lie begins, 1 to 300: every server must run the new Corefile by then. A stock
            CoreDNS looks for one every 30 s, 15 s sooner or later.
        touch_pods: Annotate the DNS pods, so that their kubelets hand the new Corefile on at once; without it that
            takes up to two minutes more, and the right to patch pods is not needed.
        expects: What users of DNS are expected to suffer, where that is not that half of the answers about these names
            are false for 5 s within 60 s: as workloads ask, or, where each lie has clients, as the prober asks the DNS
            Service; nothing where it is no client of theirs. ``start_agent_rollout`` tells the keys.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers DNS servers that lied, of how many, as
        the workload prober hears them past their caches; where each lie has clients, as it hears them itself, or those
        that are armed where it is none of them; of a pin, those that were heard to answer since it began, which is
        waited for, 10 s at most. ``deadline_epoch_s`` is when the lie is withdrawn. ``details`` has
        ``revision``, ``corefile`` (where it is kept), ``armed_after_s`` (seconds by server), ``prober`` (its
        addresses, where they were added to the clients), ``begins_epoch_s`` and ``ends_epoch_s``.

    Raises:
        ProfileInvalid: An argument is wrong, a name must stay true (the API's own, registries, identity and metadata
            hosts), a client is not of a cluster, or something in the Corefile stands against a cache in front of it.
            Nothing was changed.
        TargetRefused: No permit for this cluster, a right is missing, DNS is no CoreDNS of 1.11.3 or later whose
            ConfigMap is the owner's own, it is armed already, or the workload prober does not see each DNS server.
            Nothing was changed.
        TargetUnreachable: The API is unwell: nothing was changed, a reload would break DNS. Or a server did not run
            the new Corefile in time: the old one is given back.
        UndoFailed: The undo log cannot be read or written.
    """
    plan = _poison_plan(
        name=name,
        lie=lie,
        ttl_s=ttl_s,
        addresses=addresses,
        target=target,
        port=port,
        also=also,
        clients=clients,
        prober_is_client=prober_is_client,
        expects=expects,
        duration_s=duration_s,
        arm_within_s=arm_within_s,
        zone=zone,
        touch_pods=touch_pods,
    )
    return poison.start(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_dns_poison(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Give the DNS servers their own Corefile back, byte for byte. May be played any number of times.

    They reload it, so their caches are flushed; caches of nodes and of applications keep what they have for its TTL. A
    reload without the API would lose all that they know of the cluster, so the API must be well; it is waited for.

    Args:
        timeout_s: Seconds to go on trying, and then to see every server run it, 0 to 3600 each.
        fault: Id of the one poisoning to take back, for example ``dns_poison-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the faults that were taken back; of nothing when
        nothing was open. ``details`` has ``undone``, ``left`` (0), ``outcomes`` by object and ``disarmed_after_s``:
        seconds by server until it ran its own Corefile again, null where that was not seen, with the ``reason``.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such poisoning; nothing was undone.
        UndoFailed: The Corefile is still armed and stays in the undo log for ``chaos cp recover``, for example because
            somebody edited it since; or the log cannot be read, and nothing was undone.
        TargetUnreachable: The API is unwell, or no identity could reach that cluster; nothing was undone. The lie ends
            by its own clock all the same.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    return poison.stop(settings_of(configuration, secrets), timeout_s, fault or None, SystemClock()).as_dict()


def _rogue_plan(
    *,
    duration_s: float,
    arm_within_s: float,
    zone: str,
    seed: int,
    touch_pods: bool,
    expects: JsonObject,
    **told: Any,
) -> RoguePlan:
    named = None if expects is None else read_expects(expects, poison.USUAL)
    return RoguePlan(rogue_lies_of(told), duration_s, arm_within_s, zone, seed, touch_pods, named)


@activity(_rogue_plan)
def start_dns_rogue(
    name: str,
    lie: str = "wrong-address",
    ttl_s: int = 60,
    duration_s: float = 60.0,
    delay_s: float = 0.0,
    loss_ratio: float = 0.0,
    lie_ratio: float = 1.0,
    addresses: JsonList = ABSENT,
    target: str = "",
    port: int = 0,
    also: JsonList = ABSENT,
    zone: str = "",
    arm_within_s: float = 90.0,
    seed: int = 0,
    touch_pods: bool = True,
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Let a rogue DNS server answer for a few names: falsely, late, not at all, or each with a probability.

    It runs as a pod of the agents' image in namespace chaoslib-cp. The Corefile is edited once: the DNS servers reload,
    their caches are flushed, and each asks the rogue about these names from then on. Between two moments, by its own
    clock, the rogue does as it is told; before and after it passes every question on to the server that asked, which
    knows the truth. Caches keep what they took for its TTL. A rogue that dies is passed over: the truth is heard. Works
    with CoreDNS 1.9.3 and later; ``start_dns_poison`` needs no pod, but 1.11.3.

    Args:
        name: The DNS name; for the lies ``zone`` and ``search-hijack`` the zone above the names.
        lie: ``truth`` for nothing false, only late or lost answers to every question about the name; or one of those of
            ``start_dns_poison``, but for ``pin``.
        ttl_s: For how long caches may keep a lie, seconds, 1 to 3600; ``servfail`` to 300. True answers to these
            questions are kept no longer, either. CoreDNS keeps each 5 at least.
        duration_s: For how long, seconds, 1 to 3600; longer than a cache may keep the truth, as for
            ``start_dns_poison``.
        delay_s: For how long the rogue holds each answer back, seconds, 0 to 30. CoreDNS waits 2 s for it, three times;
            from 2 on its clients wait 6 s for a SERVFAIL, and give up before.
        loss_ratio: Share of questions that the rogue never answers, 0 to 1. CoreDNS asks three times, 2 s apart: of a
            ratio of 0.5 every eighth question fails, and every other one takes 2 s or more.
        lie_ratio: Share of questions that are answered falsely, 0 to 1; the others hear the truth.
        addresses: What a lie answers with: IPv4 or IPv6 addresses of the cluster, or ones that nobody has; 192.0.2.66
            without it.
        target: The name that ``cname``, ``srv`` and ``ptr`` answer with.
        port: The port that ``srv`` answers with, 1 to 65535.
        also: Further lies of the same arming, each a mapping with ``name`` and any of ``lie``, ``ttl_s``, ``delay_s``,
            ``loss_ratio``, ``lie_ratio``, ``addresses``, ``target`` and ``port``; 16 questions can be watched.
        zone: Below which all names must be, or be it; the cluster's domain without it.
        arm_within_s: Seconds until it begins, 1 to 300: the pod must run, and every server the new Corefile, by then.
        seed: Of the probabilities, 0 to 4294967296: the same questions in the same order fare the same again.
        touch_pods: Annotate the DNS pods, so that their kubelets hand the new Corefile on at once; without it that
            takes up to two minutes more, and the right to patch pods is not needed.
        expects: What users of DNS are expected to suffer, where that is not that half of the answers about these names
            are false or missing for 5 s within 60 s; nothing where answers are only late, and not lost by it.
        configuration: The experiment's configuration; ``agent_image`` and ``image_pull_secret`` name the image, without
            them it is the prober's.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers DNS servers that lied, or answered late
        or not at all, of how many, as the workload prober hears them past their caches. ``deadline_epoch_s`` is when
        the rogue tells the truth again. ``details`` has ``revision``, ``corefile`` (where it is kept), ``rogue`` (its
        address and ports), ``armed_after_s`` (seconds by server), ``begins_epoch_s`` and ``ends_epoch_s``.

    Raises:
        ProfileInvalid: An argument is wrong, a name must stay true (the API's own, registries, identity and metadata
            hosts), or something in the Corefile stands against a cache in front of it. Nothing was changed.
        TargetRefused: No permit for this cluster, a right is missing, DNS is no CoreDNS of 1.9.3 or later whose
            ConfigMap is the owner's own, it is armed already, or the workload prober does not see each DNS server.
            Nothing was changed.
        TargetUnreachable: The API is unwell: nothing was changed, a reload would break DNS. Or the pod did not run, or
            a server did not run the new Corefile in time: all is taken back.
        UndoFailed: The undo log cannot be read or written.
    """
    plan = _rogue_plan(
        name=name,
        lie=lie,
        ttl_s=ttl_s,
        delay_s=delay_s,
        loss_ratio=loss_ratio,
        lie_ratio=lie_ratio,
        addresses=addresses,
        target=target,
        port=port,
        also=also,
        expects=expects,
        duration_s=duration_s,
        arm_within_s=arm_within_s,
        zone=zone,
        seed=seed,
        touch_pods=touch_pods,
    )
    return rogue.start(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_dns_rogue(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Give the DNS servers their own Corefile back, byte for byte, and take the rogue away. May be played again.

    As ``stop_dns_poison``: the servers reload, so their caches are flushed, and the API must be well for it.

    Args:
        timeout_s: Seconds to go on trying, and then to see every server run its own Corefile, 0 to 3600 each.
        fault: Id of the one rogue to take back, for example ``dns_rogue-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` as that of ``stop_dns_poison``.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such rogue; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: The API is unwell, or no identity could reach that cluster; nothing was undone. The rogue
            tells the truth by its own clock all the same.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    return rogue.stop(settings_of(configuration, secrets), timeout_s, fault or None, SystemClock()).as_dict()


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


def _load_plan(
    names: JsonList, image: str, image_pull_secret: str, expects: JsonObject, **planned: Any
) -> load.LoadPlan:
    usual = read_expects(expects, load.USUAL)
    return load.LoadPlan(names=tuple(names or ()), image=AgentImage(image, image_pull_secret), expects=usual, **planned)


@activity(_load_plan)
def start_dns_load(
    rate_per_s: float = 200.0,
    duration_s: float = 60.0,
    names: JsonList = ABSENT,
    hot_names: int = 200,
    written: str = "short",
    never_asked_share: float = 0.0,
    clients: int = 16,
    timeout_s: float = 5.0,
    attempts: int = 2,
    max_queries: int = 2000000,
    seed: int = 1,
    image: str = "",
    image_pull_secret: str = "",
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Look names of the cluster up, again and again, from every node that runs workloads; return without waiting.

    Creates a ServiceAccount without rights, a ConfigMap with the profile and a DaemonSet in namespace chaoslib-cp; each
    is in the undo log, on disk, before it is created. Its pods ask the nameserver that workloads of their node ask, as
    a C library does: A and AAAA at once, then the search list. They ask when it is time to, whatever became of what was
    asked before; nothing is cached in them. Names outside of the cluster's domain are never asked for.

    Args:
        rate_per_s: Lookups each second of all nodes together, 0.1 to 20000, and to 5000 for each node. A lookup is 2
            to 8 questions (``written``), more where DNS fails.
        duration_s: Every agent ends by itself this many seconds from now, with no API needed; 1 to 3600.
        names: Names that are looked up, without the cluster's domain ("api.shop.svc"), 200 at most; the cluster's
            Services without it.
        hot_names: How many names are asked again and again, 1 to 2000: ``names``, and then names of pods that do not
            exist ("198-18-0-1.chaoslib-cp.pod"). A CoreDNS with "pods insecure", as kubeadm ships it, has an address
            for each of these; others keep in their caches that there is none.
        written: How workloads write a name: "short" ("api.shop": 4 questions, 6 for a pod), "full"
            ("api.shop.svc.cluster.local": 8, for the whole search list comes first) or "absolute" (with a final dot:
            2).
        never_asked_share: Share of lookups of a name below a hot one that nobody asked for before, 0 to 1: no cache
            holds those.
        clients: Source ports on each node, 1 to 256. What is behind a Service's address is chosen for each port anew.
        timeout_s: Seconds for which an answer is waited for, 0.1 to 30; 5 as in glibc.
        attempts: How often a name is asked for where no answer, or SERVFAIL, comes, 1 to 5; 2 as in glibc.
        max_queries: Questions of all nodes together, 1 to 20000000; a node that has sent its part ends.
        seed: Of the order of names and moments, 0 or more.
        image: Image that holds this version of chaoslib_cp; without it ``agent_image`` of the configuration, else the
            image that the workload prober runs.
        image_pull_secret: Secret of namespace chaoslib-cp with which it is pulled; without it the key of that name in
            the configuration, else the name of the prober's.
        expects: What users of DNS are expected to suffer, where that is not that half of the cached questions fail for
            5 s within 60 s; ``start_agent_rollout`` tells the keys.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers agents, on how many of how many nodes,
        and the lookups that they sent of those asked for, as their own accounts tell. ``deadline_epoch_s`` is when
        every agent ends; ``details`` has ``objects`` and ``nodes`` (that take workloads).

    Raises:
        ProfileInvalid: An argument is wrong, or a name leads out of the cluster (ExternalName): nothing was changed. Or
            the API server does not accept an object.
        TargetRefused: No permit for this cluster, a right is missing, or no node takes workloads: nothing was changed.
            Or such an object exists already.
        TargetUnreachable: The API does not answer, or stopped answering on the way.
        UndoFailed: The undo log cannot be read or written.

        Whatever was made before an error is taken back as far as the API lets us, and stays in the undo log otherwise.
    """
    plan = _load_plan(
        names,
        image,
        image_pull_secret,
        expects,
        rate_per_s=rate_per_s,
        duration_s=duration_s,
        hot_names=hot_names,
        written=written,
        never_asked_share=never_asked_share,
        clients=clients,
        timeout_s=timeout_s,
        attempts=attempts,
        max_queries=max_queries,
        seed=seed,
    )
    return load.start(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_dns_load(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Take back all that loads of lookups of this run made. For the rollbacks: may be played any number of times.

    Other faults of the run are left alone. Works from the undo log and the CA alone; while the API is sick it retries,
    as the runner and then as break-glass.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600.
        fault: Id of the one load to take back, for example ``dns_load-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the faults that were taken back; of nothing when
        nothing was open. ``details`` has ``undone`` (number of objects), ``left`` (0) and ``outcomes`` by object.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such load; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could reach that cluster; nothing was undone.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    settings = settings_of(configuration, secrets)
    return take_back(settings, timeout_s, SystemClock(), DNS_LOAD.name, fault or None).as_dict()
