"""Limits of containers become control groups of their own, and go with the container."""

from pathlib import Path

from chaoslib_cp.testbed.cgroups import CgroupTree, Limits
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.limits import ContainerLimits, Group, limits_of


def test_kubelet_figures_are_translated() -> None:
    """170Mi and half a core, as the kubelet writes them; zero is no limit."""
    asked = api.LinuxContainerResources(cpu_period=100_000, cpu_quota=50_000, memory_limit_in_bytes=170 * 1024**2)
    assert limits_of(asked) == Limits(cpu_cores=0.5, memory_mib=170)
    assert limits_of(api.LinuxContainerResources(cpu_shares=102)) == Limits()


def test_group_is_made_beside_the_nodes_and_removed(tmp_path: Path) -> None:
    """One folder for each container, named after node and container; none is left."""
    for controller in ("cpu", "cpuacct", "memory"):
        (tmp_path / controller).mkdir()
    limits = ContainerLimits(CgroupTree("testbed", "v1", tmp_path), "worker-1")
    group = limits.set_up("abc", api.LinuxContainerResources(memory_limit_in_bytes=64 * 1024**2))
    assert (tmp_path / "memory" / "testbed" / "worker-1-abc").is_dir()
    group.remove()
    assert not list((tmp_path / "memory" / "testbed").iterdir())


def test_memory_kills_are_seen_in_both_kinds_of_groups(tmp_path: Path) -> None:
    """Version 1 counts in memory.oom_control, version 2 in memory.events."""
    for name, text in (("memory.oom_control", "under_oom 0\noom_kill 2\n"), ("memory.events", "oom 1\noom_kill 1\n")):
        folder = tmp_path / name
        folder.mkdir()
        assert not Group([folder / "cgroup.procs"]).was_out_of_memory()
        (folder / name).write_text(text)
        assert Group([folder / "cgroup.procs"]).was_out_of_memory()


def test_without_control_groups_containers_run_unlimited() -> None:
    """Nothing is made, joined or counted."""
    group = ContainerLimits(None, "worker-1").set_up("abc", api.LinuxContainerResources(memory_limit_in_bytes=1))
    group.join(1)
    assert not group.was_out_of_memory()
    group.remove()
