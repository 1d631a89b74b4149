"""The workload prober as a client of DNS servers: the address that they see when it asks them."""

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.prober import read_prober
from chaoslib_cp.engine.poison.clients import MOST_CLIENTS
from chaoslib_cp.errors import TargetRefused


def prober_addresses(cluster: Cluster) -> tuple[str, ...]:
    """The addresses of the prober's pods, of both families where a pod has two; as many as a lie may have clients.

    Args:
        cluster: As the runner.

    Raises:
        TargetRefused: It has none, or the runner may not read its pods; nothing was changed.
        CallFailed: The API does not answer.
    """
    told = [pod.get("status") or {} for pod in read_prober(cluster).pods]
    found = [
        str(one.get("ip") or "") for status in told for one in status.get("podIPs") or [{"ip": status.get("podIP")}]
    ]
    if not any(found):
        raise TargetRefused(
            "the workload prober has no address, so nobody could hear what only some clients are told; nothing was "
            "changed; let it run (`chaos cp manifests`), or do without that proof (prober_is_client false)"
        )
    return tuple(dict.fromkeys(filter(None, found)))[:MOST_CLIENTS]
