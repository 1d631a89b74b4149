"""The headless Service that `chaos cp manifests` makes, with pods behind it, in a fake cluster."""

from typing import Any

from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import KubeObjects

WHERE = "/api/v1/namespaces/chaoslib-cp"
LABELS = {"chaoslib-cp/role": "decoy"}


def put(kube: KubeObjects, *addresses: str, service: str = "decoy-pods", **spec: Any) -> None:
    """Put a Service there, with one ready pod at each address, which a controller made.

    Args:
        kube: Where.
        addresses: Of the pods.
        service: Name of the Service.
        spec: What is different about the Service.
    """
    kube.server.on("GET", "/readyz", Answer(200))
    kube.objects[f"{WHERE}/services/{service}"] = {
        "metadata": {"name": service, "namespace": "chaoslib-cp"},
        "spec": {"clusterIP": "None", "selector": dict(LABELS), **spec},
    }
    for address in addresses:
        add_pod(kube, address)


def add_pod(kube: KubeObjects, address: str) -> None:
    """Put a ready pod there that a controller made."""
    name = f"decoy-{address.replace('.', '-')}"
    kube.add_dns_pod(name, namespace="chaoslib-cp", labels=LABELS, podIP=address)
    owner = {"kind": "ReplicaSet", "name": "decoy", "controller": True}
    kube.objects[f"{WHERE}/pods/{name}"]["metadata"]["ownerReferences"] = [owner]


def replace_at(kube: KubeObjects, *addresses: str) -> None:
    """Let the controller replace each pod that is deleted, by one at the next of these addresses."""
    free = list(addresses)

    def replaced(request: Request) -> Answer:
        answer = kube.carry_out(request)
        if answer.status == 200 and free:
            add_pod(kube, free.pop(0))
        return answer

    kube.server.on("DELETE", f"{WHERE}/pods", replaced)
