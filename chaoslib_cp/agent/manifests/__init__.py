"""The workload prober, and what experiments lie about, as Kubernetes objects."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class DnsPlace:
    """Where the pods of cluster DNS are.

    Attributes:
        namespace: Theirs.
        selector: Labels that they have.
        port: The port on which they answer; the Service in front of them answers 53.
    """

    namespace: str = "kube-system"
    selector: tuple[tuple[str, str], ...] = (("k8s-app", "kube-dns"),)
    port: int = 53


USUAL_PLACE = DnsPlace()
"""Where kubeadm, k3s, RKE2, EKS, GKE and AKS have them."""


@dataclass(frozen=True)
class ProberPods:
    """The pods of the prober.

    Attributes:
        image_pull_secret: Secret of namespace chaoslib-cp with which their image is pulled; empty for none.
        nodes: Labels of the nodes that get one; empty for all Linux nodes.
    """

    image_pull_secret: str = ""
    nodes: tuple[tuple[str, str], ...] = ()


EVERYWHERE = ProberPods()


def prober_manifests(
    cluster_dns: str,
    image: str,
    external_name: str = "",
    cluster_domain: str = "cluster.local",
    dns: DnsPlace = USUAL_PLACE,
    pods: ProberPods = EVERYWHERE,
) -> list[dict[str, Any]]:
    """Return the objects of ``prober.yaml`` for one cluster, in an order in which they can be created.

    Args:
        cluster_dns: ClusterIP of cluster DNS, asked past the node-local cache; empty for what the prober finds in its
            own resolv.conf.
        image: Image with this package; its entry point is ``python -m chaoslib_cp.agent``.
        external_name: A name outside the cluster that the prober asks for once a second; empty for none.
        cluster_domain: The cluster's DNS domain; empty for what the prober finds in its own resolv.conf.
        dns: Where the pods of cluster DNS are.
        pods: Which nodes get a prober, and how its image is pulled.
    """
    text = files(__package__).joinpath("prober.yaml").read_text(encoding="utf-8")
    manifests: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    _select(next(one for one in manifests if one["metadata"]["name"] == "kube-dns-pods"), dns)
    for one in manifests:
        if "template" in one.get("spec", {}):
            _give_image(one["spec"]["template"]["spec"], image, pods)
    container = manifests[-1]["spec"]["template"]["spec"]["containers"][0]
    domain = f".{cluster_domain}" if cluster_domain else ""
    container["args"] = [
        "prober",
        f"--cluster-dns={cluster_dns}",
        f"--sentinel=sentinel.chaoslib-cp.svc{domain}",
        f"--dns-pods=kube-dns-pods.{dns.namespace}.svc{domain}",
        f"--external={external_name}",
        "--port=8080",
        *([] if dns.port == USUAL_PLACE.port else [f"--dns-pods-port={dns.port}"]),
    ]
    return manifests


def _give_image(pod: dict[str, Any], image: str, pods: ProberPods) -> None:
    """All pods run the one image there is, on nodes that can get it."""
    pod["containers"][0]["image"] = image
    pod["nodeSelector"] |= dict(pods.nodes)
    if pods.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": pods.image_pull_secret}]


def _select(service: dict[str, Any], dns: DnsPlace) -> None:
    """Put the headless Service over the DNS pods where these are."""
    service["metadata"]["namespace"] = dns.namespace
    service["spec"]["selector"] = dict(dns.selector)
    service["spec"]["ports"][0]["port"] = dns.port
