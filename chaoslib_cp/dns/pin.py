"""Pinning the node caches: their Corefile is edited once, and they are seen to run it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.cluster.undo.edit import Edit
from chaoslib_cp.dns.corefile_source import CorefileSource
from chaoslib_cp.dns.fault import NODE_CACHE_PIN
from chaoslib_cp.dns.node_cache import find_node_caches
from chaoslib_cp.dns.pin_seen import Seen, timeline_s, wait_until_pinned
from chaoslib_cp.dns.unwell import refuse_while_unwell
from chaoslib_cp.engine.poison.pins import Pin, pinned
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings

_WORLD: Final = "."


@dataclass(frozen=True)
class PinPlan:
    """Arguments of ``start_node_cache_pin``, checked."""

    pin_s: int
    zone: str
    names: tuple[str, ...]
    cluster_domain: str
    node_cache_selector: str
    timeout_s: float

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("timeout_s", self.timeout_s, 0, 600)
        if not all(isinstance(name, str) for name in self.names):
            raise ProfileInvalid(f"names is {list(self.names)!r:.100}; nothing was changed; use a list of DNS names")
        self.pin("r")

    def pin(self, revision: str) -> Pin:
        """What the caches are told, as this revision."""
        return Pin(revision, self.pin_s, self.zone, self.names, self.cluster_domain)

    @property
    def sentinel_s(self) -> int:
        """How long the caches keep what the prober asks for, a name in the cluster; 0 where that is not pinned."""
        return 0 if self.zone == _WORLD else self.pin_s


def pin_node_caches(plan: PinPlan, settings: Settings, clock: Clock) -> Injected:
    """Pin the node caches as planned; what it returns is told by ``start_node_cache_pin``."""
    with injecting(settings, NODE_CACHE_PIN, clock) as injection:
        if injection.permit.dns_doubt:
            raise TargetRefused(f"the node caches are not pinned: {injection.permit.dns_doubt}")
        refuse_while_unwell(injection.cluster, "the node caches are not pinned")
        where = injection.permit.dns
        source = find_node_caches(injection.cluster, where.namespace, plan.node_cache_selector)
        # one of its own: a node that is late still runs that of a run before
        revision = f"{injection.fault}-{clock.epoch_s():.0f}"
        text = pinned(source.text, plan.pin(revision), source.port)
        since_s = timeline_s(settings, clock)
        injection.edit(Edit("ConfigMap", source.namespace, source.config_map, {("data", source.key): text}))
        # Place for a touch of the caches' pods (`source.servers`): a kubelet projects a ConfigMap when it likes to, and
        # at once when an annotation of the pod is another.
        seen = wait_until_pinned(settings, plan.sentinel_s, since_s, plan.timeout_s, clock)
    return Injected(
        fault=injection.fault,
        kind=NODE_CACHE_PIN.name,
        label=NODE_CACHE_PIN.label,
        delivers=Delivers("node caches seen with the pin", wanted=max(1, len(seen.asked)), done=len(seen.running)),
        parameters={**asdict(plan), "names": list(plan.names)},
        details=_details(source, revision, seen),
    )


def _details(source: CorefileSource, revision: str, seen: Seen) -> Mapping[str, Any]:
    return {
        "corefile": str(source),
        "revision": revision,
        "caches": len(source.servers),
        "asked": list(seen.asked),
        "running": list(seen.running),
        "waited_s": seen.waited_s,
    }
