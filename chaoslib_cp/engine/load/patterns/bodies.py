"""What writes of a load profile send: one small object for each pattern, and the one namespace that they may be in.

Whatever a load writes is its own: each object has a name that no other load gives, and the labels of its run and fault
(``LoadProfile.marks``). Nodes are never made: controllers, schedulers and cloud providers act on a Node object, so a
ConfigMap of the size of a node's status stands for it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

WRITES_NAMESPACE: Final = "chaoslib-cp-load"
"""The only namespace that loads write to; `chaos cp manifests` makes it, and nobody else has anything there."""
NAME: Final = "{node}-{load}"
"""Name of what each virtual node has one of."""
# A node's status with the 50 images that a kubelet names at most is about 8 kB as JSON (source: Kubernetes
# documentation, kubelet configuration, nodeStatusMaxImages; 160 bytes an image).
_STATUS_BYTES: Final = 8_192
_APPLY: Final = {"fieldManager": "chaoslib-cp", "force": "true"}

EVENT: Final[Mapping[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": f"{NAME}.{{number}}", "namespace": WRITES_NAMESPACE},
    "involvedObject": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": WRITES_NAMESPACE, "name": NAME},
    "type": "Warning",
    "reason": "KernelOops",
    "message": "kernel: BUG: unable to handle kernel NULL pointer dereference at 0000000000000008, number {number}",
    "source": {"component": "chaoslib-cp", "host": "{node}"},
    "count": 1,
    "firstTimestamp": "{now}",
    "lastTimestamp": "{now}",
}
LEASE: Final[Mapping[str, Any]] = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": NAME, "namespace": WRITES_NAMESPACE},
    # 40 s are a kubelet's own (source: Kubernetes documentation, nodeLeaseDurationSeconds)
    "spec": {"holderIdentity": "{node}", "leaseDurationSeconds": 40, "renewTime": "{now}"},
}
_CONDITIONS: Final = [
    {"type": kind, "status": status, "lastHeartbeatTime": "{now}", "reason": "Kubelet"}
    for kind, status in (("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"),
                         ("Ready", "True"))
]  # fmt: skip
NODE_STATUS: Final[Mapping[str, Any]] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": NAME, "namespace": WRITES_NAMESPACE},
    "data": {
        "conditions": json.dumps(_CONDITIONS),
        "images": " ".join(f"registry.example/image-{number:03}@sha256:{number:0128x}" for number in range(50))[
            :_STATUS_BYTES
        ],
    },
}


def _namespaced(version: str, resource: str) -> str:
    return f"{version}/namespaces/{WRITES_NAMESPACE}/{resource}"


COLLECTIONS: Final[Mapping[str, str]] = {
    "Event": _namespaced("/api/v1", "events"),
    "Lease": _namespaced("/apis/coordination.k8s.io/v1", "leases"),
    "ConfigMap": _namespaced("/api/v1", "configmaps"),
}
"""The kinds of objects that loads write: API path of each one's collection by its name."""


def resource_of(path: str) -> tuple[str, str, str]:
    """API group (empty for the core) and resource of what a path of ``COLLECTIONS`` leads to, and the collection."""
    collection = next(one for one in COLLECTIONS.values() if path.startswith(one))
    words = collection.split("/")
    return (words[2] if words[1] == "apis" else "", words[-1], collection)


def created(body: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a request that makes one more object each time."""
    return {"method": "POST", "path": COLLECTIONS[body["kind"]], "query": {}, "accept": "application/json"}


def applied(body: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a request that makes the one object of a virtual node, or writes it anew: server-side apply does both."""
    return {
        "method": "PATCH",
        "path": f"{COLLECTIONS[body['kind']]}/{NAME}",
        "query": _APPLY,
        "accept": "application/json",
    }


def deleted(body: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a request that deletes that object; where there is none the answer is 404."""
    return {
        "method": "DELETE",
        "path": f"{COLLECTIONS[body['kind']]}/{NAME}",
        "query": {},
        "accept": "application/json",
    }
