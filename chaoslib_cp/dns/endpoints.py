"""Replacing the endpoints of a headless Service: its name then stands for other addresses, and nobody has the old ones.

Nothing is forged. Whoever has the name in a cache goes on to the addresses of pods that are no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from chaoslib_cp.cluster.door.health import refuse_unwell
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.live_pods import is_ready, live_pods
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.dns.fault import ENDPOINT_REPLACEMENT
from chaoslib_cp.dns.pods import DnsPods, delete_pods
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings

_CALL_S: Final = 5.0
_SYSTEM: Final = "kube-system"
_PROBER: Final = ("chaoslib-cp/role", "prober")  # what measures a run
_MOST_PODS: Final = 20
"""Of one name: more would be an outage of its own, and no DNS answer that fits into one packet."""
_UNWELL: Final = "nobody would make new pods in time"

_Pod = Mapping[str, Any]


@dataclass(frozen=True)
class EndpointsPlan:
    """Whose endpoints are replaced; arguments of ``replace_endpoints``."""

    service: str
    namespace: str
    timeout_s: float

    def __post_init__(self) -> None:
        """Refuse what needs no look at the cluster."""
        for what in ("service", "namespace"):
            if not isinstance(getattr(self, what), str) or not getattr(self, what):
                raise ProfileInvalid(f"{what} is {getattr(self, what)!r}; nothing was changed; use a name")
        checked("timeout_s", self.timeout_s, 1, 300)

    def __str__(self) -> str:
        return f"Service {self.namespace}/{self.service}"


def replace_endpoints(plan: EndpointsPlan, settings: Settings, clock: Clock) -> Injected:
    """Delete the pods behind a headless Service; what it returns is told by the action of this name."""
    with injecting(settings, ENDPOINT_REPLACEMENT, clock) as injection:
        refuse_unwell(injection.cluster, _UNWELL)
        where = _behind(injection, plan)
        old = _pods(injection, where)
        _refuse_pods(old, plan)
        names = {str(pod["metadata"]["uid"]): str(pod["metadata"]["name"]) for pod in old}
        cluster, log, fault = injection.cluster, injection.log, injection.fault
        replaced = delete_pods(cluster, log, fault, DnsPods(where, names), plan.timeout_s, clock)
        gone = _addresses(old)
        new = [] if replaced["synced_s"] is None else sorted(_addresses(_pods(injection, where)) - gone)
    return Injected(
        fault=injection.fault,
        kind=ENDPOINT_REPLACEMENT.name,
        label=ENDPOINT_REPLACEMENT.label,
        delivers=Delivers("pods replaced", wanted=len(old), share=1.0, done=min(len(old), len(new))),
        lasts=False,
        parameters=asdict(plan),
        details={"gone": sorted(gone), "new": new, "replaced": replaced},
    )


def _behind(injection: Injection, plan: EndpointsPlan) -> ClusterDns:
    """Where the Service looks for its pods.

    Raises:
        TargetRefused: There is no such Service, its name does not stand for pods, or these must not be touched.
        CallFailed: The API does not answer.
    """
    if plan.namespace in (_SYSTEM, injection.permit.dns.namespace):
        raise TargetRefused(
            f"{plan} is of the cluster itself; nothing was changed; name one of a workload, or use restart_dns_pods"
        )
    listed = injection.cluster.get(f"/api/v1/namespaces/{plan.namespace}/services", timeout_s=_CALL_S) or {}
    found = next((one for one in listed.get("items") or [] if one["metadata"]["name"] == plan.service), None)
    if found is None:
        raise TargetRefused(
            f"there is no {plan}; nothing was changed; name a headless Service, or apply `chaos cp manifests` anew "
            "for that of ours"
        )
    spec = found.get("spec") or {}
    if spec.get("clusterIP") != "None" or not spec.get("selector"):
        raise TargetRefused(
            f"{plan} is not headless with a selector, so its name does not stand for the addresses of its pods; "
            "nothing was changed; name one with clusterIP None"
        )
    return ClusterDns(plan.namespace, ",".join(f"{key}={value}" for key, value in sorted(spec["selector"].items())))


def _pods(injection: Injection, where: ClusterDns) -> list[dict[str, Any]]:
    """The pods behind it that are alive and ready, so that its name stands for them."""
    listed = injection.cluster.get(where.pods_path, timeout_s=_CALL_S, labelSelector=where.selector)
    return [pod for pod in live_pods(injection.cluster, listed, _CALL_S) if is_ready(pod)]


def _refuse_pods(pods: list[dict[str, Any]], plan: EndpointsPlan) -> None:
    """Refuse to delete what nobody makes anew, or what measures the run.

    Raises:
        TargetRefused: Nothing was changed.
    """
    if not 0 < len(pods) <= _MOST_PODS:
        raise TargetRefused(
            f"{plan} has {len(pods)} ready pods; nothing was changed; name one that has some, {_MOST_PODS} at most"
        )
    for pod in pods:
        metadata = pod["metadata"]
        if not any(owner.get("controller") for owner in metadata.get("ownerReferences") or []):
            raise TargetRefused(
                f"pod {plan.namespace}/{metadata['name']} has no controller, so nobody would make a new one; nothing "
                "was changed; let a Deployment or a StatefulSet make it"
            )
        label, value = _PROBER
        if plan.namespace == LIBRARY_NAMESPACE and (metadata.get("labels") or {}).get(label) == value:
            raise TargetRefused(
                f"pod {plan.namespace}/{metadata['name']} measures the run; nothing was changed; name another Service"
            )


def _addresses(pods: Iterable[_Pod]) -> set[str]:
    return {str(pod["status"]["podIP"]) for pod in pods if (pod.get("status") or {}).get("podIP")}
