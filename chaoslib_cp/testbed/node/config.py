"""What the supervisor tells a node, as a JSON file."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed

# In a node's folder: how its kubelet ended, since whoever waits for it to get ready cannot see it die.
CRASH_FILE = "kubelet-ended"
IMAGE_KINDS = ("program", "python")


@dataclass(frozen=True)
class NodeConfig:
    """One node.

    Args:
        node: its name.
        index: its number, from 1.
        node_ip: its address; the kubelet listens there, so that every node has the usual ports.
        pod_cidr: the range of its pods' addresses.
        bridge: name of the bridge all pods are on.
        gateway: the bridge's address.
        cluster_dns: nameserver of its pods.
        cluster_domain: DNS domain of the cluster.
        resolv_conf: path; what pods with ``dnsPolicy: Default`` get.
        kubeconfig: path; the node's own identity.
        client_ca: path; who may talk to the kubelet.
        folder: its files on disk.
        logs: folder of log files.
        programs: folder with the kubelet.
        labels: of its Node object.
        rootless: whether this is the root of a user namespace only.
        images: image name -> {"kind": "program", "path": ...} or {"kind": "python"}.
        cgroup_tree: name of the testbed's control groups; "" leaves containers without limits.
    """

    node: str
    index: int
    node_ip: str
    pod_cidr: str
    bridge: str
    gateway: str
    cluster_dns: str
    cluster_domain: str
    resolv_conf: str
    kubeconfig: str
    client_ca: str
    folder: str
    logs: str
    programs: str
    labels: Mapping[str, str]
    rootless: bool
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cgroup_tree: str = ""

    def __post_init__(self) -> None:
        for name, image in self.images.items():
            if image.get("kind") not in IMAGE_KINDS:
                raise TestbedFailed(f"node {self.node}: image {name} has kind {image.get('kind')!r}; nothing started")


def load(path: Path) -> NodeConfig:
    """Read a node's configuration.

    Raises:
        TestbedFailed: the file cannot be read, or a key is missing or unknown; nothing was started.
    """
    try:
        keys = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TestbedFailed(f"node configuration {path}: {error}; nothing was started") from error
    fields = {key.name: key for key in dataclasses.fields(NodeConfig)}
    required = {name for name, key in fields.items() if key.default is key.default_factory}
    wrong = sorted(keys.keys() - fields.keys()) + sorted(required - keys.keys())
    if wrong:
        raise TestbedFailed(f"node configuration {path}: missing or unknown {', '.join(wrong)}; nothing was started")
    return NodeConfig(**keys)
