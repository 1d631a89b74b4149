"""Node caches in a fake cluster, as kubernetes' own manifest of NodeLocal DNSCache makes them."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.corefiles import corefile

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/node-local-dns"
USUAL: Mapping[str, str] = {"k8s-app": "node-local-dns"}
IMAGE = "mirror.example/dns/k8s-dns-node-cache:1.26.4"
ARGS = ("-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-upstreamsvc", "kube-dns-upstream")


def put(
    kube: KubeObjects,
    *,
    text: str = "",
    labels: Mapping[str, str] = USUAL,
    config_map: str = "node-local-dns",
    image: str = IMAGE,
    args: tuple[str, ...] = ARGS,
    items: Mapping[str, str] | None = None,
    **metadata: Any,
) -> None:
    """Put two of them there.

    Args:
        kube: Where.
        text: Their Corefile; without one the stock one.
        labels: Of the pods.
        config_map: Name of their ConfigMap.
        image: That they run.
        args: Of the container.
        items: Path of each key in the volume.
        metadata: Of the ConfigMap; by default the label of the add-on manager, as that manifest has it.
    """
    listed = [{"key": key, "path": path} for key, path in (items or {"Corefile": "Corefile.base"}).items()]
    volumes = [
        {"name": "lock", "hostPath": {"path": "/run/xtables.lock"}},
        {"name": "config", "configMap": {"name": config_map, "items": listed}},
        {"name": "kube-dns", "configMap": {"name": "kube-dns", "optional": True}},
    ]
    mounts = [
        {"name": "lock", "mountPath": "/run/xtables.lock"},
        {"name": "config", "mountPath": "/etc/coredns"},
        {"name": "kube-dns", "mountPath": "/etc/kube-dns"},
    ]
    container = {"name": "node-cache", "image": image, "args": list(args), "volumeMounts": mounts}
    for node in ("a", "b"):
        kube.add_dns_pod(f"node-local-dns-{node}", labels=labels, podIP=f"10.0.1.{ord(node)}")
        spec = kube.objects[f"/api/v1/namespaces/kube-system/pods/node-local-dns-{node}"]["spec"]
        spec |= {"containers": [container], "volumes": volumes}
    kube.server.on("GET", "/readyz", Answer(200))
    known = metadata or {"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}
    kube.objects[f"/api/v1/namespaces/kube-system/configmaps/{config_map}"] = {
        "kind": "ConfigMap",
        "metadata": {"name": config_map, "namespace": "kube-system", "uid": "caches", "resourceVersion": "7", **known},
        "data": {"Corefile": text or corefile("nodelocal")},
    }
