"""Where the prober's page is, looked up while the API is healthy: afterwards nobody can tell us."""

import json
from typing import Any, Final

from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget

_DEADLINE_S: Final = 5.0
_MAX_ANSWER_BYTES: Final = 1_000_000


async def find_prober_pages(target: HttpsTarget, namespace: str) -> tuple[str, ...]:
    """Return ``ip:port`` of the page on each node that runs the prober; empty when there is none.

    Args:
        target: The API, as an identity that may read Services and Pods in ``namespace``.
        namespace: Namespace of the library's own objects.
    """
    service = await _get(target, f"/api/v1/namespaces/{namespace}/services/workload-prober")
    pods = await _get(target, f"/api/v1/namespaces/{namespace}/pods?labelSelector=chaoslib-cp%2Frole%3Dprober")
    node_ports = [port.get("nodePort") for port in service.get("spec", {}).get("ports", [])]
    nodes = [pod.get("status", {}).get("hostIP") for pod in pods.get("items", [])]
    return tuple(f"{node}:{node_ports[0]}" for node in dict.fromkeys(nodes) if node and node_ports and node_ports[0])


async def _get(target: HttpsTarget, path: str) -> dict[str, Any]:
    """Return the object at ``path``, or an empty one when it cannot be had."""
    answer = await https.ask(target, HttpsRequest("GET", path, keep_body_bytes=_MAX_ANSWER_BYTES), _DEADLINE_S)
    if answer.outcome != "ok":
        return {}
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
