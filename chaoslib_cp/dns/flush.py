"""Flushing the caches of cluster DNS through the API: every server reloads, and so it forgets what it has kept.

CoreDNS has no command that empties a cache, and none for one name; a reload builds all caches anew (source: CoreDNS,
plugins cache and reload). It reloads when its Corefile is another one. So that it is known which server did, the new
one differs by nothing but a revision, which the server then tells of itself; the old one is given back at once.
"""

import secrets
from dataclasses import asdict, dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.health import refuse_unwell
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns.armed import UNWELL, refuse_unseen, wait_for_revision
from chaoslib_cp.dns.corefile_edit import edit_corefile
from chaoslib_cp.dns.corefile_source import find_corefile
from chaoslib_cp.dns.disarmed import seen_disarmed
from chaoslib_cp.dns.fault import DNS_FLUSH
from chaoslib_cp.dns.poison_plan import LONGEST_ARMING_S
from chaoslib_cp.engine.poison.arming import marked
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.fault import Delivers, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings


@dataclass(frozen=True)
class FlushPlan:
    """Arguments of ``flush_dns_caches``, checked."""

    arm_within_s: float
    touch_pods: bool

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("arm_within_s", self.arm_within_s, 1, LONGEST_ARMING_S)


def flush(plan: FlushPlan, settings: Settings, clock: Clock) -> Injected:
    """Let every DNS server reload twice; what it returns is told by ``flush_dns_caches``."""
    with injecting(settings, DNS_FLUSH, clock) as injection:
        if injection.permit.dns_doubt:
            raise TargetRefused(f"no DNS server is flushed: {injection.permit.dns_doubt}")
        refuse_unwell(injection.cluster, UNWELL)
        source = find_corefile(injection.cluster, injection.permit.dns)
        revision = f"{injection.fault.replace('_', '-')}-{secrets.token_hex(3)}"
        text = marked(source.text, revision, source.port)
        refuse_unseen(settings, source.servers, clock)
        edit_corefile(injection, source, text, revision, plan.touch_pods)
        seen = wait_for_revision(settings, source.servers, revision, plan.arm_within_s, clock)
    take_back(settings, plan.arm_within_s, clock, DNS_FLUSH.name, injection.fault)
    flushed = [address for address, after_s in seen.items() if after_s is not None]
    return Injected(
        fault=injection.fault,
        kind=DNS_FLUSH.name,
        label=DNS_FLUSH.label,
        delivers=Delivers("DNS servers flushed", wanted=len(seen), share=1.0, done=len(flushed)),
        lasts=False,
        parameters=asdict(plan),
        details={
            "revision": revision,
            "corefile": str(source),
            "flushed_after_s": seen,
            **seen_disarmed(settings, plan.arm_within_s, clock, plan.touch_pods),
        },
    )
