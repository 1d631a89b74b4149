"""Poisoning cluster DNS in three acts: arm the servers, let them lie between two moments, leave the lie to the caches.

Arming edits the Corefile once, which every DNS server reloads; that flushes their caches. The lie begins and ends by
the servers' own clocks, with no API and no further reload, so what caches took of it stays there for its TTL. Going
back edits the Corefile again, byte for byte as it was, and flushes what is left.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.dns.arm import Arming, arm, disarm, servers_to_arm
from chaoslib_cp.dns.armed import refuse_unseen, wait_for_answers
from chaoslib_cp.dns.fault import DNS_POISON
from chaoslib_cp.dns.poison_plan import PoisonPlan
from chaoslib_cp.dns.prober_client import prober_addresses
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.fault import Delivers, Ended, Expects, Injected, read_expects
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_WATCHED_BACKEND, DNS_WATCHED_CACHED, DNS_WATCHED_POD, DNS_WATCHED_UNCACHED

USUAL: Final = Expects(DNS_WATCHED_CACHED.name, window_s=5.0, within_s=60.0)
"""What users of DNS suffer: what they ask for is answered falsely, once their caches ask anew."""
USUAL_OF_CLIENTS: Final = Expects(DNS_WATCHED_UNCACHED.name, window_s=5.0, within_s=60.0)
"""What clients of a lie suffer of which the prober is one: it asks the DNS Service itself, past the node's cache."""

_SHOWN: Final = 4
_KEPT_WITHIN_S: Final = 10.0
"""Watched questions are asked once a second, and read as often; an answer may take 5 s."""


def start(plan: PoisonPlan, settings: Settings, clock: Clock) -> Injected:
    """Arm the DNS servers and wait until they lie; what it returns is told by ``start_dns_poison``."""
    with injecting(settings, DNS_POISON, clock) as injection:
        source = servers_to_arm(injection)
        revision = f"{injection.fault.replace('_', '-')}-{secrets.token_hex(3)}"
        plan.corefile(source, plan.poison(revision, clock.epoch_s()))  # what it refuses comes before any wait
        refuse_unseen(settings, source.servers, clock)
        prober = prober_addresses(injection.cluster) if plan.has_clients and plan.prober_is_client else ()
        poison = plan.poison(revision, clock.epoch_s(), prober)
        arming = Arming(plan.corefile(source, poison), poison, plan.arm_within_s, plan.touch_pods)
        armed_after_s = arm(injection, source, arming)
        # before that a server keeps nothing yet: whoever changed the truth at once would have the change pinned
        begins_s = float(poison.begins_at_epoch_s)
        kept = wait_for_answers(settings, source.servers, begins_s, _KEPT_WITHIN_S, clock) if plan.pins else 0
    return Injected(
        fault=injection.fault,
        kind=DNS_POISON.name,
        label=DNS_POISON.label,
        delivers=_delivers(plan, len(source.servers), kept),
        expects=(plan.expects,) if plan.expects else (),
        deadline_epoch_s=float(poison.ends_at_epoch_s),
        parameters=_effective(plan),
        details={
            "revision": revision,
            "corefile": str(source),
            "armed_after_s": armed_after_s,
            "prober": list(prober),
            "begins_epoch_s": poison.begins_at_epoch_s,
            "ends_epoch_s": poison.ends_at_epoch_s,
        },
    )


def suffering(
    lies: Sequence[Lie], pins: Sequence[object], prober_is_client: bool, given: Mapping[str, Any] | None
) -> Expects | None:
    """What users of DNS are expected to suffer, where whoever tells us is one of them; None where nobody is.

    Args:
        lies: What is told.
        pins: What is kept as it is, for everybody.
        prober_is_client: The workload prober hears what only some clients hear.
        given: What a user expects, where it is not the usual.

    Raises:
        ProfileInvalid: As ``read_expects``.
    """
    if pins or not all(lie.clients for lie in lies):
        return read_expects(given, USUAL)
    return read_expects(given, USUAL_OF_CLIENTS) if prober_is_client or given is not None else None


def stop(settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """Give the DNS servers their Corefile back; what it returns is told by ``stop_dns_poison``."""
    return disarm(settings, DNS_POISON, timeout_s, fault, clock)


def _delivers(plan: PoisonPlan, servers: int, kept: int) -> Delivers:
    """Lies are heard past the caches, or as a client, and what is pinned is heard when it begins.

    What nobody of ours hears is there when a server is armed.
    """
    if not all(lie.clients for lie in plan.lies):
        return Delivers("DNS servers lied", wanted=servers, share=1.0, vantage=DNS_WATCHED_BACKEND.name)
    if plan.lies and plan.prober_is_client:
        return Delivers("DNS servers lied to the prober", wanted=servers, share=1.0, vantage=DNS_WATCHED_POD.name)
    if not plan.lies:
        return Delivers("DNS servers pinned", wanted=servers, share=1.0, done=kept)
    return Delivers("DNS servers armed; what their clients hear was not seen", wanted=servers, share=1.0, done=servers)


def _effective(plan: PoisonPlan) -> dict[str, Any]:
    told = [{key: value for key, value in asdict(lie).items() if value} for lie in plan.lies]
    for lie in told:
        if len(lie.get("clients", ())) > _SHOWN:
            lie["clients"] = [*lie["clients"][:_SHOWN], f"{len(lie['clients']) - _SHOWN} more"]
    return {
        "lies": told[:8],
        "lie_count": len(told),
        "pins": [list(pin) for pin in plan.pins],
        "duration_s": plan.duration_s,
        "arm_within_s": plan.arm_within_s,
        "zone": plan.zone,
        "touch_pods": plan.touch_pods,
        "prober_is_client": plan.prober_is_client,
    }
