"""Pinning the node caches: their Corefile is edited once, and they are seen to run it."""

import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.health import refuse_unwell
from chaoslib_cp.cluster.gate.guard import require_permit
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns.armed import touch_if_possible
from chaoslib_cp.dns.corefile_edit import edit_corefile
from chaoslib_cp.dns.corefile_source import CorefileSource
from chaoslib_cp.dns.fault import NODE_CACHE_PIN
from chaoslib_cp.dns.node_cache import find_node_caches
from chaoslib_cp.dns.pin_seen import Seen, wait_until_pinned
from chaoslib_cp.engine.poison.pins import Pin, pinned
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Ended, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings

_UNWELL: Final = "a reload of the node caches would then throw away the answers that hide it"


@dataclass(frozen=True)
class PinPlan:
    """Arguments of ``start_node_cache_pin``, checked."""

    pin_s: int
    zone: str
    names: tuple[str, ...]
    cluster_domain: str
    node_cache_selector: str
    timeout_s: float
    touch_pods: bool

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("timeout_s", self.timeout_s, 0, 600)
        if not all(isinstance(name, str) for name in self.names):
            raise ProfileInvalid(
                f"names is {str(list(self.names))[:100]}; nothing was changed; use a list of DNS names"
            )
        self.pin("r")

    def pin(self, revision: str) -> Pin:
        """What the caches are told, as this revision."""
        return Pin(revision, self.pin_s, self.zone, self.names, self.cluster_domain)


def pin_node_caches(plan: PinPlan, settings: Settings, clock: Clock) -> Injected:
    """Pin the node caches as planned; what it returns is told by ``start_node_cache_pin``."""
    with injecting(settings, NODE_CACHE_PIN, clock) as injection:
        if injection.permit.dns_doubt:
            raise TargetRefused(f"no node cache is pinned: {injection.permit.dns_doubt}")
        refuse_unwell(injection.cluster, _UNWELL)
        source = find_node_caches(injection.cluster, injection.permit.dns.namespace, plan.node_cache_selector)
        # one of its own: a node that is late may still run that of a run before
        revision = f"{injection.fault.replace('_', '-')}-{secrets.token_hex(3)}"
        text = pinned(source.text, plan.pin(revision), source.port)
        edit_corefile(injection, source, text, revision, plan.touch_pods)
        seen = wait_until_pinned(settings, revision, plan.timeout_s, clock)
    return Injected(
        fault=injection.fault,
        kind=NODE_CACHE_PIN.name,
        label=NODE_CACHE_PIN.label,
        delivers=Delivers("node caches seen with the pin", wanted=max(1, len(seen.asked)), done=len(seen.running)),
        parameters={**asdict(plan), "names": list(plan.names)},
        details=_details(source, revision, seen),
    )


def unpin_node_caches(settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """Give the node caches their Corefile back; what it returns is told by ``stop_node_cache_pin``."""
    ended = take_back(settings, timeout_s, clock, NODE_CACHE_PIN.name, fault)
    if not ended.faults:
        return ended
    return replace(ended, details={**ended.details, **_seen_to_the_end(settings, timeout_s, clock)})


def _seen_to_the_end(settings: Settings, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """How the caches went back to their own Corefile, as far as it can be seen: the fault is taken back already."""
    try:
        with open_cluster(settings) as cluster:
            source = find_node_caches(cluster, require_permit(cluster, settings, clock).dns.namespace)
            not_touched = touch_if_possible(cluster, source, None)
        seen = wait_until_pinned(settings, "", timeout_s, clock)
    except ControlPlaneError as error:
        return {"unpinned_after_s": None, "reason": str(error)}
    is_seen = bool(seen.asked) and seen.asked == seen.running
    reason = not_touched or ("" if is_seen else f"not seen within {timeout_s:g} s")
    return {"unpinned_after_s": seen.waited_s if is_seen else None, **({"reason": reason} if reason else {})}


def _details(source: CorefileSource, revision: str, seen: Seen) -> dict[str, Any]:
    return {
        "corefile": str(source),
        "revision": revision,
        "caches": len(source.servers),
        "asked": list(seen.asked),
        "running": list(seen.running),
        "waited_s": seen.waited_s,
    }
