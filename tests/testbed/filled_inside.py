"""Run inside a testbed: fills a namespace of its own with what a preset needs to be there.

    python -m tests.testbed.filled_inside events 4000 500

Four thousand Events with 500 bytes of text each, made as break-glass by eight threads.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.settings import read_settings

NAMESPACE: Final = "preset-data"
CILIUM: Final = "cilium.io/v2"
_THREADS: Final = 8
_PATHS: Final = {
    "events": f"/api/v1/namespaces/{NAMESPACE}/events",
    "configmaps": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    "ciliumendpoints": f"/apis/{CILIUM}/namespaces/{NAMESPACE}/ciliumendpoints",
    "ciliumidentities": f"/apis/{CILIUM}/ciliumidentities",
}


def body_of(resource: str, number: int, text: str) -> dict[str, Any]:
    """One object."""
    metadata: dict[str, Any] = {"name": f"{resource}-{number}", "namespace": NAMESPACE}
    match resource:
        case "events":
            about = {"kind": "Pod", "namespace": NAMESPACE, "name": "x"}
            return {"metadata": metadata, "involvedObject": about, "reason": "Filled", "message": text}
        case "configmaps":
            return {"metadata": metadata, "data": {"text": text}}
        case "ciliumidentities":
            del metadata["namespace"]
    kind = {"ciliumendpoints": "CiliumEndpoint", "ciliumidentities": "CiliumIdentity"}[resource]
    return {"apiVersion": CILIUM, "kind": kind, "metadata": metadata, "status": {"text": text}}


def fill(resource: str, count: int, text_bytes: int) -> None:
    """Make them; what is there already stays."""
    settings = read_settings()

    def make(first: int) -> None:
        with open_cluster(settings, "break-glass") as cluster:
            for number in range(first, count, _THREADS):
                text = f"{number:06}" * (text_bytes // 6)
                answer = cluster.call("POST", _PATHS[resource], body=body_of(resource, number, text), timeout_s=30)
                if answer.status != 409:
                    cluster.expect_success(answer, f"make {resource}")

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(make, range(_THREADS)))


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
