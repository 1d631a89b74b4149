"""Cluster DNS and node caches: stock manifests with the spec's figures in them."""

from typing import Any

from chaoslib_cp.testbed import addons


def _rendered(**changes: Any) -> dict[tuple[str, str], dict[str, Any]]:
    values: dict[str, Any] = {"dns_replicas": 2, "cluster_dns_ttl_s": 30, "node_cache_ttl_s": 20, **changes}
    return {(item["kind"], item["metadata"]["name"]): item for item in addons.render(**values)}


def test_corefile_is_kubeadms() -> None:
    """The server caches nothing of the cluster's zone, as kubeadm ships it since 1.32."""
    corefile = _rendered()["ConfigMap", "coredns"]["data"]["Corefile"]
    assert "kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure" in corefile
    assert "cache 30 {\n       disable success cluster.local\n       disable denial cluster.local" in corefile
    assert "ttl 30" in corefile


def test_figures_of_the_spec_arrive() -> None:
    """Replicas, TTLs, domain and nodes are where they work."""
    found = _rendered(
        dns_replicas=3, cluster_dns_ttl_s=7, node_cache_ttl_s=1200, cluster_domain="c.test", kubelet_nodes=3
    )
    deployment = found["Deployment", "coredns"]["spec"]
    assert deployment["replicas"] == 3
    assert deployment["template"]["spec"]["topologySpreadConstraints"][0]["minDomains"] == 3
    assert "ttl 7" in found["ConfigMap", "coredns"]["data"]["Corefile"]
    assert "c.test:53 {" in found["ConfigMap", "node-local-dns"]["data"]["Corefile"]
    assert "success 9984 1200 1200" in found["ConfigMap", "node-local-dns"]["data"]["Corefile"]


def test_cache_asks_the_cluster_service_over_tcp() -> None:
    """As the original: cluster names through the Service, the rest straight to the outside."""
    corefile = _rendered()["ConfigMap", "node-local-dns"]["data"]["Corefile"]
    cluster_zone = corefile.split("in-addr.arpa:53")[0]
    assert "forward . 10.96.0.10 {\n        force_tcp" in cluster_zone
    assert "forward . /etc/resolv.conf" in corefile.split("\n.:53 {")[1]


def test_node_cache_stays_off_fake_nodes() -> None:
    """It runs on nodes with a kubelet, and tolerates no fake node's taint."""
    pod = _rendered()["DaemonSet", "node-local-dns"]["spec"]["template"]
    assert pod["metadata"]["annotations"]["chaoslib-cp.testbed/node-cache"] == "true"
    assert pod["spec"]["nodeSelector"] == {"chaoslib-cp.testbed/kubelet": "true"}
    assert all(toleration.get("key") == "CriticalAddonsOnly" for toleration in pod["spec"]["tolerations"])


def test_addresses_of_unready_dns_pods_stay_known() -> None:
    """During an outage one wants to ask just the pods that are not ready."""
    service = _rendered()["Service", "kube-dns-pods"]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert service["selector"] == _rendered()["Service", "kube-dns"]["spec"]["selector"]
