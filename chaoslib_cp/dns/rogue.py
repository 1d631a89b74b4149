"""A rogue DNS server beside cluster DNS: it is started first, then the servers are armed to ask it.

It is told when to begin and when to end before either, so both happen with no API and nobody there, as with
``poison.py``; but lies can be late, lost, or told with a probability, and CoreDNS need know no gate.
"""

import secrets
from dataclasses import replace
from typing import Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.cluster.undo.kinds.delete_object import of_manifest
from chaoslib_cp.cluster.undo.kinds.kind import Right
from chaoslib_cp.cluster.undo.rights import require_right, require_undo_rights
from chaoslib_cp.dns.arm import Arming, arm, disarm, servers_to_arm
from chaoslib_cp.dns.armed import refuse_unseen
from chaoslib_cp.dns.fault import DNS_ROGUE
from chaoslib_cp.dns.poison import USUAL
from chaoslib_cp.dns.rogue_plan import RoguePlan
from chaoslib_cp.dns.rogue_pod import RoguePod, wait_until_it_runs
from chaoslib_cp.engine.poison.arming import Poison
from chaoslib_cp.fault import Delivers, Ended, Injected
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_WATCHED_BACKEND

_LIED: Final = "DNS servers lied"
_LATE: Final = "DNS servers answered late"


def start(plan: RoguePlan, settings: Settings, clock: Clock) -> Injected:
    """Start the rogue and arm the DNS servers; what it returns is told by ``start_dns_rogue``."""
    with injecting(settings, DNS_ROGUE, clock) as injection:
        source = servers_to_arm(injection)
        revision = f"{injection.fault.replace('_', '-')}-{secrets.token_hex(3)}"
        plan.corefile(source, plan.poison(revision, clock.epoch_s()))  # what it refuses comes before any wait
        refuse_unseen(settings, source.servers, clock)
        poison = plan.poison(revision, clock.epoch_s())
        rogue = _made(injection, plan, poison)
        address = wait_until_it_runs(injection.cluster, rogue, plan.arm_within_s, clock)
        poison = replace(poison, rogue=plan.upstreams(address))
        arming = Arming(plan.corefile(source, poison), poison, plan.arm_within_s, plan.touch_pods)
        armed_after_s = arm(injection, source, arming)
    expects = plan.expects or (USUAL if plan.is_false else None)
    return Injected(
        fault=injection.fault,
        kind=DNS_ROGUE.name,
        label=DNS_ROGUE.label,
        delivers=_delivers(plan, len(source.servers)),
        expects=(expects,) if expects else (),
        deadline_epoch_s=float(poison.ends_at_epoch_s),
        parameters={**plan.effective(), "image": rogue.image},
        details={
            "revision": revision,
            "corefile": str(source),
            "rogue": list(poison.rogue),
            "armed_after_s": armed_after_s,
            "begins_epoch_s": poison.begins_at_epoch_s,
            "ends_epoch_s": poison.ends_at_epoch_s,
        },
    )


def stop(settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """Give the DNS servers their Corefile back, and delete the rogue; see ``stop_dns_rogue``."""
    return disarm(settings, DNS_ROGUE, timeout_s, fault, clock)


def _made(injection: Injection, plan: RoguePlan, poison: Poison) -> RoguePod:
    """Make the rogue's objects, each on record first.

    Raises:
        ProfileInvalid: A key of the configuration names no image, or no Secret; nothing was made.
        TargetRefused: They could not be taken back, or seen; nothing was made.
    """
    image = AgentImage().as_configured(injection.settings).as_the_prober(injection.permit)
    rogue = RoguePod(plan.settings(poison), injection.log.run, injection.fault, image.name, image.pull_secret)
    manifests = rogue.manifests()
    entries = [of_manifest(one) for one in manifests]
    require_undo_rights(injection.cluster, entries)
    made = Right("create", "", "pods", "Pod", manifests[-1]["metadata"]["namespace"])
    require_right(injection.cluster, made, "so there would be no rogue DNS server")
    for manifest in manifests:
        injection.create(manifest)
    return rogue


def _delivers(plan: RoguePlan, servers: int) -> Delivers:
    """What the rogue does is heard past the caches: answers that are false, missing, or late."""
    what = _LIED if plan.is_false else _LATE
    return Delivers(what, wanted=servers, share=1.0, vantage=DNS_WATCHED_BACKEND.name, slow_s=plan.slow_s)
