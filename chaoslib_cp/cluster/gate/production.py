"""Signs that a cluster is somebody's production, whatever its mark says.

An owner who knows better accepts a sign by name when marking the cluster (``chaos cp mark --accept``), so the
exception names one cluster and expires with the mark.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import DNS_LABEL, DNS_NAMESPACE
from chaoslib_cp.cluster.gate.marker import LABEL, MANAGED_DNS, NAME, NODE_COUNT, PROVIDER

# What Kubernetes itself is tested with (source: Kubernetes documentation, "Considerations for large clusters").
MOST_NODES = 5000

_PRODUCTION = re.compile(r"(prod|production|prd|live)[0-9]*")
_NEGATIONS = ("non", "not", "no", "pre")
_STAGE_KEYS = ("env", "environment", "stage", "tier")
# Labels that managed node pools carry (source: documentation of EKS, GKE, AKS, OKE and DigitalOcean on node labels).
_PROVIDER_LABELS = (
    "eks.amazonaws.com/",
    "cloud.google.com/gke-",
    "kubernetes.azure.com/",
    "oci.oraclecloud.com/",
    "doks.digitalocean.com/",
)
# What an add-on manager writes on the DNS Deployment it keeps restoring (source: kubernetes/kubernetes,
# cluster/addons/addon-manager; EKS and AKS documentation on the CoreDNS add-on).
_ADDON_LABELS = ("addonmanager.kubernetes.io/mode", "eks.amazonaws.com/component", "kubernetes.azure.com/managedby")


@dataclass(frozen=True)
class Sign:
    """Something that speaks against breaking this cluster.

    Attributes:
        kind: One of ``marker.SIGNS``.
        words: What was seen, on which object.
    """

    kind: str
    words: str


def production_signs(cluster: Cluster, max_nodes: int, timeout_s: float) -> Iterator[Sign]:
    """Find every sign of production, the cheapest first; asks for one namespace, the nodes, and the DNS Deployments.

    Args:
        cluster: As the runner.
        max_nodes: More nodes than this is a sign.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: The runner may not look, so nobody knows.
        CallFailed: The API does not answer.
    """
    yield from _names(cluster)
    namespace = cluster.get(f"/api/v1/namespaces/{DNS_NAMESPACE}", timeout_s=timeout_s) or {}
    yield from _stage("namespace kube-system", namespace)
    yield from _nodes(cluster, max_nodes, timeout_s)
    path = f"/apis/apps/v1/namespaces/{DNS_NAMESPACE}/deployments"
    found = cluster.get(path, timeout_s=timeout_s, labelSelector=DNS_LABEL) or {}
    for deployment in found.get("items") or []:
        managed = _first(deployment, lambda key: key in _ADDON_LABELS)
        if managed:
            name = deployment["metadata"]["name"]
            yield Sign(MANAGED_DNS, f"Deployment {DNS_NAMESPACE}/{name} belongs to an add-on manager ({managed})")


def _names(cluster: Cluster) -> Iterator[Sign]:
    for what, name in (("context", cluster.context), ("server", cluster.server)):
        if _sounds_like_production(name):
            yield Sign(NAME, f"the name of {what} {name} says production")


def _sounds_like_production(name: str) -> bool:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return any(
        _PRODUCTION.fullmatch(word) and before not in _NEGATIONS
        for before, word in zip(["", *words], words, strict=False)
    )


def _nodes(cluster: Cluster, max_nodes: int, timeout_s: float) -> Iterator[Sign]:
    listed = cluster.get("/api/v1/nodes", timeout_s=timeout_s, limit=str(max_nodes + 1)) or {}
    nodes = listed.get("items") or []
    count = len(nodes) + int((listed.get("metadata") or {}).get("remainingItemCount") or 0)
    if count > max_nodes:
        yield Sign(NODE_COUNT, f"it has {count} nodes, configuration.max_nodes allows {max_nodes}")
    for node in nodes:
        name = node["metadata"]["name"]
        managed = _first(node, lambda key: key.startswith(_PROVIDER_LABELS))
        if managed:
            yield Sign(PROVIDER, f"node {name} is a cloud provider's ({managed})")
        yield from _stage(f"node {name}", node)


def _stage(what: str, found: Mapping[str, Any]) -> Iterator[Sign]:
    for key, value in _tags(found).items():
        if key.rpartition("/")[2].lower() in _STAGE_KEYS and _sounds_like_production(value):
            yield Sign(LABEL, f"{what} says {key}={value}")


def _first(found: Mapping[str, Any], is_meant: Callable[[str], bool]) -> str:
    return next((f"{key}={value}" for key, value in _tags(found).items() if is_meant(key)), "")


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    """Labels and annotations together."""
    metadata = found.get("metadata") or {}
    return {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
