"""A testbed's files and processes are found by name."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.errors import ProfileInvalid, TestbedFailed
from chaoslib_cp.testbed import commands
from chaoslib_cp.testbed.instance import SUPERVISOR_MODULE, Instance, around_us
from tests.fakes import process_1


@pytest.fixture(autouse=True)
def _own_state_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "../x", "a" * 21, "a b", "a\n"])
def test_names_that_are_no_folder_or_cgroup_are_refused(name: str) -> None:
    """A name becomes part of paths, so anything but plain words is refused."""
    with pytest.raises(ProfileInvalid, match="nothing was done"):
        Instance(name)


def test_two_users_may_choose_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control groups are shared by the whole machine: the same name in another state folder means another group."""
    mine = Instance("same").cgroup_name
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert Instance("same").cgroup_name != mine


def test_a_testbed_of_another_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a home folder: its supervisor is not among our processes, but it holds its lock."""
    monkeypatch.setattr(commands, "GONE_WITHIN_S", 0.0)
    instance = Instance("theirs")
    instance.folder.mkdir(parents=True)
    instance.plan_file.write_text("{}")
    with instance.plan_file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TestbedFailed, match=r"shares .*nothing was changed; take it down there"):
            commands.down("theirs")
        assert instance.plan_file.exists()
    commands.down("theirs")
    assert not instance.folder.exists()


def test_state_is_read_back_as_written() -> None:
    """What the supervisor writes is what a command reads."""
    instance = Instance("mine")
    instance.folder.mkdir(parents=True)
    instance.write_state({"phase": "ready", "steps": []})
    assert instance.read_state() == {"phase": "ready", "steps": []}


def test_no_state_file_is_no_error() -> None:
    """A testbed that was never up has no state."""
    assert Instance("mine").read_state() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "\x00\x01"])
def test_damaged_state_names_the_way_out(text: str) -> None:
    """A corrupt state file is named together with the command that clears it."""
    instance = Instance("mine")
    instance.folder.mkdir(parents=True)
    instance.state_file.write_text(text)
    with pytest.raises(TestbedFailed, match="chaos cp down --name mine"):
        instance.read_state()


def test_supervisor_is_found_by_its_command_line_and_by_nothing_else() -> None:
    """A foreign process never counts as a supervisor, not even one of another testbed."""
    mine, other = Instance("mine"), Instance("other")
    program = "import sys; print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, SUPERVISOR_MODULE, str(mine.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before it has started, its command line is empty
        assert mine.supervisor_pids() == [process.pid]
        assert mine.inside_pid() == process.pid
        assert other.supervisor_pids() == []
        process.terminate()
    assert mine.supervisor_pids() == []
    assert os.getpid() not in mine.supervisor_pids()


def test_inside_is_told_by_process_1_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable that was exported outside nor one that `sudo` took away changes where a process is."""
    mine, other = Instance("mine"), Instance("other")
    monkeypatch.setenv("CHAOSLIB_CP_TESTBED", "mine")
    assert (around_us(), mine.is_around_us()) == (None, False)
    monkeypatch.delenv("CHAOSLIB_CP_TESTBED")
    process_1.started_as([SUPERVISOR_MODULE, str(mine.folder)], tmp_path, monkeypatch)
    assert (around_us(), mine.is_around_us(), other.is_around_us()) == (mine, True, False)
    process_1.started_as([SUPERVISOR_MODULE, "/elsewhere/testbed/mine"], tmp_path, monkeypatch)
    assert (around_us(), mine.is_around_us()) == (None, False)
