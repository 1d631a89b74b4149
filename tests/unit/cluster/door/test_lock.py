"""One run at a time works on a cluster: the kernel lets go of its lock when its process ends, however it ends."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.cluster.door.lock import RunLock, locks_folder, process_using
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.state import state_root

UID = "7b5d0b4e-2f2f-4f6a-9a3e-000000000001"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_second_run_is_told_who_has_the_cluster(tmp_path: Path) -> None:
    """The refusal names the process; another cluster is free; after the release so is this one."""
    holder = RunLock(tmp_path, UID)
    holder.take()
    with pytest.raises(TargetRefused, match=r"another run \(process \d+\) works on this cluster"):
        RunLock(tmp_path, UID).take()
    RunLock(tmp_path, "another").take()
    holder.release()
    RunLock(tmp_path, UID).take()


def test_a_lock_that_says_nonsense_is_held_all_the_same(tmp_path: Path) -> None:
    """Its holder is told as it stands there; nobody there is told as unknown."""
    holder = RunLock(tmp_path, UID)
    holder.take()
    for content, says in ((b"\xff\n", r"\(process \ufffd\)"), (b"", r"\(process unknown\)")):
        (tmp_path / f"{UID}.lock").write_bytes(content)
        with pytest.raises(TargetRefused, match=says):
            RunLock(tmp_path, UID).take()
    holder.release()
    holder.release()


def test_a_run_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    """The kernel lets go of the lock with the process."""
    code = (
        "import pathlib, sys, os, signal; from chaoslib_cp.cluster.door.lock import RunLock; "
        "RunLock(pathlib.Path(sys.argv[1]), sys.argv[2]).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), UID], check=False, timeout=30)
    RunLock(tmp_path, UID).take()


def test_the_lock_says_who_has_it_to_this_user_alone(tmp_path: Path) -> None:
    """`recover` reads the number, also after a longer one stood there."""
    path = tmp_path / "state" / "locks" / f"{UID}.lock"
    lock = RunLock(path.parent, UID)
    lock.take()
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TargetRefused, match=rf"process {os.getpid()}\) works"):
        RunLock(path.parent, UID).take()
    assert len(os.listdir("/proc/self/fd")) == files
    lock.release()
    lock.release()
    path.write_text("9" * 30)
    lock.take()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_letting_go_of_a_lock_that_was_never_taken_closes_nothing(tmp_path: Path) -> None:
    """A run that was refused before it took the lock ends like any other."""
    before = os.listdir("/proc/self/fd")
    RunLock(tmp_path, UID).release()
    assert os.listdir("/proc/self/fd") == before


def test_a_lock_without_a_name_in_it_is_a_lock_all_the_same(tmp_path: Path) -> None:
    """Its holder is about to write it."""
    with (tmp_path / f"{UID}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TargetRefused, match=r"process unknown\) works"):
            RunLock(tmp_path, UID).take()


@pytest.mark.parametrize("in_the_way", ["link", "file"])
def test_a_lock_that_cannot_be_made_refuses_the_run(tmp_path: Path, in_the_way: str) -> None:
    """Somebody's file behind a link is not written to."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    if in_the_way == "link":
        (tmp_path / f"{UID}.lock").symlink_to(theirs)
    folder = tmp_path if in_the_way == "link" else theirs
    with pytest.raises(TargetRefused, match=r"cannot lock .*nothing was changed"):
        RunLock(folder, UID).take()
    assert theirs.read_text() == "theirs"


def test_who_uses_a_cluster_is_told_by_its_lock() -> None:
    """Nobody without a lock file, with a free one, or behind a link."""
    lock = state_root() / "locks" / "u.lock"
    assert process_using("u") == ""
    lock.parent.mkdir(parents=True)
    lock.write_text("12345\n")
    assert process_using("u") == ""
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert process_using("u") == "12345"
        (lock.parent / "link.lock").symlink_to(lock)
        assert process_using("link") == ""
        file.truncate(0)
        assert process_using("u") == "unknown"
        lock.write_bytes(b"\xff")
        assert process_using("u") == "\ufffd"
        lock.write_text(f"{os.getpid()}\n")
        assert process_using("u") == str(os.getpid()), "each container has its own process 1"
    for _ in range(3):
        assert process_using("u") == ""


def test_a_process_is_no_other_to_itself() -> None:
    """Its own run may look, and from its end on anybody is another again."""
    lock = RunLock(locks_folder(), "u")
    lock.take()
    assert process_using("u") == ""
    assert process_using("other") == ""
    lock.release()
    with (locks_folder() / "u.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert process_using("u") == str(os.getpid())


def test_asking_who_uses_a_cluster_leaves_the_lock_free() -> None:
    """`recover` asks many times, in one process."""
    lock = state_root() / "locks" / "u.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    process_using("u")
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    assert subprocess.run([sys.executable, "-c", code, str(lock)], check=False, timeout=30).returncode == 0
