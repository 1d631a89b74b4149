"""What the cluster's DNS is: the Service that answers port 53, and the pods behind it.

Names, labels, namespaces and ports of pods differ from one distribution to the next (kube-dns,
rke2-coredns-rke2-coredns, dns-default in openshift-dns with pods at 5353). What is the same everywhere is what pods
need: a Service with an address of its own and the UDP port 53.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.live_pods import live_pods
from chaoslib_cp.errors import TargetRefused

_USUAL_LABEL: Final = ("k8s-app", "kube-dns")
_DNS_PORT: Final = 53
_CALL_S: Final = 5.0
_SHOWN: Final = 4


@dataclass(frozen=True)
class ClusterDns:
    """Where the DNS servers are.

    Attributes:
        namespace: Of the pods.
        selector: What labels they have, as a label selector.
        services: Names of the Services in front of them; empty when no Service was found.
        addresses: The Services' own addresses (ClusterIP).
    """

    namespace: str
    selector: str
    services: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def pods_path(self) -> str:
        """API path of the pods of that namespace."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def label(self) -> str:
        """One label of the pods, as KEY=VALUE: enough for who is told their UIDs, too."""
        pairs = self.selector.split(",")
        return next((pair for pair in pairs if pair.startswith(f"{_USUAL_LABEL[0]}=")), pairs[0])

    def __str__(self) -> str:
        return f"pods with {self.selector} in {self.namespace}"


USUAL: Final = ClusterDns("kube-system", "=".join(_USUAL_LABEL))
"""Where kubeadm puts them, for a cluster that shows no Service of DNS (source: kubeadm's CoreDNS manifest)."""


def nobody_asked() -> tuple[str, ...]:
    """The answer of whoever does not know which address pods ask."""
    return ()


def find_cluster_dns(
    cluster: Cluster, timeout_s: float = _CALL_S, asked_by_pods: Callable[[], Sequence[str]] = nobody_asked
) -> ClusterDns:
    """Find the DNS servers that pods use.

    Several Services may answer port 53, for example one of a team's own. Then the one counts whose address pods have in
    their resolv.conf; else the one that has living pods; else the one with the usual label.

    Args:
        cluster: As the runner.
        timeout_s: Limit of each call.
        asked_by_pods: Says which addresses pods have in their resolv.conf; asked only where it matters.

    Returns:
        Where they are; ``USUAL`` when there is no such Service.

    Raises:
        TargetRefused: Nobody can tell which of several it is, or which pods stand behind it; or this identity may not
            list Services.
        CallFailed: The API does not answer.
    """
    listed = cluster.get("/api/v1/services", timeout_s=timeout_s) or {}
    services = [one for one in listed.get("items") or [] if _answers_dns(one)]
    if not services:
        return USUAL
    chosen = _one_of(cluster, services, timeout_s, asked_by_pods)
    if not chosen.selector:
        raise TargetRefused(
            f"Service {chosen.namespace}/{chosen.services[0]} of cluster DNS has no selector, so nobody can tell which "
            "pods answer for it; nothing was changed; use coupling none, or a cluster whose DNS runs in pods"
        )
    return chosen


def list_dns_pods(cluster: Cluster, where: ClusterDns, timeout_s: float = _CALL_S) -> dict[str, str]:
    """Name of every living DNS pod by its UID.

    Raises:
        TargetRefused: The runner may not list them.
        CallFailed: The API does not answer.
    """
    found = cluster.get(where.pods_path, timeout_s=timeout_s, labelSelector=where.selector)
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in live_pods(cluster, found, timeout_s)}


def _answers_dns(service: Mapping[str, Any]) -> bool:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    has_port = any(one.get("port") == _DNS_PORT and one.get("protocol", "TCP") == "UDP" for one in ports)
    return has_port and bool(_addresses(service)) and spec.get("type") != "ExternalName"


def _addresses(service: Mapping[str, Any]) -> list[str]:
    """The Service's own addresses; none of a headless one. Dual stack lists both, the first is also in clusterIP."""
    spec = service.get("spec") or {}
    given = dict.fromkeys([spec.get("clusterIP"), *(spec.get("clusterIPs") or [])])
    return [str(address) for address in given if address and address != "None"]


def _one_of(
    cluster: Cluster,
    services: Sequence[Mapping[str, Any]],
    timeout_s: float,
    asked_by_pods: Callable[[], Sequence[str]],
) -> ClusterDns:
    known = list(_by_pods(services))
    if len(known) > 1:
        used = set(asked_by_pods())
        known = _narrowed(known, lambda one: bool(used & set(one.addresses)))
    if len(known) > 1:
        known = _narrowed(known, lambda one: _has_pods(cluster, one, timeout_s))
    if len(known) > 1:
        known = _narrowed(known, lambda one: bool(one.selector) and _is_usual(one, services))
    if len(known) == 1:
        return known[0]
    names = ", ".join(f"{one.namespace}/{one.services[0]}" for one in known[:_SHOWN])
    raise TargetRefused(
        f"{len(known)} Services of {cluster.server} answer port 53 ({names}), and nobody can tell which of them pods "
        "ask; nothing was changed; let the workload prober run there (`chaos cp manifests`): it tells"
    )


def _narrowed(known: list[ClusterDns], fits: Callable[[ClusterDns], bool]) -> list[ClusterDns]:
    """Those that fit; all of them when none does."""
    return [one for one in known if fits(one)] or known


def _by_pods(services: Sequence[Mapping[str, Any]]) -> Iterator[ClusterDns]:
    """Put Services in front of the same pods together: a node cache brings a second one for cluster DNS."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for service in services:
        groups.setdefault(_pods_of(service), []).append(service)
    for (namespace, selector), together in groups.items():
        names = tuple(str(one["metadata"]["name"]) for one in together)
        yield ClusterDns(namespace, selector, names, tuple(a for one in together for a in _addresses(one)))


def _pods_of(service: Mapping[str, Any]) -> tuple[str, str]:
    selector = (service.get("spec") or {}).get("selector") or {}
    wanted = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return str(service["metadata"].get("namespace") or USUAL.namespace), wanted


def _has_pods(cluster: Cluster, where: ClusterDns, timeout_s: float) -> bool:
    try:
        return bool(where.selector) and bool(list_dns_pods(cluster, where, timeout_s))
    except TargetRefused:
        return False


def _is_usual(where: ClusterDns, services: Sequence[Mapping[str, Any]]) -> bool:
    key, value = _USUAL_LABEL
    return any(
        (one["metadata"].get("labels") or {}).get(key) == value and _pods_of(one) == (where.namespace, where.selector)
        for one in services
    )
