"""Which API servers there are: behind one address there may be several, and one of them may be the sick one.

Each registers the address at which the others and all pods reach it (source: Kubernetes documentation,
EndpointSlices; kubernetes/kubernetes, pkg/controlplane/reconcilers).
"""

from typing import Final

from chaoslib_cp.cluster.door.address import joined
from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster

NAMESPACE: Final = "default"
SLICE: Final = "kubernetes"
_PATH: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/{SLICE}"


def find_api_servers(cluster: Cluster, timeout_s: float = DEFAULT_TIMEOUT_S) -> tuple[str, ...]:
    """Where each API server listens, as ``ip:port``; none where the cluster does not tell.

    Whether they can be reached from here is another question. A cluster behind a path of a proxy tells none: its
    servers would not know the path.

    Args:
        cluster: As the runner.
        timeout_s: Limit of the one call.

    Raises:
        TargetRefused: This identity may not ask.
        CallFailed: The API does not answer.
    """
    if cluster.connection.base_path:
        return ()
    told = cluster.get(_PATH, timeout_s=timeout_s) or {}
    ports = [int(one["port"]) for one in told.get("ports") or [] if one.get("port")]
    if not ports:
        return ()
    addresses = [str(address) for one in told.get("endpoints") or [] for address in one.get("addresses") or []]
    return tuple(dict.fromkeys(joined(address, ports[0]) for address in addresses))
