"""Where the DNS servers read their Corefile: which key of which ConfigMap, and which version of CoreDNS reads it.

Names differ from one distribution to the next (coredns, rke2-coredns-rke2-coredns, dns-default). What is the same
everywhere is how a pod is told: an argument of its container names a file, a mount has it, and a volume says which
ConfigMap that is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from chaoslib_cp.cluster.door.live_pods import live_pods
from chaoslib_cp.cluster.door.review import Access, may
from chaoslib_cp.cluster.gate.roles import DNS_CONFIG_MAPS, NODE_CACHE_CONFIG_MAPS
from chaoslib_cp.cluster.undo.objects import object_path
from chaoslib_cp.dns.mounted import Told, behind, mounted_folders
from chaoslib_cp.engine.poison.imports import NOTHING_BESIDE, Beside, imported_folders
from chaoslib_cp.errors import TargetRefused

_CALL_S: Final = 5.0
_DNS_PORT: Final = 53
_FLAGS: Final = ("basecorefile", "conf")
_NODE_CACHE_FILE: Final = "/etc/coredns/Corefile.base"  # NodeLocal makes its own of it (source: node-cache, main.go)
_USUAL_FILE: Final = "Corefile"  # in the working folder, where no argument names another (source: CoreDNS, run.go)
_VERSION: Final = re.compile(r":v?(\d+)\.(\d+)\.(\d+)")
ADD_ON_MANAGER: Final = "the add-on manager"
"""Who keeps what has its label; by the label alone nobody can tell that there is one."""
_RECONCILED: Final = ("addonmanager.kubernetes.io/mode", "Reconcile")


@dataclass(frozen=True)
class DnsServer:
    """One pod that answers DNS.

    Attributes:
        name: Of the pod.
        address: Its own; empty while it has none.
    """

    name: str
    address: str


@dataclass(frozen=True)
class CorefileSource:
    """Where a Corefile is kept, and who reads it.

    Attributes:
        namespace: Of the pods and of the ConfigMap.
        config_map: Name of the ConfigMap.
        key: Which of its keys.
        text: What it holds.
        version: Of CoreDNS, from the tag of its image: three numbers; None where the tag tells none.
        image: Of the pods.
        port: On which the pods are asked.
        servers: The pods that are alive.
        keeper: Who keeps the ConfigMap as it is: an operator or an add-on manager; empty where nobody does.
        beside: The files that it may import, where they were looked at.
    """

    namespace: str
    config_map: str
    key: str
    text: str
    version: tuple[int, int, int] | None
    image: str
    port: int
    servers: tuple[DnsServer, ...]
    keeper: str = ""
    beside: Beside = NOTHING_BESIDE

    def __str__(self) -> str:
        return f"{self.key} of ConfigMap {self.namespace}/{self.config_map}"


def find_corefile(cluster: Cluster, where: ClusterDns, timeout_s: float = _CALL_S) -> CorefileSource:
    """Find the Corefile of the DNS servers, to edit it. Reads only.

    Args:
        cluster: As the runner.
        where: Where the DNS servers are.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: They are no CoreDNS, do not read a ConfigMap, read different ones, the runner may not read it, or
            somebody else keeps that ConfigMap as it is; nothing was changed.
        ProfileInvalid: It cannot be read; nothing was changed.
        CallFailed: The API does not answer.
    """
    listed = cluster.get(where.pods_path, timeout_s=timeout_s, labelSelector=where.selector)
    pods = live_pods(cluster, listed, timeout_s)
    source = read_corefile(cluster, where, pods, timeout_s)
    refuse_keeper(source)
    return replace(source, beside=_read_beside(cluster, source, _told(pods[0], where), timeout_s))


def _read_beside(cluster: Cluster, source: CorefileSource, told: Told, timeout_s: float) -> Beside:
    """The files that a Corefile imports from ConfigMaps; of other folders nobody can tell what is in them."""
    known: set[str] = set()
    files: dict[str, str] = {}
    for folder in imported_folders(source.text, told.folder):
        volume = behind(folder, told.mounted)
        if volume:
            found = _read_config_map(cluster, source.namespace, volume.config_map, timeout_s) or {}
            known.add(folder)
            files |= volume.files(found.get("data") or {})
    return Beside(told.folder, frozenset(known), files)


def refuse_keeper(source: CorefileSource) -> None:
    """Refuse to edit what somebody else keeps as it is.

    Raises:
        TargetRefused: Somebody does; nothing was changed.
    """
    if source.keeper:
        raise TargetRefused(
            f"ConfigMap {source.namespace}/{source.config_map} is kept as it is by {source.keeper}, which would "
            "overwrite every edit; nothing was changed; use a cluster whose DNS configuration is your own"
        )


def read_corefile(
    cluster: Cluster, where: ClusterDns, pods: Sequence[Mapping[str, Any]], timeout_s: float = _CALL_S
) -> CorefileSource:
    """Read the Corefile that pods are told, whoever keeps it.

    Args:
        cluster: As the runner.
        where: Where the pods are.
        pods: Those that are alive.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: As :func:`find_corefile`, but for what somebody else keeps.
        CallFailed: The API does not answer.
    """
    if not pods:
        raise TargetRefused(f"none of the {where} is alive; nothing was changed; use a cluster whose DNS runs in pods")
    told = {_told(pod, where) for pod in pods}
    if len(told) > 1:
        raise TargetRefused(
            f"{where} read different Corefiles or run different images ({_differences(told)}); nothing was changed; "
            "wait until their rollout is done"
        )
    [one] = told
    found = _read_config_map(cluster, where.namespace, one.config_map, timeout_s)
    text = ((found or {}).get("data") or {}).get(one.key)
    if found is None or text is None:
        raise TargetRefused(
            f"ConfigMap {where.namespace}/{one.config_map} has no key {one.key}, which {where} read; nothing was "
            "changed; repair their configuration first"
        )
    servers = tuple(
        DnsServer(pod["metadata"]["name"], str((pod.get("status") or {}).get("podIP") or "")) for pod in pods
    )
    return CorefileSource(
        namespace=where.namespace,
        config_map=one.config_map,
        key=one.key,
        text=text,
        version=_version(one.image),
        image=one.image,
        port=one.port,
        servers=servers,
        keeper=_keeper_of(found),
    )


def _read_config_map(cluster: Cluster, namespace: str, name: str, timeout_s: float) -> dict[str, Any] | None:
    """The ConfigMap; who may not read it is told which right is missing, and how to get it."""
    try:
        return cluster.get(object_path("ConfigMap", namespace, name), timeout_s=timeout_s)
    except TargetRefused:
        if may(cluster, Access("get", "", "configmaps", namespace, name), timeout_s):
            raise
        fix = "apply the roles of `chaos cp manifests` anew"
        if name not in (*DNS_CONFIG_MAPS, *NODE_CACHE_CONFIG_MAPS):
            fix = "give it that right by a Role of your own: the roles of `chaos cp manifests` do not know that name"
        raise TargetRefused(
            f"{cluster.identity} may not get ConfigMap {namespace}/{name}; nothing was changed; {fix}"
        ) from None


def _told(pod: Mapping[str, Any], where: ClusterDns) -> Told:
    """What one pod is told."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        folders = mounted_folders(pod, container)
        for path in _corefiles(container):
            found = _from_config_map(pod, container, path)
            if found:
                folder = str(PurePosixPath("/", path).parent)
                return Told(*found, str(container.get("image")), _port(container), folder, folders)
    images = ", ".join(str(one.get("image")) for one in (pod.get("spec") or {}).get("containers") or [])
    raise TargetRefused(
        f"pod {where.namespace}/{pod['metadata']['name']} ({images}) reads no Corefile from a ConfigMap, so it is no "
        "CoreDNS that can be told anything; nothing was changed; use a cluster whose DNS is CoreDNS"
    )


