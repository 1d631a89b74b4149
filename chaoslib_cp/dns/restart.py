"""The kinds of DNS restart, from doing nothing to a crash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.connect import open_cluster
from chaoslib_cp.cluster.dns_pods import DNS_LABEL, DNS_NAMESPACE, delete_dns_pods
from chaoslib_cp.cluster.guard import require_permit
from chaoslib_cp.cluster.own_log import undo_log_for_change
from chaoslib_cp.dns.freshness import wait_for_fresh_entry
from chaoslib_cp.engine.undo.entry import ObserveOnly
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.infrastructure import open_driver
from chaoslib_cp.limits import checked

NONE: Final = "none"
DELETE_PODS: Final = "delete-pods"
RESTART_CONTAINERS: Final = "restart-containers"
COUPLINGS: Final = (NONE, DELETE_PODS, RESTART_CONTAINERS)
"""How DNS is made to depend on the API in a run."""

_SHOWN_KILLED: Final = 20


@dataclass(frozen=True)
class RestartPlan:
    """How the DNS servers are restarted; arguments of ``restart_dns_pods``."""

    coupling: str
    wait_for_fresh_cache: bool
    timeout_s: float
    effect_within_s: float

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is asked."""
        if self.coupling not in COUPLINGS:
            raise ProfileInvalid(
                f"coupling is {self.coupling!r}; nothing was changed; use one of {', '.join(COUPLINGS)}"
            )
        checked("timeout_s", self.timeout_s, 1, 300)
        checked("effect_within_s", self.effect_within_s, 1, 300)

    def effects(self) -> list[dict[str, Any]]:
        """What must be seen in the timeline for the restart to count."""
        within_s = self.effect_within_s
        return [{"measure": "dns_uncached", "outcome": "failing", "share": 0.5, "window_s": 5, "within_s": within_s}]


def restart_dns(
    plan: RestartPlan, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Restart the DNS servers as planned; keys are told by ``restart_dns_pods``."""
    clock = SystemClock()
    if plan.coupling == NONE:
        return {
            "effects": [],
            "parameters": asdict(plan),
            "cache": {"waited_s": 0.0, "reason": "coupling is none"},
            "restart": {"note": "nothing was restarted, as coupling none asks"},
        }
    with open_cluster(configuration, secrets) as cluster:
        permit = require_permit(cluster, configuration, clock)
        driver = open_driver(configuration) if plan.coupling == RESTART_CONTAINERS else None
        cache = wait_for_fresh_entry(configuration, plan.wait_for_fresh_cache, clock)
        log = undo_log_for_change(configuration, cluster, permit.cluster_uid, clock)
        if driver is None:
            result = delete_dns_pods(cluster, log, permit.dns_pods, plan.timeout_s, clock)
        else:
            number = log.intend(ObserveOnly(f"kill containers of {DNS_NAMESPACE} {DNS_LABEL}"))
            started_s = clock.monotonic_s()
            killed = driver.restart_containers(DNS_NAMESPACE, DNS_LABEL, plan.timeout_s)
            log.done(number, "nothing to undo: the kubelet starts them again")
            result = _killed(killed, started_s, clock)
    return {"effects": plan.effects(), "parameters": asdict(plan), "cache": cache, "restart": result}


def _killed(killed: list[str], started_s: float, clock: Clock) -> dict[str, Any]:
    return {"killed": len(killed), "names": killed[:_SHOWN_KILLED], "took_s": clock.monotonic_s() - started_s}
