"""Which pods are the cluster's DNS servers."""

from chaoslib_cp.cluster.door.call import Cluster

DNS_NAMESPACE = "kube-system"
DNS_LABEL = "k8s-app=kube-dns"  # CoreDNS kept the label of its predecessor (source: kubeadm's CoreDNS manifest)
_CALL_S = 5.0


def list_dns_pods(cluster: Cluster, timeout_s: float = _CALL_S) -> dict[str, str]:
    """Name of every DNS pod by its UID.

    Raises:
        TargetRefused: The runner may not list them.
        CallFailed: The API does not answer.
    """
    found = cluster.get(f"/api/v1/namespaces/{DNS_NAMESPACE}/pods", timeout_s=timeout_s, labelSelector=DNS_LABEL) or {}
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in found.get("items") or []}
