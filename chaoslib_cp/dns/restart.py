"""The kinds of DNS restart, from doing nothing to a crash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import list_dns_pods
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.cluster.undo.kinds.observe_only import observed
from chaoslib_cp.dns.fault import DNS_RESTART
from chaoslib_cp.dns.freshness import wait_for_fresh_entry
from chaoslib_cp.dns.pods import DnsPods, delete_dns_pods
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Expects, Injected, NotPlayed
from chaoslib_cp.infrastructure import Driver, open_driver
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_UNCACHED

NONE: Final = "none"
DELETE_PODS: Final = "delete-pods"
RESTART_CONTAINERS: Final = "restart-containers"
COUPLINGS: Final = (NONE, DELETE_PODS, RESTART_CONTAINERS)
"""How DNS is made to depend on the API in a run."""

USUAL: Final = Expects(DNS_UNCACHED.name, window_s=5.0, within_s=30.0)
"""What users of DNS suffer from a restart while the API is away, once no cache helps any more."""

_SHOWN: Final = 20
_LOOK_S: Final = 2.0  # a healthy API lists two pods in milliseconds; in the storm nobody waits for it


@dataclass(frozen=True)
class RestartPlan:
    """How the DNS servers are restarted; arguments of ``restart_dns_pods``."""

    coupling: str
    wait_for_fresh_cache: bool
    timeout_s: float
    expects: Expects

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is asked."""
        if self.coupling not in COUPLINGS:
            raise ProfileInvalid(
                f"coupling is {self.coupling!r}; nothing was changed; use one of {', '.join(COUPLINGS)}"
            )
        checked("timeout_s", self.timeout_s, 1, 300)


def restart_dns(plan: RestartPlan, settings: Settings) -> dict[str, Any]:
    """Restart the DNS servers as planned; what it returns is told by ``restart_dns_pods``."""
    clock = SystemClock()
    if plan.coupling == NONE:
        return NotPlayed("coupling is none", parameters=asdict(plan)).as_dict()
    with injecting(settings, DNS_RESTART, clock) as injection:
        cluster, log, fault = injection.cluster, injection.log, injection.fault
        if injection.permit.dns_doubt:
            raise TargetRefused(f"no DNS server is restarted: {injection.permit.dns_doubt}")
        noted = DnsPods(injection.permit.dns, injection.permit.dns_pods)
        driver = open_driver(settings) if plan.coupling == RESTART_CONTAINERS else None
        # looked up before the wait for the cache: what follows that must follow at once
        pods = noted if driver is None else _pods_to_crash(cluster, noted)
        cache = wait_for_fresh_entry(settings, plan.wait_for_fresh_cache, clock)
        if driver is None:
            restart = delete_dns_pods(cluster, log, fault, pods, plan.timeout_s, clock)
            delivers = Delivers("DNS pods deleted", wanted=restart["pods"], done=restart["accepted"])
        else:
            started_s = clock.monotonic_s()
            killed = _crash(driver, settings.infrastructure, pods, log, fault, plan.timeout_s)
            restart = {
                "killed": len(killed),
                "names": killed[:_SHOWN],
                "took_s": clock.monotonic_s() - started_s,
            }
            delivers = Delivers("DNS containers killed", wanted=len(pods.names), done=len(killed))
    return Injected(
        fault=fault,
        kind=DNS_RESTART.name,
        label=DNS_RESTART.label,
        delivers=delivers,
        expects=(plan.expects,),
        lasts=False,
        parameters=asdict(plan),
        details={"cache": cache, "restart": restart},
    ).as_dict()


def _pods_to_crash(cluster: Cluster, noted: DnsPods) -> DnsPods:
    """The DNS pods there are now or, where the API does not say at once, those that the gate saw.

    Both come from a server that the permit's authority vouches for, so they are pods of that cluster.
    """
    try:
        pods: Mapping[str, str] = list_dns_pods(cluster, noted.where, _LOOK_S)
    except ControlPlaneError:
        pods = noted.names
    if not pods:
        raise TargetRefused(
            f"no pod with {noted.where.selector} in {noted.where.namespace} of {cluster.server} is known; nothing was "
            "restarted; name a cluster whose DNS runs in pods, or start a new run while its API is healthy"
        )
    return DnsPods(noted.where, pods)


def _crash(driver: Driver, infrastructure: str, pods: DnsPods, log: UndoLog, fault: str, timeout_s: float) -> list[str]:
    """Kill the containers of these pods, and of nobody else's, wherever the driver leads."""
    where = pods.where
    names = f"{where.namespace}/{', '.join(sorted(pods.names.values())[:_SHOWN])}"
    number = log.intend(observed(fault, f"kill containers of {names}"))
    try:
        killed = driver.restart_containers(where.namespace, where.label, list(pods.names), timeout_s)
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
