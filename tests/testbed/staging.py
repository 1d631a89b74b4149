"""Causes of an overload, each a real one, on a testbed: what is staged is taken back when its block ends."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.testbed.cgroups import CgroupTree, Limits
from chaoslib_cp.testbed.instance import Instance
from tests.places import ROOT
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed

API_SERVER: Final = "kube-apiserver-0"
ETCD: Final = "etcd"
PODS: Final = "/api/v1/pods?resourceVersion=0"
JSON: Final = "application/json"
YAML: Final = "application/yaml"
_STORM_BEGINS_S: Final = 3.0  # its clients begin one after the other, in a process that must start first
_FLOW: Final = "flowcontrol.apiserver.k8s.io"


@dataclass(frozen=True)
class Storm:
    """Clients of tests/testbed/storm_inside.py."""

    clients: int
    pause_s: float = 0.0
    path: str = PODS
    accept: str = JSON
    who: str = "admin"
    connection: str = "kept"


@dataclass(frozen=True)
class Stage:
    """What is staged, all of it at once.

    Attributes:
        cpu_cores: Quota of the API server; None for none.
        memory_mib: Memory limit of the API server; None for that of the spec. It has some 350 MiB when it is calm; one
            that has more is killed at once, and begins anew.
        etcd_quota_us: CPU time of etcd in each 100 ms, microseconds, 1,000 at least; None for no quota.
        etcd_stops_s: etcd stands still so long, then runs so long, again and again; None for not at all.
        level: Spec of a priority level that users (not ``who`` of a storm alone) are put into; None for none.
        level_users: Who is put there.
        packets: Rules of nft for packets that arrive, each a line.
        pipe: Arguments of tc for the loopback device; empty for none.
        storms: The load.
    """

    cpu_cores: float | None = None
    memory_mib: int | None = None
    etcd_quota_us: int | None = None
    etcd_stops_s: tuple[float, float] | None = None
    level: Mapping[str, Any] | None = None
    level_users: tuple[str, ...] = ("admin",)
    packets: tuple[str, ...] = ()
    pipe: tuple[str, ...] = ()
    storms: tuple[Storm, ...] = field(default=())


@contextmanager
def staged(testbed: Testbed, stage: Stage, folder: Path) -> Iterator[None]:
    """Stage everything for the block; afterwards the API server is well again."""
    with ExitStack() as stack:
        stack.callback(until, lambda: is_well(testbed), "the API server is well again", 60.0)
        stack.enter_context(_limits(testbed, stage))
        if stage.etcd_quota_us:
            stack.enter_context(_etcd_quota(testbed, stage.etcd_quota_us))
        if stage.etcd_stops_s:
            stack.enter_context(_stopping(pid_of(testbed, ETCD), *stage.etcd_stops_s))
        if stage.level is not None:
            stack.enter_context(_level(testbed, stage, folder))
        for storm in stage.storms:
            stack.enter_context(_storm(testbed, storm))
        if stage.packets:
            stack.enter_context(_packets(testbed, stage.packets))
        if stage.pipe:
            stack.enter_context(_pipe(testbed, stage.pipe))
        if stage.storms:
            time.sleep(_STORM_BEGINS_S)
        yield


def is_well(testbed: Testbed) -> bool:
    """Whether an administrator can read."""
    asked = ("kubectl", "--context", "admin", "--request-timeout=2s", "get", "namespace", "default")
    return testbed.run(*asked).returncode == 0


def groups_of(testbed: Testbed) -> CgroupTree:
    """Its control groups."""
    return CgroupTree(Instance(testbed.name).cgroup_name, str(testbed.state["cgroups"]))


def used_cpu_s(testbed: Testbed) -> float:
    """CPU seconds of the API server so far."""
    return groups_of(testbed).cpu_s()[API_SERVER]


def memory_kills(testbed: Testbed) -> int:
    """How often the kernel killed a process of the API server's control group for its memory limit."""
    folder, is_v2 = _group(testbed, "memory", API_SERVER)
    text = (folder / ("memory.events" if is_v2 else "memory.oom_control")).read_text()
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("oom_kill", 0))


def _group(testbed: Testbed, controller: str, component: str) -> tuple[Path, bool]:
    """Folder of a component's control group, and whether it is one of version 2, which has one for all controllers."""
    root, is_v2 = Path("/sys/fs/cgroup"), testbed.state["cgroups"] == "v2"
    return (root if is_v2 else root / controller) / Instance(testbed.name).cgroup_name / component, is_v2


