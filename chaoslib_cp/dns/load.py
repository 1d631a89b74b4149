"""A load of DNS lookups: an agent on every node that runs workloads asks whom they ask, for names of the cluster."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.agents.pods import AgentPods, make
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.nodes import count_nodes
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.dns.fault import DNS_LOAD
from chaoslib_cp.dns.service_names import refuse_aliases, service_names
from chaoslib_cp.engine.load.fields import MAX_REPORT_TO
from chaoslib_cp.engine.load.lookup_profile import LookupProfile, parse_lookup_profile
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import AGENT_LOAD, DNS_CACHED

ROLE: Final = "dns-load"
MOST_PER_S: Final = 20_000
"""Lookups each second of all nodes together: at 4 questions each more than twice what one CoreDNS was measured to
answer (about 30,000 questions each second; source: coredns/deployment, kubernetes/Scaling_CoreDNS.md)."""
MOST_OF_ONE_NODE_PER_S: Final = 5_000
MOST_QUERIES: Final = 20_000_000
_RESOURCES: Final = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}

USUAL: Final = Expects(DNS_CACHED.name, window_s=5.0)
"""What users of DNS suffer from a load that DNS servers do not bear."""


@dataclass(frozen=True)
class LoadPlan:
    """Arguments of ``start_dns_load``, checked; an empty list of names stands for the Services of the cluster."""

    rate_per_s: float
    duration_s: float
    names: tuple[str, ...]
    hot_names: int
    written: str
    never_asked_share: float
    clients: int
    timeout_s: float
    attempts: int
    max_queries: int
    seed: int
    image: AgentImage
    expects: Expects = USUAL

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("rate_per_s", self.rate_per_s, 0.1, MOST_PER_S)
        checked("duration_s", self.duration_s, 1, 3600)
        checked("max_queries", self.max_queries, 1, MOST_QUERIES, whole=True)
        self.image.refuse_nonsense()
        self.profile(1, self.names, min(self.rate_per_s, MOST_OF_ONE_NODE_PER_S))

    def profile(self, nodes: int, names: tuple[str, ...], rate_per_s: float) -> LookupProfile:
        """What each of so many agents is told.

        Raises:
            ProfileInvalid: An argument is wrong; nothing was changed.
        """
        told = {
            "schema": 1,
            "names": list(names),
            "hot_names": self.hot_names,
            "namespace": LIBRARY_NAMESPACE,
            "written": self.written,
            "never_asked_share": self.never_asked_share,
            "rate_per_s": rate_per_s,
            "clients": self.clients,
            "timeout_s": self.timeout_s,
            "attempts": self.attempts,
            "max_queries": max(1, self.max_queries // nodes),
            "duration_s": self.duration_s,
            "seed": self.seed,
        }
        try:
            return parse_lookup_profile(told)
        except ProfileInvalid as error:
            raise ProfileInvalid(str(error).removeprefix("load profile: ")) from error


def start(plan: LoadPlan, settings: Settings, clock: Clock) -> Injected:
    """Start the load as planned; what it returns is told by ``start_dns_load``."""
    image = plan.image.as_configured(settings)
    with injecting(settings, DNS_LOAD, clock) as injection:
        nodes = _nodes_for(plan, injection)
        profile = _profile_for(plan, nodes, injection)
        image = image.as_the_prober(injection.permit)
        objects = _make(profile, image, injection)
    return Injected(
        fault=injection.fault,
        kind=DNS_LOAD.name,
        label=DNS_LOAD.label,
        delivers=Delivers("agents", wanted=nodes, vantage=AGENT_LOAD.name),
        expects=(plan.expects,),
        deadline_epoch_s=profile.deadline_epoch_s,
        parameters=_effective(plan, profile, image),
        details={"objects": objects, "nodes": nodes},
    )


def _nodes_for(plan: LoadPlan, injection: Injection) -> int:
    """How many agents will share the lookups."""
    nodes = count_nodes(injection.cluster, for_workloads_only=True)
    if not nodes:
        raise TargetRefused(
            "no node of this cluster is alive, runs Linux and takes pods that tolerate no taint; nothing was changed; "
            "look at `kubectl get nodes`"
        )
    if plan.rate_per_s > nodes * MOST_OF_ONE_NODE_PER_S:
        raise ProfileInvalid(
            f"rate_per_s is {plan.rate_per_s:g} for {nodes} nodes; nothing was changed; use at most "
            f"{nodes * MOST_OF_ONE_NODE_PER_S}, {MOST_OF_ONE_NODE_PER_S} for each node"
        )
    return nodes


def _profile_for(plan: LoadPlan, nodes: int, injection: Injection) -> LookupProfile:
    """What each agent is told, with the deadline that all of them share."""
    if plan.names:
        refuse_aliases(injection.cluster, plan.names)
    names = plan.names or service_names(injection.cluster)
    return replace(
        # more agents than lookups each second: each asks as seldom as an agent can
        plan.profile(nodes, names, max(0.1, plan.rate_per_s / nodes)),
        deadline_epoch_s=injection.clock.epoch_s() + plan.duration_s,
        fault=injection.fault,
        report_to=injection.permit.prober_pages[:MAX_REPORT_TO],
    )


def _make(profile: LookupProfile, image: AgentImage, injection: Injection) -> list[str]:
    end_s = profile.deadline_epoch_s or 0.0
    pods = AgentPods(injection.fault, injection.log.run, LIBRARY_NAMESPACE, ROLE, end_s, image)
    return make(injection, load_manifests(profile, pods), LIBRARY_NAMESPACE)


def load_manifests(profile: LookupProfile, pods: AgentPods) -> list[dict[str, Any]]:
    """The objects of a load, in the order they are made; the one that starts it comes last.

    Agents ask nobody but DNS, so their ServiceAccount has no rights, and they no token. It is made first, so it is
    taken back last, when none of its pods is left.
    """
    pod = {
        "serviceAccountName": pods.name,
        "automountServiceAccountToken": False,
        # as workloads have it: the search list of their namespace, ndots 5, and the node's cache where there is one
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": False,
    }
    return [
        pods.object("v1", "ServiceAccount", pods.name, namespaced=True),
        pods.config_map(profile.as_dict()),
        pods.daemonset("dns-load", pod, _RESOURCES),
    ]


def _effective(plan: LoadPlan, profile: LookupProfile, image: AgentImage) -> dict[str, Any]:
    """What is really done, in under 2 KB."""
    told = {key: value for key, value in asdict(plan).items() if key not in ("names", "image", "expects")}
    return {
        **told,
        "names": list(profile.names[:10]),
        "name_count": len(profile.names),
        "rate_per_s_of_each_node": profile.rate_per_s,
        "max_in_flight_of_each_node": profile.max_in_flight,
        "image": image.name,
        "image_pull_secret": image.pull_secret,
    }
