"""Finding the Corefile as distributions keep it, and refusing what is none of ours to edit."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.dns.corefile_source import CorefileSource, DnsServer, find_corefile
from chaoslib_cp.errors import TargetRefused
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects

SELECTOR = {"k8s-app": "kube-dns"}
ALONE: dict[str, Any] = {"mountPath": "/Corefile", "subPath": "Corefile"}
TEXT = ".:53 {\n    whoami\n}\n"


def pod_spec(
    image: str, args: list[str], config_map: Mapping[str, Any], port: int = 53, **mounted: Any
) -> dict[str, Any]:
    """The spec of a DNS pod whose Corefile comes from a ConfigMap."""
    container = {
        "name": "dns",
        "image": image,
        "args": args,
        "ports": [{"containerPort": 9153}, {"containerPort": port, "protocol": "UDP"}],
        "volumeMounts": [
            {"name": "token", "mountPath": "/token"},
            {"name": "config", "mountPath": "/etc/coredns", **mounted},
        ],
    }
    return {"containers": [container], "volumes": [{"name": "config", "configMap": dict(config_map)}]}


KUBEADM = pod_spec(
    "mirror.example/coredns:v1.14.7",
    ["-conf", "/etc/coredns/Corefile"],
    {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
)


def put(kube: KubeObjects, spec: Mapping[str, Any], config_map: str, **metadata: Any) -> ClusterDns:
    """A cluster whose DNS pods have this spec."""
    for name, address in (("dns-a", "10.0.0.1"), ("dns-b", "10.0.0.2")):
        kube.add_dns_pod(name, podIP=address)
        kube.objects[f"/api/v1/namespaces/kube-system/pods/{name}"]["spec"] |= spec
    kube.objects[f"/api/v1/namespaces/kube-system/configmaps/{config_map}"] = {
        "metadata": {"name": config_map, "uid": "map-1", "resourceVersion": "7", **metadata},
        "data": {"Corefile": TEXT},
    }
    return ClusterDns("kube-system", "k8s-app=kube-dns")


def found(kube: KubeObjects, where: ClusterDns) -> CorefileSource:
    """What is found there."""
    with open_cluster(kube.settings()) as cluster:
        return find_corefile(cluster, where)


@pytest.mark.parametrize(
    ("spec", "config_map", "version", "port"),
    [
        (KUBEADM, "coredns", (1, 14, 7), 53),
        (
            pod_spec(
                "mirror.example:5000/hardened-coredns:v1.12.0-build20241126",
                ["-conf=/etc/coredns/Corefile"],
                {"name": "rke2-coredns-rke2-coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
            ),
            "rke2-coredns-rke2-coredns",
            (1, 12, 0),
            53,
        ),
        (
            pod_spec(
                "mirror.example/dns@sha256:0f1e", ["-conf", "/etc/coredns/Corefile"], {"name": "dns-x"}, port=5353
            ),
            "dns-x",
            None,
            5353,
        ),
        (
            pod_spec("mirror.example/coredns:v1.11.1-eksbuild.4", [], {"name": "coredns"}, **ALONE),
            "coredns",
            (1, 11, 1),
            53,
        ),
    ],
    ids=["kubeadm", "rke2", "by digest, another port", "no argument"],
)
def test_the_corefile_is_found_as_the_pods_are_told_it(
    kube: KubeObjects, spec: dict[str, Any], config_map: str, version: tuple[int, int, int] | None, port: int
) -> None:
    """ConfigMap, key, version and port come from the pods, not from names that a distribution may change."""
    source = found(kube, put(kube, spec, config_map))
    assert (source.config_map, source.key, source.text) == (config_map, "Corefile", TEXT)
    assert (source.version, source.port) == (version, port)
    assert source.servers == (DnsServer("dns-a", "10.0.0.1"), DnsServer("dns-b", "10.0.0.2"))


@pytest.mark.parametrize(
    ("spec", "metadata", "words"),
    [
        ({"containers": [{"name": "kubedns", "image": "mirror.example/kube-dns:1.14"}]}, {}, "reads no Corefile"),
        (
            pod_spec("x/coredns:1.14.7", ["-conf", "/etc/coredns/Corefile"], {"name": "other"}),
            {},
            "has no key Corefile",
        ),
        (KUBEADM, {"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}}, "by the add-on manager"),
        (KUBEADM, {"ownerReferences": [{"kind": "DNS", "name": "default"}]}, "by DNS default"),
        (KUBEADM, {"managedFields": [{"manager": "eks"}]}, "by eks"),
    ],
    ids=["kube-dns", "no such ConfigMap", "add-on manager", "operator", "managed add-on"],
)
def test_what_cannot_be_told_anything_is_refused(
    kube: KubeObjects, spec: dict[str, Any], metadata: dict[str, Any], words: str
) -> None:
    """One clear line, and nothing was changed."""
    where = put(kube, spec, "coredns", **metadata)
    with pytest.raises(TargetRefused, match=words):
        found(kube, where)
    assert kube.writes() == []


def test_pods_in_the_middle_of_a_rollout_are_refused(kube: KubeObjects) -> None:
    """Two images read the same file in two ways."""
    where = put(kube, KUBEADM, "coredns")
    other = pod_spec("mirror.example/coredns:v1.9.3", ["-conf", "/etc/coredns/Corefile"], {"name": "coredns"})
    kube.objects["/api/v1/namespaces/kube-system/pods/dns-b"]["spec"] |= other
    with pytest.raises(TargetRefused, match="run different images"):
        found(kube, where)


CUSTOM = "/api/v1/namespaces/kube-system/configmaps/coredns-custom"
IMPORTING = ".:53 {\n    kubernetes cluster.local\n    import custom/*.override\n}\nimport custom/*.server\n"
CUSTOM_FOLDER = "/etc/coredns/custom"
OVERRIDE = f"{CUSTOM_FOLDER}/log.override"


def with_room(*mounts: dict[str, Any], volume: Mapping[str, Any] = {"configMap": {"name": "coredns-custom"}}) -> Any:
    """A pod with room for its owner's own files."""
    spec = pod_spec("x/coredns:v1.14.7", ["-conf", "/etc/coredns/Corefile"], {"name": "coredns"})
    spec["volumes"].append({"name": "custom", **volume})
    spec["containers"][0]["volumeMounts"] += [{"name": "custom", "mountPath": CUSTOM_FOLDER, **one} for one in mounts]
    return spec


