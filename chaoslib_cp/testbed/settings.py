"""What the testbed's driver can read and set while it runs: the CPU quota of its API servers."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.infrastructure.setting import API_SERVER_CPU_CORES, UNLIMITED, Value
from chaoslib_cp.testbed.cgroups import NOT_ENFORCED, CgroupTree
from chaoslib_cp.testbed.inside import ready_state
from chaoslib_cp.testbed.instance import Instance

_API_SERVERS: Final = "kube-apiserver-"


def read_setting(testbed: str, name: str, cluster_uid: str) -> Value:
    """Read one setting.

    Args:
        testbed: Name of the testbed.
        name: Name of the setting, one of ``SETTINGS``.
        cluster_uid: UID of the cluster that is meant.

    Raises:
        TestbedFailed: The testbed is not up, is another cluster, or limits nothing.
    """
    return _read(_groups(testbed, name, cluster_uid))


def set_setting(testbed: str, name: str, value: Value, expected: Value, cluster_uid: str) -> Value:
    """Set one setting where it is as expected.

    Returns:
        What it is then.

    Raises:
        TestbedFailed: As above; nothing was changed.
    """
    groups = _groups(testbed, name, cluster_uid)
    with _alone(testbed):
        if _read(groups) == expected:
            for component in groups.components(_API_SERVERS):
                groups.limit_cpu(component, None if value == UNLIMITED else float(value))
        return _read(groups)


def _groups(testbed: str, name: str, cluster_uid: str) -> CgroupTree:
    state = ready_state(testbed)
    if state.get("cluster_uid") != cluster_uid:
        raise TestbedFailed(
            f"testbed {testbed} is cluster {state.get('cluster_uid')}, meant is {cluster_uid}; nothing was changed"
        )
    if name != API_SERVER_CPU_CORES.name:
        raise TestbedFailed(f"the testbed has no setting {name!r}; nothing was changed")
    if state.get("cgroups") == "none":
        raise TestbedFailed(f"{name} cannot be set: {NOT_ENFORCED}; nothing was changed")
    return CgroupTree(Instance(testbed).cgroup_name, str(state.get("cgroups")))


def _read(groups: CgroupTree) -> Value:
    found = {groups.cpu_cores(component) for component in groups.components(_API_SERVERS)}
    if len(found) != 1:
        raise TestbedFailed(f"the API servers have {len(found)} quotas, not one; nothing was changed; set them alike")
    cores = found.pop()
    return UNLIMITED if cores is None else cores


@contextmanager
def _alone(testbed: str) -> Iterator[None]:
    """Nobody else compares and sets in between."""
    with (Instance(testbed).folder / "settings.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
