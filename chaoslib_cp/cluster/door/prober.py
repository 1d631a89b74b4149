"""Where the workload prober's page is: an address and port that need no DNS and no API once they are known."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.live_pods import live_pods

PROBER_SERVICE = "workload-prober"
_CONTAINER: Final = "prober"
_PAGE_S: Final = 2.0
_MOST_BYTES: Final = 4_000_000
_NOTHING_OLD: Final = "/?after=999999999999999999"


@dataclass(frozen=True)
class ProberFacts:
    """What the API says of the prober.

    Attributes:
        pages: ``ip:port`` of its NodePort on the node of each of its living pods, IPv6 addresses in brackets.
        image: The image that it runs, empty when it has no pod.
        image_pull_secret: The first secret with which that image is pulled, empty when none is named.
    """

    pages: tuple[str, ...] = ()
    image: str = ""
    image_pull_secret: str = ""


def find_prober(cluster: Cluster, namespace: str = LIBRARY_NAMESPACE, timeout_s: float = 5.0) -> ProberFacts:
    """Look the prober up.

    Args:
        cluster: As the runner.
        namespace: Where the prober lives.
        timeout_s: Limit of each of the two reads.

    Returns:
        What is known of it; nothing if there is no prober.

    Raises:
        TargetRefused: The runner may not read Services or Pods.
        CallFailed: The API does not answer.
    """
    where = f"/api/v1/namespaces/{namespace}"
    service = cluster.get(f"{where}/services/{PROBER_SERVICE}", timeout_s=timeout_s)
    port = _node_port(service or {})
    if service is None or not port:
        return ProberFacts()
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    pods = live_pods(cluster, cluster.get(f"{where}/pods", timeout_s=timeout_s, labelSelector=selector), timeout_s)
    hosts = [(pod.get("status") or {}).get("hostIP") for pod in pods]
    pages = tuple(dict.fromkeys(f"{_bracketed(str(host))}:{port}" for host in hosts if host))
    return ProberFacts(pages, *_image(pods[0] if pods else {}))


def nameservers_of_pods(pages: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that the prober has in its own resolv.conf, as its page tells; none when no page answers."""
    for page in pages:
        connection = HTTPConnection(*_host_and_port(page), timeout=_PAGE_S)
        try:
            connection.request("GET", _NOTHING_OLD)
            told = json.loads(connection.getresponse().read(_MOST_BYTES))["nameservers"]
            return tuple(map(str, told))
        except (OSError, HTTPException, ValueError, LookupError, TypeError):
            continue
        finally:
            connection.close()
    return ()


def _host_and_port(page: str) -> tuple[str, int]:
    host, _, port = page.rpartition(":")
    return host.strip("[]"), int(port)


def _bracketed(host: str) -> str:
    """An address as it stands before a port (source: RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def _node_port(service: dict[str, Any]) -> int:
    ports = (service.get("spec") or {}).get("ports") or []
    return next((int(port["nodePort"]) for port in ports if port.get("nodePort")), 0)


def _image(pod: dict[str, Any]) -> tuple[str, str]:
    """Image and pull secret; what an admission webhook put beside the prober is not meant."""
    spec = pod.get("spec") or {}
    images = [str(one.get("image") or "") for one in spec.get("containers") or [] if one.get("name") == _CONTAINER]
    secrets = [str(one.get("name") or "") for one in spec.get("imagePullSecrets") or []]
    return next(iter(images), ""), next(iter(secrets), "")
