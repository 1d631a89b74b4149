"""Tell lies about names through the cluster's own DNS servers."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonList, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns import poison
from chaoslib_cp.dns.poison_plan import PoisonPlan, told_of


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
