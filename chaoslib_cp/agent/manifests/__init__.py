"""The workload prober as Kubernetes objects."""

from importlib.resources import files
from typing import Any

import yaml


def prober_manifests(
    cluster_dns: str, image: str, external_name: str = "", cluster_domain: str = "cluster.local"
) -> list[dict[str, Any]]:
    """Return the objects of ``prober.yaml`` for one cluster, in an order in which they can be created.

    Args:
        cluster_dns: ClusterIP of cluster DNS, asked past the node-local cache.
        image: Image with this package; its entry point is ``python -m chaoslib_cp.agent``.
        external_name: A name outside the cluster that the prober asks for once a second; empty for none.
        cluster_domain: The cluster's DNS domain.
    """
    text = files(__package__).joinpath("prober.yaml").read_text(encoding="utf-8")
    manifests: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    container = manifests[-1]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = image
    container["args"] = [
        "prober",
        f"--cluster-dns={cluster_dns}",
        f"--sentinel=sentinel.chaoslib-cp.svc.{cluster_domain}",
        f"--dns-pods=kube-dns-pods.kube-system.svc.{cluster_domain}",
        f"--external={external_name}",
        "--port=8080",
    ]
    return manifests
