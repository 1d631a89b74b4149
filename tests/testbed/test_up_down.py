"""Bringing testbeds up and down, also by force, leaves nothing behind; two stand side by side."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.instance import Instance
from tests.scaffold import part
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, UP_WITHIN_S, Testbed, chaos_cp

pytestmark = pytest.mark.testbed
TINY = "fake_nodes: 3\npods_per_fake_node: 1\nkubelet_nodes: 1\ndns_replicas: 1\n"
ROUNDS = part.amount("testbed, up and down: rounds")
READ_ONLY_CGROUPS = """while read -r _ place _; do
    case $place in /sys/fs/cgroup*) mount -o remount,bind,ro "$place" || exit ;; esac
done < /proc/mounts
exec "$@\""""


def _leftovers(name: str) -> list[str]:
    """Return everything on this machine that belongs to a testbed of that name."""
    instance = Instance(name)
    found = [f"file {path}" for path in instance.folder.parent.glob(f"*{name}*")]  # not even a lock file
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(instance.folder).encode() in (entry / "cmdline").read_bytes():
                found.append(f"process {entry.name}")
        except OSError:
            continue
    for folder, _, _ in os.walk("/sys/fs/cgroup"):
        if Path(folder).name == instance.cgroup_name:
            found.append(f"cgroup {folder}")
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(instance.folder) in line]
    return found


def _machine() -> dict[str, list[str]]:
    """Return what a testbed could leave on a machine under any name."""
    return {
        "links": sorted(os.listdir("/sys/class/net")),
        "network namespaces": sorted(os.listdir("/run/netns")) if Path("/run/netns").exists() else [],
        "mounts": sorted(Path("/proc/mounts").read_text().splitlines()),
    }


def _family(pid: int) -> set[int]:
    """Return a process and all that descend from it."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return {pid}.union(*(_family(child) for child in children))


def _namespaces(pids: Iterable[int]) -> set[str]:
    """Return the network, process and mount namespaces that these processes are in."""
    found = set()
    for pid in pids:
        for kind in ("net", "pid", "mnt"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
    return found


def _processes() -> set[tuple[int, str]]:
    """Return process id and start of every process: an id alone may soon be that of another one."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                found.add((int(entry.name), (entry / "stat").read_text().rpartition(")")[2].split()[19]))
    return found


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Write a spec of the smallest cluster and return its path."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def name() -> Iterator[str]:
    """Return an instance name of this test's own and take down what it left."""
    own = f"t{os.getpid()}-{time.monotonic_ns() % 100000}"
    yield own
    chaos_cp("down", "--name", own)


def _up(spec: str, name: str) -> None:
    ended = chaos_cp("up", spec, "--name", name, timeout_s=UP_WITHIN_S)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.proof
@pytest.mark.parametrize("killed", [False, True], ids=["down", "kill -9"])
@pytest.mark.usefixtures("can_run_testbeds")
def test_rounds_leave_nothing(tiny: str, name: str, killed: bool) -> None:
    """After some rounds, in order or with the supervisor killed, the machine is as it was before the first."""
    before = _machine()
    for _ in range(ROUNDS):
        _up(tiny, name)
        supervisors = Instance(name).supervisor_pids()
        family = _family(supervisors[0])
        namespaces = _namespaces(family) - _namespaces([os.getpid()])
        assert len(family) > 15
        assert len(namespaces) > 5
        older = _processes()
        if killed:
            os.kill(supervisors[-1], signal.SIGKILL)
        ended = chaos_cp("down", "--name", name)
        assert ended.returncode == 0, ended.stderr
        assert _leftovers(name) == []
        # a younger process may be another testbed's, in a namespace that has the number of one that is gone
        assert not namespaces & _namespaces(pid for pid, _ in older & _processes())
    assert _machine() == before


@pytest.mark.parametrize("spec", [["small"], []], ids=["the same", "none named"])
def test_second_up_finds_the_first(testbed: Testbed, spec: list[str]) -> None:
    """`up` on a running testbed changes nothing and says so."""
    pids = Instance(testbed.name).supervisor_pids()
    ended = chaos_cp("up", *spec, "--name", testbed.name)
    assert ended.returncode == 0
    assert "is up already" in ended.stderr + ended.stdout
    assert Instance(testbed.name).supervisor_pids() == pids


def test_down_twice_is_fine(name: str) -> None:
    """Taking down what is not up is no error."""
    for _ in range(2):
        assert chaos_cp("down", "--name", name).returncode == 0


