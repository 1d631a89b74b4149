"""Where the workload prober's page is: an address and port that need no DNS and no API once they are known."""

from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE

PROBER_SERVICE = "workload-prober"


def prober_pages(cluster: Cluster, namespace: str = LIBRARY_NAMESPACE, timeout_s: float = 5.0) -> tuple[str, ...]:
    """Look up the prober's pages.

    Args:
        cluster: As the runner.
        namespace: Where the prober lives.
        timeout_s: Limit of each of the two reads.

    Returns:
        ``ip:port`` of its NodePort on the node of each of its pods; empty if there is no prober.

    Raises:
        TargetRefused: The runner may not read Services or Pods.
        CallFailed: The API does not answer.
    """
    where = f"/api/v1/namespaces/{namespace}"
    service = cluster.get(f"{where}/services/{PROBER_SERVICE}", timeout_s=timeout_s)
    port = _node_port(service or {})
    if service is None or not port:
        return ()
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    pods = cluster.get(f"{where}/pods", timeout_s=timeout_s, labelSelector=selector) or {}
    hosts = [(pod.get("status") or {}).get("hostIP") for pod in pods.get("items") or []]
    return tuple(dict.fromkeys(f"{host}:{port}" for host in hosts if host))


def _node_port(service: dict[str, Any]) -> int:
    ports = (service.get("spec") or {}).get("ports") or []
    return next((int(port["nodePort"]) for port in ports if port.get("nodePort")), 0)
