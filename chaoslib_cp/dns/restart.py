"""The ways in which DNS servers lose what they know of the cluster: from none at all to a kill by the kernel."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.dns.containers import act_on_dns_containers, pods_to_reach
from chaoslib_cp.dns.fault import DNS_RESTART
from chaoslib_cp.dns.freshness import wait_for_fresh_entry
from chaoslib_cp.dns.pods import DnsPods, delete_dns_pods
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Expects, Injected, NotPlayed
from chaoslib_cp.infrastructure import Driver, open_driver
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS, OOM_KILL, RELOAD, ContainerAct
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_UNCACHED

NONE: Final = "none"
DELETE_PODS: Final = "delete-pods"
COUPLINGS: Final = (NONE, DELETE_PODS, *CONTAINER_ACTS)
"""How DNS is made to depend on the API in a run: not at all, through the API, or by an infrastructure driver."""

USUAL: Final = Expects(DNS_UNCACHED.name, window_s=5.0, within_s=30.0)
"""What users of DNS suffer from a restart while the API is away, once no cache helps any more."""

_LABELS: Final = {RELOAD.name: "DNS reload", OOM_KILL.name: "DNS memory kill"}


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
        if injection.permit.dns_doubt:
            raise TargetRefused(f"no DNS server is restarted: {injection.permit.dns_doubt}")
        # looked up before the wait for the cache: what follows that must follow at once
        restart = _prepared(plan, injection)
        cache = wait_for_fresh_entry(settings, plan.wait_for_fresh_cache, clock)
        done, delivers = restart()
    return Injected(
        fault=injection.fault,
        kind=DNS_RESTART.name,
        label=_LABELS.get(plan.coupling, DNS_RESTART.label),
        delivers=delivers,
        expects=(plan.expects,),
        lasts=False,
        parameters=asdict(plan),
        details={"cache": cache, "restart": done},
    ).as_dict()


_Done = tuple[dict[str, Any], Delivers]


def _prepared(plan: RestartPlan, injection: Injection) -> Callable[[], _Done]:
    """What is left to be done once the moment has come."""
    noted = DnsPods(injection.permit.dns, injection.permit.dns_pods)
    act = CONTAINER_ACTS.get(plan.coupling)
    if act is None:
        return partial(_through_the_api, plan, injection, noted)
    driver = open_driver(injection.settings)
    return partial(_past_the_api, plan, injection, driver, act, pods_to_reach(injection.cluster, noted))


def _through_the_api(plan: RestartPlan, injection: Injection, noted: DnsPods) -> _Done:
    where = (injection.cluster, injection.log, injection.fault, noted)
    done = delete_dns_pods(*where, plan.timeout_s, injection.clock)
    return done, Delivers("DNS pods deleted", wanted=done["pods"], done=done["accepted"])


def _past_the_api(plan: RestartPlan, injection: Injection, driver: Driver, act: ContainerAct, pods: DnsPods) -> _Done:
    done = act_on_dns_containers(injection, driver, act, pods, plan.timeout_s)
    return done, Delivers(f"DNS containers {act.done}", wanted=len(pods.names), done=done[act.answer])