@pytest.mark.parametrize(
    ("spec", "data", "known", "files"),
    [
        (with_room({}), {"log.override": "log"}, True, {OVERRIDE: "log"}),
        (with_room({}), None, True, {}),
        (with_room(), {"log.override": "log"}, True, {}),
        (with_room({}, volume={"emptyDir": {}}), None, False, {}),
        (with_room({"mountPath": OVERRIDE, "subPath": "log.override"}), {"log.override": "log"}, False, {}),
    ],
    ids=["added", "nothing there", "not mounted", "another volume", "a single file"],
)
def test_what_a_corefile_imports_is_read_where_it_can_be(
    kube: KubeObjects, spec: dict[str, Any], data: dict[str, str] | None, known: bool, files: dict[str, str]
) -> None:
    """A folder of a ConfigMap is known, file by file; of other volumes, and single files, nobody can tell."""
    where = put(kube, spec, "coredns")
    kube.objects["/api/v1/namespaces/kube-system/configmaps/coredns"]["data"]["Corefile"] = IMPORTING
    if data is not None:
        kube.objects[CUSTOM] = {"metadata": {"name": "coredns-custom"}, "data": data}
    beside = found(kube, where).beside
    assert beside.known == ({CUSTOM_FOLDER} if known else set())
    assert {path: text for path, text in beside.files.items() if path.startswith(CUSTOM_FOLDER)} == files


def test_a_missing_right_to_read_what_is_imported_is_told(kube: KubeObjects) -> None:
    """Roles of an older release do not name that ConfigMap."""
    where = put(kube, with_room({}), "coredns")
    kube.objects["/api/v1/namespaces/kube-system/configmaps/coredns"]["data"]["Corefile"] = IMPORTING
    kube.server.on("GET", CUSTOM, lambda _: Answer(403))
    kube.denied.add(("get", "configmaps"))
    with pytest.raises(
        TargetRefused, match=r"may not get ConfigMap kube-system/coredns-custom; .* `chaos cp manifests`"
    ):
        found(kube, where)
