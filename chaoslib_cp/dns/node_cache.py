"""Where the node caches are: the pods of NodeLocal DNSCache, whoever installed it."""

from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from chaoslib_cp.cluster.door.live_pods import live_pods
from chaoslib_cp.dns.corefile_source import ADD_ON_MANAGER, CorefileSource, read_corefile, refuse_keeper
from chaoslib_cp.errors import TargetRefused

SELECTORS: Final = (
    "k8s-app=node-local-dns",  # kubernetes itself, kops, RKE2, GKE
    "k8s-app=nodelocaldns",  # kubespray
    "app.kubernetes.io/name=node-local-dns",  # charts
)
"""What labels their pods have, as their installers put them."""
_MANAGERS: Final = "component=kube-addon-manager"  # source: kubernetes, cluster/addons/addon-manager
_CALL_S: Final = 5.0


def find_node_caches(
    cluster: Cluster, namespace: str, selector: str = "", timeout_s: float = _CALL_S
) -> CorefileSource:
    """Find the Corefile of the node caches, a template that each of them fills in. Reads only.

    The manifest of NodeLocal DNSCache labels its ConfigMap as one that an add-on manager keeps, wherever it is applied;
    the label counts only where such a manager runs.

    Args:
        cluster: As the runner.
        namespace: Of the pods of cluster DNS; the caches are in the same.
        selector: What labels their pods have, as a label selector; without it those of ``SELECTORS`` are tried.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: There are none, they read no ConfigMap or different ones, or somebody else keeps that ConfigMap
            as it is; nothing was changed.
        CallFailed: The API does not answer.
    """
    tried = (selector,) if selector else SELECTORS
    for one in tried:
        where = ClusterDns(namespace, one)
        pods = _pods(cluster, where, timeout_s)
        if pods:
            source = read_corefile(cluster, where, pods, timeout_s)
            managers = ClusterDns(namespace, _MANAGERS)
            if source.keeper != ADD_ON_MANAGER or _pods(cluster, managers, timeout_s):
                refuse_keeper(source)
            return source
    raise TargetRefused(
        f"there is no node cache in {namespace}: no pod has {' or '.join(tried)}; nothing was changed; use a cluster "
        "with NodeLocal DNSCache, or name the label of its pods (node_cache_selector)"
    )


def _pods(cluster: Cluster, where: ClusterDns, timeout_s: float) -> list[dict[str, Any]]:
    listed = cluster.get(where.pods_path, timeout_s=timeout_s, labelSelector=where.selector)
    return live_pods(cluster, listed, timeout_s)
