"""The kinds of DNS restart, from doing nothing to a crash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.dns_pods import DNS_LABEL, DNS_NAMESPACE, delete_dns_pods, list_dns_pods
from chaoslib_cp.cluster.gate.guard import require_permit
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.dns.freshness import wait_for_fresh_entry
from chaoslib_cp.engine.undo.entry import ObserveOnly
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused
from chaoslib_cp.infrastructure import Driver, open_driver
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_UNCACHED

NONE: Final = "none"
DELETE_PODS: Final = "delete-pods"
RESTART_CONTAINERS: Final = "restart-containers"
COUPLINGS: Final = (NONE, DELETE_PODS, RESTART_CONTAINERS)
"""How DNS is made to depend on the API in a run."""

_SHOWN: Final = 20
_LOOK_S: Final = 2.0  # a healthy API lists two pods in milliseconds; in the storm nobody waits for it


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
        name = DNS_UNCACHED.name
        return [{"vantage": name, "outcome": "failing", "share": 0.5, "window_s": 5, "within_s": within_s}]


def restart_dns(plan: RestartPlan, settings: Settings) -> dict[str, Any]:
    """Restart the DNS servers as planned; keys are told by ``restart_dns_pods``."""
    clock = SystemClock()
    if plan.coupling == NONE:
        return {
            "effects": [],
            "parameters": asdict(plan),
            "cache": {"waited_s": 0.0, "reason": "coupling is none"},
            "restart": {"note": "nothing was restarted, as coupling none asks"},
        }
    with open_cluster(settings) as cluster:
        permit = require_permit(cluster, settings, clock)
        driver = open_driver(settings) if plan.coupling == RESTART_CONTAINERS else None
        # looked up before the wait for the cache: what follows that must follow at once
        pods = permit.dns_pods if driver is None else _pods_to_crash(cluster, permit.dns_pods)
        cache = wait_for_fresh_entry(settings, plan.wait_for_fresh_cache, clock)
        log = undo_log_for_change(settings, cluster, permit.cluster_uid, clock)
        if driver is None:
            result = delete_dns_pods(cluster, log, pods, plan.timeout_s, clock)
        else:
            started_s = clock.monotonic_s()
            killed = _crash(driver, settings.infrastructure, pods, log, plan.timeout_s)
            took_s = clock.monotonic_s() - started_s
            result = {"killed": len(killed), "names": killed[:_SHOWN], "took_s": took_s}
    return {"effects": plan.effects(), "parameters": asdict(plan), "cache": cache, "restart": result}


def _pods_to_crash(cluster: Cluster, noted: Mapping[str, str]) -> Mapping[str, str]:
    """The DNS pods there are now (name by UID) or, where the API does not say at once, those that the gate saw.

    Both come from a server that the permit's authority vouches for, so they are pods of that cluster.
    """
    try:
        pods: Mapping[str, str] = list_dns_pods(cluster, _LOOK_S)
    except ControlPlaneError:
        pods = noted
    if not pods:
        raise TargetRefused(
            f"no pod with {DNS_LABEL} in {DNS_NAMESPACE} of {cluster.server} is known; nothing was restarted; name a "
            "cluster with CoreDNS, or start a new run while its API is healthy"
        )
    return pods


def _crash(driver: Driver, infrastructure: str, pods: Mapping[str, str], log: UndoLog, timeout_s: float) -> list[str]:
    """Kill the containers of these pods (name by UID), and of nobody else's, wherever the driver leads."""
    names = f"{DNS_NAMESPACE}/{', '.join(sorted(pods.values())[:_SHOWN])}"
    number = log.intend(ObserveOnly(f"kill containers of {names}"))
    try:
        killed = driver.restart_containers(DNS_NAMESPACE, DNS_LABEL, list(pods), timeout_s)
        if not killed:
            raise TargetRefused(
                f"infrastructure {infrastructure} runs no container of the DNS pods {names}; nothing was restarted; "
                "set configuration.infrastructure to the one of this cluster, or wait until these pods run"
            )
    except TargetRefused:
        log.done(number, "nothing to undo: nothing was restarted")
        raise
    log.done(number, "nothing to undo: the kubelet starts them again")
    return killed
