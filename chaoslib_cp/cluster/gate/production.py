"""Signs that a cluster is somebody's production, whatever its mark says.

An owner who knows better accepts a sign by name when marking the cluster (``chaos cp mark --accept``), so the
exception names one cluster and expires with the mark.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.gate.marker import LABEL, MANAGED_DNS, NAME, NODE_COUNT, PROVIDER
from chaoslib_cp.limits import checked
from chaoslib_cp.settings import Settings

# What Kubernetes itself is tested with (source: Kubernetes documentation, "Considerations for large clusters").
MOST_NODES = 5000

_PRODUCTION = re.compile(r"(prod|production|prd|live)[0-9]*")
_NEGATIONS = ("non", "not", "no", "pre")
_STAGE_KEYS = ("env", "environment", "stage", "tier")
# Labels and annotations that managed node pools carry (source: each provider's documentation on node labels; Karpenter,
# eksctl, kOps, Gardener, OpenShift Machine API).
_PROVIDER_LABELS = (
    "ack.aliyun.com",
    "alibabacloud.com/",
    "alpha.eksctl.io/",
    "cce.baidubce.com/",
    "cce.cloud.com/",
    "cloud.google.com/gke-",
    "cloud.tencent.com/",
    "cluster.vke.volcengine.com/",
    "doks.digitalocean.com/",
    "eks.amazonaws.com/",
    "ibm-cloud.kubernetes.io/",
    "karpenter.k8s.aws/",
    "karpenter.sh/",
    "k8s.scaleway.com/",
    "kops.k8s.io/",
    "kubernetes.azure.com/",
    "kubernetes.civo.com/",
    "lke.linode.com/",
    "machine.openshift.io/",
    "magnum.openstack.org/",
    "node.cluster.x-k8s.io/esxi-host",
    "node.exoscale.net/",
    "node.k8s.linode.com/",
    "node.k8s.ovh/",
    "node.openshift.io/",
    "node.tke.cloud.tencent.com/",
    "oci.oraclecloud.com/",
    "run.tanzu.vmware.com/",
    "vke.vultr.com/",
    "worker.gardener.cloud/",
    "yandex.cloud/",
)
# What runs a cluster on one machine names its nodes so (kind, k3s and its wrappers, Cluster API's Docker, KWOK). Every
# other scheme of a providerID is a provider's: a cloud that nobody here has heard of is one, too.
_LOCAL_SCHEMES = ("docker", "fake", "k0s", "k3d", "k3s", "kind", "kwok", "minikube", "rke2")
# Providers that write no scheme: Oracle (OCID), Alibaba (region.instance), Huawei and others (an instance's UUID).
_PROVIDER_ID = re.compile(
    r"(?P<scheme>[a-z][a-z0-9.+-]*)://.*"
    r"|ocid1\..+"
    r"|[a-z]{2}-[a-z0-9-]+\.i-[a-z0-9]+"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_SYSTEM = "kube-system"
# Add-on managers bring CoreDNS under the label of its predecessor (source: manifests of kubeadm, EKS, GKE and AKS).
_DNS_LABEL = "k8s-app=kube-dns"
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


def max_nodes(settings: Settings) -> int:
    """How large a cluster this run may have.

    Raises:
        ProfileInvalid: ``max_nodes`` of the configuration is no whole number from 1 to 5000; nothing was changed.
    """
    return int(checked(settings.said("max_nodes"), settings.max_nodes, 1, MOST_NODES, whole=True))


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
    namespace = cluster.get(f"/api/v1/namespaces/{_SYSTEM}", timeout_s=timeout_s) or {}
    yield from _stage("namespace kube-system", namespace)
    yield from _nodes(cluster, max_nodes, timeout_s)
    path = f"/apis/apps/v1/namespaces/{_SYSTEM}/deployments"
    found = cluster.get(path, timeout_s=timeout_s, labelSelector=_DNS_LABEL) or {}
    for deployment in found.get("items") or []:
        managed = _first(deployment, lambda key: key in _ADDON_LABELS)
        if managed:
            name = deployment["metadata"]["name"]
            yield Sign(MANAGED_DNS, f"Deployment {_SYSTEM}/{name} belongs to an add-on manager ({managed})")


def _names(cluster: Cluster) -> Iterator[Sign]:
    for what, name in (("context", cluster.context), ("server", cluster.server)):
        if sounds_like_production(name):
            yield Sign(NAME, f"the name of {what} {name} says production")


def sounds_like_production(name: str) -> bool:
    """Whether a word of a name says production, and no word before it denies that."""
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
        managed = _first(node, lambda key: key.startswith(_PROVIDER_LABELS)) or _provider_id(node)
        if managed:
            yield Sign(PROVIDER, f"node {name} is a cloud provider's ({managed})")
        yield from _stage(f"node {name}", node)


def _provider_id(node: Mapping[str, Any]) -> str:
    """What the node's cloud calls it; empty for machines that are nobody's cloud.

    Source: Kubernetes documentation, Node, ``spec.providerID``: written by the cloud controller manager or the kubelet.
    """
    given = str((node.get("spec") or {}).get("providerID") or "")
    found = _PROVIDER_ID.fullmatch(given)
    is_local = found is None or (found["scheme"] or "").lower() in _LOCAL_SCHEMES
    return "" if is_local else f"providerID={given}"


def _stage(what: str, found: Mapping[str, Any]) -> Iterator[Sign]:
    for key, value in _tags(found).items():
        if key.rpartition("/")[2].lower() in _STAGE_KEYS and sounds_like_production(value):
            yield Sign(LABEL, f"{what} says {key}={value}")


def _first(found: Mapping[str, Any], is_meant: Callable[[str], bool]) -> str:
    return next((f"{key}={value}" for key, value in _tags(found).items() if is_meant(key)), "")


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    """Labels and annotations together."""
    metadata = found.get("metadata") or {}
    return {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