def _corefiles(container: Mapping[str, Any]) -> Iterator[str]:
    """The file that a container is told to read, in each way in which it can be told."""
    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    for word, following in pairwise([*words, ""]):
        flag, has_value, value = word.lstrip("-").partition("=")
        if flag in _FLAGS:
            yield value if has_value else following
    if "node-cache" in str(container.get("image")):
        yield _NODE_CACHE_FILE
    if "coredns" in str(container.get("image")):
        yield f"/{_USUAL_FILE}"


def _from_config_map(pod: Mapping[str, Any], container: Mapping[str, Any], path: str) -> tuple[str, str] | None:
    """Name and key of the ConfigMap that stands behind a file of a container; None when none does."""
    volumes = {str(one["name"]): one for one in (pod.get("spec") or {}).get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        top = PurePosixPath(str(mount["mountPath"]))
        config_map = (volumes.get(str(mount["name"])) or {}).get("configMap") or {}
        if not config_map or not PurePosixPath(path).is_relative_to(top):
            continue
        within = str(PurePosixPath(path).relative_to(top))
        name = str(mount.get("subPath") or "") if within == "." else within
        keys = {str(one["path"]): str(one["key"]) for one in config_map.get("items") or []}
        return str(config_map["name"]), keys.get(name, name)
    return None


def _port(container: Mapping[str, Any]) -> int:
    """On which port it is asked over UDP: mostly 53, on OpenShift 5353."""
    ports = [one for one in container.get("ports") or [] if one.get("protocol") == "UDP"]
    return int(ports[0]["containerPort"]) if ports else _DNS_PORT


def _version(image: str) -> tuple[int, int, int] | None:
    """The version in an image's tag; builds of distributions carry it with something behind: v1.11.1-eksbuild.4."""
    found = _VERSION.search(image.partition("@")[0])
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _keeper_of(config_map: Mapping[str, Any]) -> str:
    """The operator or add-on manager that would undo an edit, or overwrite the undo; empty where there is none."""
    metadata = config_map.get("metadata") or {}
    label, value = _RECONCILED
    keepers = [f"{one.get('kind')} {one.get('name')}" for one in metadata.get("ownerReferences") or []]
    keepers += [
        str(one.get("manager")) for one in metadata.get("managedFields") or [] if str(one.get("manager")) == "eks"
    ]
    keepers += [ADD_ON_MANAGER] if (metadata.get("labels") or {}).get(label) == value else []
    return next(iter(keepers), "")


def _differences(told: set[Told]) -> str:
    return "; ".join(sorted(f"{one.config_map}/{one.key} by {one.image}" for one in told))
