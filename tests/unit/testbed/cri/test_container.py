"""A container's life: its output is logged, its end is told as what it was, it can be stopped and killed."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.bubblewrap import Descriptors
from chaoslib_cp.testbed.cri.container import Container
from chaoslib_cp.testbed.cri.failure import CallFailed
from chaoslib_cp.testbed.cri.images import Image
from chaoslib_cp.testbed.cri.limits import Group
from tests.fakes import bubblewrap
from tests.scaffold.waiting import until

IMAGE = Image("img:1", ("/program",), {})
TERM_IS_IGNORED = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
PATIENCE_S = 20.0


@pytest.fixture
def spawner() -> Iterator[Executor]:
    """One thread that starts containers."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


def _container(folder: Path) -> Container:
    config = api.ContainerConfig(metadata=api.ContainerMetadata(name="main"))
    return Container("0123456789abcdef", "sandbox", config, IMAGE, folder / "logs" / "main" / "0.log")


def _start(container: Container, spawner: Executor, command: str, group: Group | None = None) -> None:
    def build(files: Descriptors) -> list[str]:
        return bubblewrap.argv(files.info, files.block, "sh", "-c", command)

    container.start(spawner, build, group or Group([]))


def _wait_for_end(container: Container) -> None:
    until(lambda: container.state == api.CONTAINER_EXITED, "the end of the container")


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error"), (137, "Error")])
def test_exit_code_and_reason_are_told(tmp_path: Path, spawner: Executor, code: int, reason: str) -> None:
    """The kubelet learns with which status the process ended, and whether that was well."""
    container = _container(tmp_path)
    _start(container, spawner, f"exit {code}")
    _wait_for_end(container)
    status = container.status()
    assert (status.exit_code, status.reason) == (code, reason)
    assert status.created_at <= status.started_at <= status.finished_at


def test_output_is_logged_before_the_end_is_told(tmp_path: Path, spawner: Executor) -> None:
    """Once a container counts as ended, its last words are in its log, each with its stream."""
    container = _container(tmp_path)
    _start(container, spawner, "echo out; echo err >&2; printf unfinished")
    _wait_for_end(container)
    words = sorted(line.split(" ", 1)[1] for line in container.log_path.read_text().splitlines())
    assert words == ["stderr F err", "stdout F out", "stdout F unfinished"]


def test_container_runs_until_it_is_stopped(tmp_path: Path, spawner: Executor) -> None:
    """SIGTERM is enough for a process that heeds it: no waiting for the grace period."""
    container = _container(tmp_path)
    assert container.state == api.CONTAINER_CREATED
    _start(container, spawner, "exec sleep 600")
    assert container.state == api.CONTAINER_RUNNING
    container.stop(grace_s=60)
    assert container.status().exit_code == 128 + 15


def test_grace_period_ends_in_a_kill(tmp_path: Path, spawner: Executor) -> None:
    """A process that ignores SIGTERM is killed when its grace period is over, not before."""
    container = _container(tmp_path)
    _start(container, spawner, TERM_IS_IGNORED)
    until(lambda: "ready" in container.log_path.read_text(), "its first word")
    started_at_s = time.monotonic()
    container.stop(grace_s=0.5)
    assert time.monotonic() - started_at_s >= 0.5
    assert container.status().exit_code == 128 + 9


def test_kill_without_grace_is_a_crash(tmp_path: Path, spawner: Executor) -> None:
    """With no grace period the process is killed at once, as by the kernel; stopping it again does nothing."""
    container = _container(tmp_path)
    _start(container, spawner, TERM_IS_IGNORED)
    container.stop(0)
    container.stop(0)
    assert container.state == api.CONTAINER_EXITED
    assert container.status().exit_code == 128 + 9


def test_a_signal_reaches_the_first_process(tmp_path: Path, spawner: Executor) -> None:
    """It runs on, and does what it does at that signal; after its end a signal is nobody's."""
    container = _container(tmp_path)
    _start(container, spawner, "trap 'echo reloaded' USR1; echo ready; while :; do sleep 0.05; done")
    until(lambda: "ready" in container.log_path.read_text(), "its first word")
    container.signal(signal.SIGUSR1)
    until(lambda: "reloaded" in container.log_path.read_text(), "what it says at the signal")
    assert container.state == api.CONTAINER_RUNNING
    container.stop(0)
    container.signal(signal.SIGUSR1)


