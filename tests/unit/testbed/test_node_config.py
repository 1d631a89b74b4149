"""A node's configuration file is read strictly."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.node.config import load

KEYS: dict[str, Any] = {
    "node": "worker-1",
    "index": 1,
    "node_ip": "172.18.0.21",
    "pod_cidr": "10.244.1.0/24",
    "bridge": "br0",
    "gateway": "10.244.0.1",
    "cluster_dns": "10.244.1.53",
    "cluster_domain": "cluster.local",
    "resolv_conf": "/c/resolv.conf",
    "kubeconfig": "/c/worker-1.kubeconfig",
    "client_ca": "/c/ca.crt",
    "folder": "/n",
    "logs": "/l",
    "programs": "/p",
    "labels": {},
    "rootless": False,
}


def _write(folder: Path, keys: object) -> Path:
    path = folder / "node.json"
    path.write_text(json.dumps(keys))
    return path


def test_keys_of_the_supervisor_are_enough(tmp_path: Path) -> None:
    """Images and limits are optional: a node without them can run nothing, but it can run."""
    node = load(_write(tmp_path, KEYS))
    assert (node.node, node.images, node.cgroup_tree) == ("worker-1", {}, "")


def test_missing_and_unknown_keys_are_named(tmp_path: Path) -> None:
    """A typing error is not ignored."""
    keys = {**KEYS, "node_ipp": "172.18.0.21"}
    del keys["node_ip"]
    with pytest.raises(TestbedFailed, match="node_ipp, node_ip"):
        load(_write(tmp_path, keys))


def test_unknown_kind_of_image_is_named(tmp_path: Path) -> None:
    """Before anything starts."""
    with pytest.raises(TestbedFailed, match="'layers'"):
        load(_write(tmp_path, {**KEYS, "images": {"x:1": {"kind": "layers"}}}))


def test_unreadable_file_is_one_line(tmp_path: Path) -> None:
    """No file, or no JSON: what and where."""
    with pytest.raises(TestbedFailed, match="nothing was started"):
        load(tmp_path / "missing.json")
    (tmp_path / "half.json").write_text('{"node": ')
    with pytest.raises(TestbedFailed, match=r"half\.json"):
        load(tmp_path / "half.json")
