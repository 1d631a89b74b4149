"""The cluster spec: a YAML file that says what ``chaos cp up`` brings up.

Every key has a default, a minimum and a maximum, stated once, on its field. The shipped files in ``specs/`` repeat the
keys they change, with the reason beside each number.
"""

import dataclasses
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number


def _number(default: float, least: float, most: float, meaning: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "meaning": meaning})


@dataclass(frozen=True)
class ClusterSpec:
    """What to bring up. Numbers outside their range are refused, never clamped."""

    name: str = "unnamed"
    api_servers: int = _number(1, 1, 3, "API servers behind the one stable address")
    api_server_cpu_cores: float = _number(0.4, 0.05, 64, "CPU quota of each API server, in cores")
    api_server_memory_mib: int = _number(3072, 256, 65536, "memory limit of each API server, in MiB")
    max_requests_inflight: int = _number(400, 1, 10000, "seats for reads; 400 is kube-apiserver's default")
    max_mutating_requests_inflight: int = _number(200, 1, 10000, "seats for writes; 200 is kube-apiserver's default")
    fake_nodes: int = _number(20, 0, 1000, "KWOK nodes")
    pods_per_fake_node: int = _number(5, 0, 110, "filler pods on each KWOK node; 110 is a kubelet's default limit")
    pod_bytes: int = _number(4096, 512, 65536, "size of one filler pod as JSON, in bytes")
    kubelet_nodes: int = _number(2, 1, 3, "nodes with a real kubelet")
    dns_replicas: int = _number(2, 1, 5, "CoreDNS pods; kubeadm starts 2")
    cluster_dns_ttl_s: int = _number(30, 0, 3600, "TTL of CoreDNS' answers for cluster names, in seconds")
    node_cache_ttl_s: int = _number(30, 1, 3600, "how long the node DNS cache keeps an answer, in seconds")
    audit_log: bool = (
        False  # a line in logs/kube-apiserver-N-audit.log for each request of a person, experiment or load
    )
    scale: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in dataclasses.fields(self):
            if key.metadata:
                _check_number(key, getattr(self, key.name))
        if not isinstance(self.audit_log, bool):
            raise ProfileInvalid(
                f"cluster spec: audit_log must be true or false, not {self.audit_log!r}; nothing was started"
            )
        if not isinstance(self.scale, dict) or not all(isinstance(text, str) for text in self.scale.values()):
            raise ProfileInvalid("cluster spec: scale must map a knob to a sentence about it; nothing was started")


def _check_number(key: "dataclasses.Field[Any]", value: object) -> None:
    whole = key.type in (int, "int")
    name, least, most = key.name, key.metadata["least"], key.metadata["most"]
    if not is_number(value, whole):
        kind = "a whole number" if whole else "a number"
        raise ProfileInvalid(f"cluster spec: {name} must be {kind}, not {value!r}; nothing was started")
    if not least <= value <= most:
        raise ProfileInvalid(
            f"cluster spec: {name} is {value}, allowed are {least} to {most} ({key.metadata['meaning']}); "
            "nothing was started"
        )


def shipped_specs() -> list[str]:
    """Return the names of the specs that come with the package."""
    folder = resources.files("chaoslib_cp.testbed") / "specs"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_spec(name_or_path: str) -> ClusterSpec:
    """Read a shipped spec by its name, or a file by its path.

    Raises:
        ProfileInvalid: there is no such spec, it is no YAML mapping, or a key or value is wrong. Nothing was started.
    """
    if name_or_path in shipped_specs():
        text = (resources.files("chaoslib_cp.testbed") / "specs" / f"{name_or_path}.yaml").read_text()
    else:
        text = _read(Path(name_or_path))
    try:
        keys = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        words = str(error).replace("\n", " ")
        raise ProfileInvalid(f"cluster spec {name_or_path}: no YAML: {words}; nothing was started") from error
    return _from_mapping(keys, name_or_path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped_specs())
        raise ProfileInvalid(
            f"cluster spec {path}: cannot be read ({error}); nothing was started; name a file or one of: {known}"
        ) from error


def _from_mapping(keys: object, source: str) -> ClusterSpec:
    if not isinstance(keys, dict):
        raise ProfileInvalid(f"cluster spec {source}: not a mapping of keys to values; nothing was started")
    known = {key.name for key in dataclasses.fields(ClusterSpec)} - {"name"}
    unknown = sorted(str(key) for key in keys if key not in known)
    if unknown:
        raise ProfileInvalid(
            f"cluster spec {source}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}; "
            "nothing was started"
        )
    return ClusterSpec(name=Path(source).stem, **keys)