@contextmanager
def _limits(testbed: Testbed, stage: Stage) -> Iterator[None]:
    groups = groups_of(testbed)
    before = groups.cpu_cores(API_SERVER)
    groups.limit_cpu(API_SERVER, stage.cpu_cores)
    if stage.memory_mib is not None:
        groups.limit(API_SERVER, Limits(stage.cpu_cores, stage.memory_mib))
    try:
        yield
    finally:
        groups.limit(API_SERVER, Limits(before, 3072))


@contextmanager
def _etcd_quota(testbed: Testbed, quota_us: int) -> Iterator[None]:
    """Less than the testbed's own quotas can be: those are for a fifth of this period."""
    folder, is_v2 = _group(testbed, "cpu", ETCD)
    files = ["cpu.max"] if is_v2 else ["cpu.cfs_period_us", "cpu.cfs_quota_us"]
    before = {file: (folder / file).read_text() for file in files}
    (folder / files[0]).write_text(f"{quota_us} 100000" if is_v2 else "100000")
    if not is_v2:
        (folder / files[1]).write_text(str(quota_us))
    try:
        yield
    finally:
        for file in reversed(files):
            (folder / file).write_text(before[file])


def pid_of(testbed: Testbed, component: str) -> int:
    """Process id of a component of the testbed, as this machine counts."""
    group = f"/{Instance(testbed.name).cgroup_name}/{component}\n"
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and group in (entry / "cgroup").read_text():
                return int(entry.name)
        except OSError:  # it ended
            continue
    raise AssertionError(f"{component} does not run")


@contextmanager
def _stopping(pid: int, stop_s: float, run_s: float) -> Iterator[None]:
    ended = threading.Event()

    def pulse() -> None:
        while not ended.is_set():
            os.kill(pid, signal.SIGSTOP)
            ended.wait(stop_s)
            os.kill(pid, signal.SIGCONT)
            ended.wait(run_s)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _level(testbed: Testbed, stage: Stage, folder: Path) -> Iterator[None]:
    """A priority level of few seats, and a FlowSchema that puts users there."""
    version = f"{_FLOW}/v1"
    users = [{"kind": "User", "user": {"name": user_of(testbed, who)}} for who in stage.level_users]
    all_ = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    rules = [
        {
            "subjects": users,
            "resourceRules": [all_],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }
    ]
    items = [
        {
            "apiVersion": version,
            "kind": "PriorityLevelConfiguration",
            "metadata": {"name": "staged"},
            "spec": {"type": "Limited", "limited": dict(stage.level or {})},
        },
        {
            "apiVersion": version,
            "kind": "FlowSchema",
            "metadata": {"name": "staged"},
            "spec": {
                "priorityLevelConfiguration": {"name": "staged"},
                "matchingPrecedence": 50,
                "distinguisherMethod": {"type": "ByUser"},
                "rules": rules,
            },
        },
    ]
    file = folder / "level.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    testbed.kubectl("apply", "-f", str(file))
    try:
        yield
    finally:
        testbed.kubectl("delete", "-f", str(file), "--wait=false")


def user_of(testbed: Testbed, who: str) -> str:
    """The user name behind a context."""
    review = json.loads(testbed.kubectl("auth", "whoami", "-o", "json", context=who))
    return str(review["status"]["userInfo"]["username"])


@contextmanager
def _storm(testbed: Testbed, storm: Storm) -> Iterator[None]:
    words = [storm.who, str(storm.clients), "120", str(storm.pause_s), storm.path, storm.accept, storm.connection]
    inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", "python", "-m", "tests.testbed.storm_inside"]
    process = subprocess.Popen([*inside, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _packets(testbed: Testbed, rules: tuple[str, ...]) -> Iterator[None]:
    lines = ["add table ip staged", "add chain ip staged arriving { type filter hook input priority 0; }"]
    lines += [f"add rule ip staged arriving {rule}" for rule in rules]
    for line in lines:
        _in(testbed, "nft", line)
    try:
        yield
    finally:
        _in(testbed, "nft", "delete table ip staged")


@contextmanager
def _pipe(testbed: Testbed, arguments: tuple[str, ...]) -> Iterator[None]:
    _in(testbed, "tc", "qdisc", "add", "dev", "lo", "root", *arguments)
    try:
        yield
    finally:
        _in(testbed, "tc", "qdisc", "del", "dev", "lo", "root")


def _in(testbed: Testbed, *command: str) -> None:
    ended = testbed.run(*command)
    assert ended.returncode == 0, ended.stderr
