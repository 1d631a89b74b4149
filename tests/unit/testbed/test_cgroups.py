"""Limits are written to the right files, for both kinds of groups, and everything made is removed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.testbed.cgroups import UNLIMITED, CgroupTree, Limits, backend
from chaoslib_cp.testbed.cri.limits import Group
from tests.scaffold.waiting import PATIENCE_S


def _v1(root: Path) -> Path:
    for controller in ("cpu", "cpuacct", "memory"):
        (root / controller).mkdir()
    return root


def _v2(root: Path) -> Path:
    (root / "cgroup.subtree_control").write_text("cpu io memory pids")
    (root / "cgroup.procs").write_text("")
    return root


def _group(parent: Path, *files: str) -> Path:
    """Make a group with the files a kernel would show in it."""
    parent.mkdir(parents=True)
    for name in files:
        (parent / name).write_text("")
    return parent


def test_backend_tells_the_kinds_apart(tmp_path: Path) -> None:
    """Version 1, version 2 with CPU and memory delegated, or none."""
    for name in ("none", "one", "two"):
        (tmp_path / name).mkdir()
    assert backend(tmp_path / "none") == "none"
    assert backend(_v1(tmp_path / "one")) == "v1"
    assert backend(_v2(tmp_path / "two")) == "v2"


def test_v2_without_the_cpu_controller_counts_as_none(tmp_path: Path) -> None:
    """A version 2 tree that only holds hugetlb cannot limit anything we need."""
    (tmp_path / "cgroup.subtree_control").write_text("hugetlb")
    assert backend(tmp_path) == "none"


def test_v1_quota_is_cores_times_period(tmp_path: Path) -> None:
    """0.2 core is 4 of every 20 ms."""
    tree = CgroupTree("bed", "v1", _v1(tmp_path))
    group = _group(tmp_path / "cpu" / "bed" / "api", "cpu.cfs_quota_us", "cpu.cfs_period_us")
    tree.limit("api", Limits(cpu_cores=0.2))
    assert (group / "cpu.cfs_period_us").read_text() == "20000"
    assert (group / "cpu.cfs_quota_us").read_text() == "4000"
    tree.limit("api", UNLIMITED)
    assert (group / "cpu.cfs_quota_us").read_text() == "-1"


@pytest.mark.skipif(backend() == "none", reason="no control group may be made here")
def test_a_memory_limit_below_what_is_in_use_kills() -> None:
    """With both kinds of groups, by the kernel; version 1 alone would refuse such a limit."""
    tree = CgroupTree(f"lowered-{os.getpid()}", backend())
    files = tree.make("hog", Limits(memory_mib=64))
    hog = "import sys; held = bytearray(30 << 20); print(flush=True)\nwhile True: held[::4096] = bytes(30 << 8)"
    process = subprocess.Popen(
        [sys.executable, "-c", hog],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: [file.write_text("0") for file in files] and None,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        tree.limit("hog", Limits(memory_mib=4))
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        assert Group(files).was_out_of_memory()
    finally:
        process.kill()
        process.communicate()
        assert tree.remove() == []


def test_v2_limits(tmp_path: Path) -> None:
    """Version 2 has one file for quota and period, and says max for no limit."""
    tree = CgroupTree("bed", "v2", _v2(tmp_path))
    group = _group(tmp_path / "bed" / "api", "cpu.max", "memory.max")
    tree.limit("api", Limits(cpu_cores=0.5, memory_mib=64))
    assert (group / "cpu.max").read_text() == "10000 20000"
    assert (group / "memory.max").read_text() == str(64 * 1024 * 1024)
    tree.limit("api", UNLIMITED)
    assert (group / "cpu.max").read_text() == "max 20000"


def test_none_makes_nothing(tmp_path: Path) -> None:
    """Without groups a process simply has nothing to join."""
    tree = CgroupTree("bed", "none", tmp_path)
    assert tree.make("api", Limits(cpu_cores=1)) == []
    assert list(tmp_path.iterdir()) == []
    assert tree.cpu_s() == {}


def test_remove_takes_all_of_ours_and_nothing_else(tmp_path: Path) -> None:
    """Only what stands under the testbed's own name goes; doing it twice is fine."""
    tree = CgroupTree("bed", "v1", _v1(tmp_path))
    tree.make("api", UNLIMITED)
    tree.make("etcd", UNLIMITED)
    (tmp_path / "cpu" / "foreign").mkdir()
    assert tree.remove() == []
    assert tree.remove() == []
    assert not (tmp_path / "cpu" / "bed").exists()
    assert (tmp_path / "cpu" / "foreign").exists()


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """A group that still holds something is told, not forgotten."""
    tree = CgroupTree("bed", "v1", _v1(tmp_path))
    busy = _group(tmp_path / "memory" / "bed" / "api", "held")
    assert str(busy) in tree.remove(patience_s=0.05)


@pytest.mark.parametrize(("text", "seconds"), [("usage_usec 1500000\nuser_usec 1", 1.5), ("usage_usec 0", 0.0)])
def test_cpu_seconds_of_a_v2_group(tmp_path: Path, text: str, seconds: float) -> None:
    """CPU time is reported in seconds whatever the kernel counts in."""
    tree = CgroupTree("bed", "v2", _v2(tmp_path))
    (_group(tmp_path / "bed" / "api") / "cpu.stat").write_text(text)
    assert tree.cpu_s() == {"api": seconds}


def test_cpu_seconds_of_a_v1_group_are_not_its_throttled_periods(tmp_path: Path) -> None:
    """Where cpu and cpuacct are mounted apart, only the second counts time."""
    tree = CgroupTree("bed", "v1", _v1(tmp_path))
    (_group(tmp_path / "cpu" / "bed" / "api") / "cpu.stat").write_text("nr_periods 7\nnr_throttled 3")
    (_group(tmp_path / "cpuacct" / "bed" / "api") / "cpuacct.usage").write_text("2500000000")
    assert tree.cpu_s() == {"api": 2.5}


@pytest.mark.parametrize(
    ("kind", "file", "text", "cores"),
    [
        ("v1", "cpu.cfs_quota_us", "8000\n", 0.4),
        ("v1", "cpu.cfs_quota_us", "-1\n", None),
        ("v2", "cpu.max", "8000 20000\n", 0.4),
        ("v2", "cpu.max", "max 20000\n", None),
    ],
)
def test_a_quota_is_read_back_and_changed_alone(
    tmp_path: Path, kind: str, file: str, text: str, cores: float | None
) -> None:
    """As it was set, to the last digit; the memory limit stays."""
    tree = CgroupTree("bed", kind, (_v1 if kind == "v1" else _v2)(tmp_path))
    folder = tmp_path / ("cpu" if kind == "v1" else "") / "bed"
    group = _group(folder / "kube-apiserver-1", file, "cpu.cfs_period_us", "memory.max")
    _group(folder / "etcd")
    (group / file).write_text(text)
    assert tree.components("kube-apiserver-") == ["kube-apiserver-1"]
    assert tree.cpu_cores("kube-apiserver-1") == cores
    assert tree.cpu_cores("none") is None
    for wanted in (0.05, 0.33, 0.1, 64, None):
        tree.limit_cpu("kube-apiserver-1", wanted)
        assert tree.cpu_cores("kube-apiserver-1") == wanted
    assert (group / "memory.max").read_text() == ""