def test_program_that_cannot_be_executed_is_a_start_error(tmp_path: Path, spawner: Executor) -> None:
    """A wrong command is told as such, with the words of the program that tried, not as an ordinary exit."""
    container = _container(tmp_path)
    _start(container, spawner, "echo 'bwrap: execvp /nope: No such file or directory' >&2; exit 1")
    _wait_for_end(container)
    status = container.status()
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert "/nope" in status.message


def test_failed_start_says_why(tmp_path: Path, spawner: Executor) -> None:
    """What keeps bubblewrap from starting reaches the caller, and the container never counts as started."""
    container = _container(tmp_path)
    with pytest.raises(CallFailed, match="no such mount"):
        container.start(spawner, lambda _: ["sh", "-c", "echo no such mount >&2; exit 1"], Group([]))
    assert container.state == api.CONTAINER_CREATED


def test_container_that_cannot_join_its_group_never_runs(tmp_path: Path, spawner: Executor) -> None:
    """It would run without limits, and nobody would know of it: its command is not begun, no process is left."""
    container, before = _container(tmp_path), len(os.listdir("/proc/self/fd"))
    gone = Group([tmp_path / "gone" / "cgroup.procs"])
    with pytest.raises(CallFailed, match=r"cannot start the container: .*gone/cgroup.procs"):
        _start(container, spawner, f"touch {tmp_path}/ran", gone)
    assert not Path(f"/proc/{container.pid}").exists()
    assert not (tmp_path / "ran").exists()
    assert container.state == api.CONTAINER_CREATED
    assert len(os.listdir("/proc/self/fd")) == before


def test_stop_in_the_moment_of_the_end_hits_nobody_else(
    tmp_path: Path, spawner: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel gives a closed descriptor's number to the next file, which may stand for another container."""
    _start(container := _container(tmp_path), spawner, TERM_IS_IGNORED)
    [follower] = [thread for thread in threading.enumerate() if thread.name == f"container-{container.identity}"]
    send = signal.pidfd_send_signal
    bystanders: list[int] = []
    with subprocess.Popen(["sleep", "600"]) as bystander:

        def end_first(descriptor: int, number: int) -> None:
            """What stop() asks of the kernel arrives after the end, and after other files were opened."""
            os.kill(container.pid, signal.SIGKILL)
            _wait_for_end(container)
            follower.join(0.5)  # it may have to wait for us, so not for long
            bystanders.extend(os.pidfd_open(bystander.pid) for _ in range(descriptor + 1))
            send(descriptor, number)

        monkeypatch.setattr(signal, "pidfd_send_signal", end_first)
        container.stop(grace_s=0)
        assert bystander.poll() is None
        bystander.terminate()
        assert bystander.wait(PATIENCE_S) == -signal.SIGTERM
    for descriptor in bystanders:
        os.close(descriptor)


def test_container_starts_once(tmp_path: Path, spawner: Executor) -> None:
    """A second start of the same container is refused."""
    container = _container(tmp_path)
    _start(container, spawner, "true")
    with pytest.raises(CallFailed, match="started before"):
        _start(container, spawner, "true")
    _wait_for_end(container)


def test_memory_kill_is_told_apart(tmp_path: Path, spawner: Executor) -> None:
    """A container whose group counted a kill for memory ended as OOMKilled; it joined that group before it ran."""
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    container = _container(tmp_path)
    _start(container, spawner, "kill -9 $$", Group([group / "cgroup.procs"]))
    _wait_for_end(container)
    assert container.status().reason == "OOMKilled"
    assert (group / "cgroup.procs").read_text() == str(container.pid)


def test_no_descriptor_is_left_open(tmp_path: Path, spawner: Executor) -> None:
    """A node starts containers for days: each gives back all its files."""
    _start(first := _container(tmp_path), spawner, "true")
    _wait_for_end(first)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        _start(container := _container(tmp_path), spawner, "true")
        _wait_for_end(container)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before, "no file is left open")
