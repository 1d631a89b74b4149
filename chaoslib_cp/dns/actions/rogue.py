"""Tell lies about names through a DNS server of our own."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonList, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns import poison, rogue
from chaoslib_cp.dns.rogue_plan import RoguePlan, rogue_lies_of
from chaoslib_cp.fault import read_expects


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