@pytest.mark.usefixtures("can_run_testbeds")
def test_interrupted_up_leaves_nothing(tiny: str, name: str) -> None:
    """Ctrl-C in the middle of `up` takes down what was started so far."""
    process = subprocess.Popen(
        [*CHAOS, "cp", "up", tiny, "--name", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until(Instance(name).supervisor_pids, "its supervisor", UP_WITHIN_S)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert _leftovers(name) == []


def test_damaged_state_is_told_and_cleared(name: str) -> None:
    """A corrupt state file: `status` names the way out, `down` goes it."""
    instance = Instance(name)
    instance.folder.mkdir(parents=True)
    instance.state_file.write_text("{")
    status = chaos_cp("status", "--name", name)
    assert status.returncode == 1
    assert f"chaos cp down --name {name}" in status.stderr
    assert chaos_cp("down", "--name", name).returncode == 0
    assert _leftovers(name) == []


def test_two_side_by_side(testbed: Testbed, tiny: str, name: str) -> None:
    """A second testbed has its own addresses, nodes and fate."""
    _up(tiny, name)
    second = Testbed(name, {})
    assert len(second.get("nodes")["items"]) == 4
    assert len(testbed.get("nodes")["items"]) == 42
    assert chaos_cp("down", "--name", name).returncode == 0
    assert testbed.kubectl("get", "--raw", "/readyz") == "ok"


@pytest.mark.usefixtures("can_run_testbeds")
def test_unprivileged(tiny: str, name: str) -> None:
    """Without root's rights, in a user namespace, the same cluster comes up and is entered."""
    up = "from chaoslib_cp.testbed import commands; import sys; commands.up(sys.argv[1], sys.argv[2], print, True)"
    ended = subprocess.run(
        [CHAOS[0], "-c", up, tiny, name], capture_output=True, text=True, timeout=UP_WITHIN_S, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert Testbed(name, {}).kubectl("get", "--raw", "/readyz") == "ok"


@pytest.mark.usefixtures("can_run_testbeds")
def test_without_control_groups_no_quota_is_reported(tiny: str, name: str) -> None:
    """On a machine where none may be made, `up` warns, and the note that each report repeats says the same."""
    as_others_see_it = ["unshare", "--mount", "sh", "-c", READ_ONLY_CGROUPS, "sh"] if os.geteuid() == 0 else []
    up = [*as_others_see_it, *CHAOS, "cp", "up", tiny, "--name", name]
    ended = subprocess.run(up, capture_output=True, text=True, timeout=UP_WITHIN_S, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "warning: CPU and memory limits are not enforced" in ended.stderr
    scale = Testbed(name, {}).get("configmap", "--namespace", "chaoslib-cp", "chaoslib-cp-scale")["data"]["scale.json"]
    assert json.loads(scale)["api_server_cpu_cores"].startswith("0.4 core asked for, but not enforced")
    assert json.loads(scale)["api_server_memory_mib"].startswith("3072 MiB asked for, but not enforced")


def test_nothing_gets_out(testbed: Testbed) -> None:
    """From inside there is no way to the machine's own network: the kernel knows no route."""
    connect = "import socket; print(socket.socket().connect_ex(('192.0.2.1', 80)))"
    assert int(testbed.run(sys.executable, "-c", connect).stdout) == errno.ENETUNREACH


def test_command_inside_gets_signals_and_dies_with_its_caller(testbed: Testbed, tmp_path: Path) -> None:
    """SIGTERM to `chaos cp exec` reaches the command; SIGKILL of it ends the command too."""
    caught = tmp_path / "caught"
    script = f"trap 'echo yes > {caught}; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    command = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(10) == 7
    assert caught.read_text() == "yes\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        # the pipe closes only when the command inside is gone as well
        assert process.stdout.read() == ""


def test_dead_api_server_comes_back(testbed: Testbed) -> None:
    """An API server that is killed is restarted as a kubelet would restart a static pod, and counted."""
    [pid] = testbed.api_server_pids()
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        restarts = json.loads(chaos_cp("status", "--name", testbed.name, "--json").stdout)["components"]
        ready = testbed.run("kubectl", "--context", "break-glass", "get", "--raw", "/readyz")
        return bool(restarts["kube-apiserver-0"]["restarts"]) and ready.stdout == "ok"

    until(is_back, "the API server came back")
