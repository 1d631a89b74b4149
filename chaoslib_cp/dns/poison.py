"""Poisoning cluster DNS in three acts: arm the servers, let them lie between two moments, leave the lie to the caches.

Arming edits the Corefile once, which every DNS server reloads; that flushes their caches. The lie begins and ends by
the servers' own clocks, with no API and no further reload, so what caches took of it stays there for its TTL. Going
back edits the Corefile again, byte for byte as it was, and flushes what is left.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.health import refuse_unwell
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns.armed import UNWELL, refuse_unseen, wait_for_revision
from chaoslib_cp.dns.corefile_edit import edit_corefile
from chaoslib_cp.dns.corefile_source import CorefileSource, find_corefile
from chaoslib_cp.dns.disarmed import seen_disarmed
from chaoslib_cp.dns.fault import DNS_POISON
from chaoslib_cp.dns.poison_plan import PoisonPlan
from chaoslib_cp.dns.prober_client import prober_addresses
from chaoslib_cp.engine.poison.arming import Poison
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.fault import Delivers, Ended, Expects, Injected, read_expects
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_WATCHED_BACKEND, DNS_WATCHED_CACHED, DNS_WATCHED_POD, DNS_WATCHED_UNCACHED
from chaoslib_cp.waits import waiting_for

USUAL: Final = Expects(DNS_WATCHED_CACHED.name, window_s=5.0, within_s=60.0)
"""What users of DNS suffer: what they ask for is answered falsely, once their caches ask anew."""
USUAL_OF_CLIENTS: Final = Expects(DNS_WATCHED_UNCACHED.name, window_s=5.0, within_s=60.0)
"""What clients of a lie suffer of which the prober is one: it asks the DNS Service itself, past the node's cache."""

_LATER: Final = "the lie ends by its own clock; run `chaos cp recover` when the API is well"
_MARGIN_S: Final = 1.0
_SHOWN: Final = 4


def start(plan: PoisonPlan, settings: Settings, clock: Clock) -> Injected:
    """Arm the DNS servers and wait until they lie; what it returns is told by ``start_dns_poison``."""
    with injecting(settings, DNS_POISON, clock) as injection:
        if injection.permit.dns_doubt:
            raise TargetRefused(f"no DNS server is poisoned: {injection.permit.dns_doubt}")
        refuse_unwell(injection.cluster, UNWELL)
        source = find_corefile(injection.cluster, injection.permit.dns)
        revision = f"{injection.fault.replace('_', '-')}-{secrets.token_hex(3)}"
        plan.corefile(source, plan.poison(revision, clock.epoch_s()))  # what it refuses comes before any wait
        refuse_unseen(settings, source.servers, clock)
        prober = prober_addresses(injection.cluster) if plan.has_clients and plan.prober_is_client else ()
        poison = plan.poison(revision, clock.epoch_s(), prober)
        ends_s = float(poison.ends_at_epoch_s)
        edit_corefile(injection, source, plan.corefile(source, poison), revision, plan.touch_pods, ends_s)
        armed_after_s = _wait_until_armed(injection, source, poison, plan)
        _wait_for_the_gates(poison, clock)
    return Injected(
        fault=injection.fault,
        kind=DNS_POISON.name,
        label=DNS_POISON.label,
        delivers=_delivers(plan, len(source.servers)),
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
    if _is_armed(settings, clock):
        _wait_until_well(settings, timeout_s, clock)
    ended = take_back(settings, timeout_s, clock, DNS_POISON.name, fault)
    if not ended.faults:
        return ended
    return replace(ended, details={**ended.details, **seen_disarmed(settings, timeout_s, clock)})


def _is_armed(settings: Settings, clock: Clock) -> bool:
    log = undo_log_of_run(settings, clock)
    return log is not None and bool(log.open_items(log.faults(DNS_POISON.name)))


def _wait_until_well(settings: Settings, timeout_s: float, clock: Clock) -> None:
    """Wait for an API that a reload of CoreDNS can learn the cluster from: the way back is a reload, too.

    Raises:
        TargetUnreachable: It is unwell still; nothing was undone. The lie has ended, or ends, by its own clock.
    """
    end_s = clock.monotonic_s() + timeout_s
    with waiting_for("the API to be well: to give the Corefile back is a reload", timeout_s):
        while True:
            try:
                with open_cluster(settings) as cluster:
                    return refuse_unwell(cluster, UNWELL, _LATER)
            except TargetRefused:
                return None  # an answer all the same; who may take it back, the way back finds out
            except TargetUnreachable:
                if clock.monotonic_s() >= end_s:
                    raise
            clock.sleep(1.0)


def _wait_until_armed(
    injection: Injection, source: CorefileSource, poison: Poison, plan: PoisonPlan
) -> dict[str, float | None]:
    """Refuse to go on when a server does not run the new Corefile before its gates open: nobody knows what it does.

    Raises:
        TargetUnreachable: One does not; the Corefile is given back.
    """
    left_s = max(0.0, poison.begins_at_epoch_s - injection.clock.epoch_s() - _MARGIN_S)
    seen = wait_for_revision(injection.settings, source.servers, poison.revision, left_s, injection.clock)
    late = [f"{one.name} ({one.address})" for one in source.servers if seen[one.address] is None]
    if late:
        raise TargetUnreachable(
            f"DNS server {', '.join(late[:3])} does not run the new Corefile after {plan.arm_within_s:g} s; the old "
            "one is given back; use a larger arm_within_s, and look for a reload error in the log of that pod"
        )
    return seen


def _wait_for_the_gates(poison: Poison, clock: Clock) -> None:
    """Wait by the clock that is never set: the gates are the servers' own, and open by theirs."""
    left_s = max(0.0, poison.begins_at_epoch_s - clock.epoch_s())
    end_s = clock.monotonic_s() + left_s
    with waiting_for("the lie to begin", left_s):
        while (left_s := end_s - clock.monotonic_s()) > 0:
            clock.sleep(min(left_s, 0.5))


def _delivers(plan: PoisonPlan, servers: int) -> Delivers:
    """Lies are heard past the caches, or as a client; what nobody of ours hears is there when a server is armed."""
    if not all(lie.clients for lie in plan.lies):
        return Delivers("DNS servers lied", wanted=servers, share=1.0, vantage=DNS_WATCHED_BACKEND.name)
    if plan.lies and plan.prober_is_client:
        return Delivers("DNS servers lied to the prober", wanted=servers, share=1.0, vantage=DNS_WATCHED_POD.name)
    what = "DNS servers armed; what their clients hear was not seen" if plan.lies else "DNS servers pinned"
    return Delivers(what, wanted=servers, share=1.0, done=servers)


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
