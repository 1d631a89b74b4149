"""Starting an overload from pods: all is checked before the first object is made, and all pods begin together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaoslib_cp.apiserver.fault import API_OVERLOAD_IN_CLUSTER
from chaoslib_cp.apiserver.overload.session import load_files, prune_loads
from chaoslib_cp.apiserver.overload.wanted import MAX_NODES, MAX_RATE_PER_S, offered_rate_per_s, wanted_profile
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.agents.pods import AgentPods, JobShape, make
from chaoslib_cp.cluster.agents.reads import reading_account, rules_for
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.nodes import NODES
from chaoslib_cp.cluster.door.resource_version import asks_for_old_version, resource_version_of
from chaoslib_cp.cluster.gate.bite import refuse_unknown_resources, refuse_what_does_not_bite
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.engine.load.budget import of_one_process
from chaoslib_cp.engine.load.fields import MAX_REPORT_TO
from chaoslib_cp.engine.load.presets import preset_of
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import AGENT_LOAD, API_READ
from chaoslib_cp.waits import waiting_for

ROLE: Final = "api-overload"
MAX_PODS: Final = 200
"""Each tells its account every 2 s: the prober's page takes a hundred a second (decision 7), and keeps 8 MB of results,
40 kB for each of so many."""
MAX_NODES_OF_POD: Final = 1000
"""Four connections of each, with TLS, take a pod 0.25 GB (``engine/load/process.py``), of the 512 MiB that it may."""
MAX_RATE_OF_ALL_PER_S: Final = 20_000.0
"""More than any published figure of requests to one control plane (13,000 a second from 130,000 nodes; source: GKE,
"How we built a 130,000-node cluster", 2025)."""
MAX_BEGIN_IN_S: Final = 300.0
# The event loop is one thread: more than a core is of no use to it, and less would make it late.
_RESOURCES: Final = {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
# Pods end by themselves at the deadline; they close their connections, and tell their result.
_FUSE_S: Final = 60
_SLICE_S: Final = 0.2

USUAL: Final = Expects(API_READ.name)
"""What users of the API suffer from an overload that bites."""


@dataclass(frozen=True)
class InClusterAsk:
    """Arguments of ``start_api_overload_in_cluster``, checked."""

    profile: Mapping[str, Any] | str
    pods: int
    nodes_per_pod: int
    duration_s: float
    begin_in_s: float
    image: AgentImage = field(default_factory=AgentImage)
    expects: Expects = field(default=USUAL)

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("pods", self.pods, 1, MAX_PODS, whole=True)
        checked("nodes_per_pod", self.nodes_per_pod, 1, MAX_NODES_OF_POD, whole=True)
        checked("pods times nodes_per_pod", self.nodes, 1, MAX_NODES, whole=True)
        checked("duration_s", self.duration_s, 1, 3600)
        checked("begin_in_s", self.begin_in_s, 0, MAX_BEGIN_IN_S)
        self.image.refuse_nonsense()
        rules_for(of_one_process(self.load_profile, self.pods))
        of_one = self.rate_per_s / self.pods
        if of_one > MAX_RATE_PER_S or self.rate_per_s > MAX_RATE_OF_ALL_PER_S:
            raise ProfileInvalid(
                f"{self.nodes} virtual nodes in {self.pods} pods ask for {self.rate_per_s:.0f} requests a second, each "
                f"pod for {of_one:.0f}; nothing was changed; all pods may offer {MAX_RATE_OF_ALL_PER_S:.0f}, one "
                f"{MAX_RATE_PER_S:.0f}: lower nodes_per_pod, or lengthen period_s"
            )

    @property
    def nodes(self) -> int:
        """How many virtual nodes all pods play."""
        return self.pods * self.nodes_per_pod

    @property
    def load_profile(self) -> LoadProfile:
        """What each virtual node is told to ask."""
        return wanted_profile(self.profile, self.duration_s)

    @property
    def rate_per_s(self) -> float:
        """Requests a second that all virtual nodes offer together."""
        return offered_rate_per_s(self.load_profile, self.nodes)


def start(asked: InClusterAsk, settings: Settings, clock: Clock) -> Injected:
    """Overload as asked; what it returns is told by ``start_api_overload_in_cluster``."""
    image = asked.image.as_configured(settings)
    with injecting(settings, API_OVERLOAD_IN_CLUSTER, clock) as injection:
        image = image.as_the_prober(injection.permit)
        refuse_unknown_resources(injection.cluster, asked.load_profile)
        refuse_what_does_not_bite(injection.cluster, asked.load_profile, preset_of(asked.profile))
        files = load_files(settings, injection.log.run, injection.fault)
        prune_loads(clock)
        began_s, begins_epoch_s = clock.monotonic_s(), clock.epoch_s() + asked.begin_in_s
        profile = _profile(asked, injection, begins_epoch_s)
        objects = make(
            injection, manifests(asked, profile, begins_epoch_s, _pods(injection, profile, image)), LIBRARY_NAMESPACE
        )
        _wait_until_begun(asked.begin_in_s - (clock.monotonic_s() - began_s), clock)
    return Injected(
        fault=injection.fault,
        kind=API_OVERLOAD_IN_CLUSTER.name,
        label=API_OVERLOAD_IN_CLUSTER.label,
        delivers=Delivers("virtual nodes", wanted=asked.nodes, vantage=AGENT_LOAD.name),
        expects=(asked.expects,),
        deadline_epoch_s=profile.deadline_epoch_s,
        parameters=_effective(asked, image),
        details={"objects": objects, "begins_epoch_s": begins_epoch_s, "result": str(files.result)},
    )


def manifests(
    asked: InClusterAsk, profile: LoadProfile, begins_epoch_s: float, pods: AgentPods
) -> list[dict[str, Any]]:
    """The objects of a load, in the order they are made; the one that starts it comes last.

    Args:
        asked: What was asked for.
        profile: What each pod is told.
        begins_epoch_s: When all of them begin, seconds since 1970.
        pods: What they are called, and run.
    """
    arguments = ("--virtual-nodes", str(asked.nodes_per_pod), "--begins-epoch-s", f"{begins_epoch_s:.3f}")
    shape = JobShape(asked.pods, int(asked.begin_in_s + asked.duration_s) + _FUSE_S, arguments)
    pod = {
        "serviceAccountName": pods.name,
        "enableServiceLinks": False,
        "dnsPolicy": "Default",  # they find the API by its Service address
    }
    return [
        *reading_account(pods, pods.name, profile),
        pods.config_map(profile.as_dict()),
        pods.job("load", pod, _RESOURCES, shape),
    ]


def _profile(asked: InClusterAsk, injection: Injection, begins_epoch_s: float) -> LoadProfile:
    """What each pod is told, with the deadline that all of them share."""
    old = asks_for_old_version(asked.load_profile)  # agents may list pods, the runner nodes: of one etcd
    return replace(
        of_one_process(asked.load_profile, asked.pods),
        deadline_epoch_s=begins_epoch_s + asked.duration_s,
        fault=injection.fault,
        resource_version=resource_version_of(injection.cluster, NODES) if old else "",
        report_to=injection.permit.prober_pages[:MAX_REPORT_TO],
    )


def _pods(injection: Injection, profile: LoadProfile, image: AgentImage) -> AgentPods:
    end_s = profile.deadline_epoch_s or 0.0
    return AgentPods(injection.fault, injection.log.run, LIBRARY_NAMESPACE, ROLE, end_s, image)


def _wait_until_begun(wait_s: float, clock: Clock) -> None:
    """Wait for the moment at which all pods begin: what comes after this action comes after that."""
    end_s = clock.monotonic_s() + wait_s
    with waiting_for("the pods of the load to be there and begin", wait_s):
        while (left_s := end_s - clock.monotonic_s()) > 0:
            clock.sleep(min(_SLICE_S, left_s))


def _effective(asked: InClusterAsk, image: AgentImage) -> dict[str, Any]:
    """What is really done."""
    return {
        **asked.load_profile.in_short(),
        "pods": asked.pods,
        "nodes_per_pod": asked.nodes_per_pod,
        "nodes": asked.nodes,
        "offered_rate_per_s": asked.rate_per_s,
        "duration_s": asked.duration_s,
        "begin_in_s": asked.begin_in_s,
        "image": image.name,
        "image_pull_secret": image.pull_secret,
    }
