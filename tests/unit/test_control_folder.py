"""Where a run keeps its files, and that one run at a time works on a cluster."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.control.folder import RunLock, make_run_dir, run_name
from chaoslib_cp.errors import TargetRefused

UID = "7b5d0b4e-2f2f-4f6a-9a3e-000000000001"


def test_a_run_is_named_by_its_file_or_its_title() -> None:
    """The extension block names the run; without it the title does, fit for a file name and a label."""
    named = {"title": "T", "extensions": [{"name": "other"}, {"name": "chaoslib_cp", "run_name": "openai-2024-12-11"}]}
    assert run_name(named) == "openai-2024-12-11"
    assert run_name({"title": "Ünusual / title: with ../../ in it " + "x" * 80}).startswith("nusual-title-with-in-it-")
    assert len(run_name({"title": "x" * 200})) <= 37
    assert run_name({"title": "!!!"}) == "experiment"


def test_two_runs_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """A folder is never shared."""
    first = make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")
    second = make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")
    assert (first.name, second.name) == ("20241211T151200Z-x", "20241211T151200Z-x-2")


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    """A file in the way is named; nothing was changed."""
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    with pytest.raises(TargetRefused, match=r"cannot make .*runs.*nothing was changed"):
        make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")


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
        "import pathlib, sys, os, signal; from chaoslib_cp.control.folder import RunLock; "
        "RunLock(pathlib.Path(sys.argv[1]), sys.argv[2]).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), UID], check=False, timeout=30)
    RunLock(tmp_path, UID).take()


@pytest.mark.parametrize("name", ["日本", "--", None, ""])
def test_a_name_of_which_nothing_is_left_does_not_name_a_run(name: object) -> None:
    """A run id that ends in a dash is no value of a label: every object would be refused."""
    blocks = [{"name": "chaoslib_cp", "run_name": name}]
    assert run_name({"title": "T", "extensions": blocks}) == "t"
    assert run_name({"title": "T", "extensions": [*blocks, {"name": "chaoslib_cp", "run_name": "x"}]}) == "x"


def test_other_extensions_and_empty_names_do_not_name_a_run() -> None:
    """Only our own block counts, and only if it says something."""
    assert run_name({"title": "T x", "extensions": None}) == "t-x"
    assert run_name({"title": "T", "extensions": [{"name": "other", "run_name": "o"}, {"name": "chaoslib_cp"}]}) == "t"
    assert run_name({}) == "experiment"
    assert run_name({"title": "a" * 36 + " b"}) == "a" * 36


def test_the_folder_of_a_run_is_absolute_wherever_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activities may change the working directory."""
    monkeypatch.chdir(tmp_path)
    assert make_run_dir(Path("runs"), "x", "1") == tmp_path / "runs" / "1-x"


def test_a_tenth_run_in_one_second_is_refused(tmp_path: Path) -> None:
    """Something starts runs in a loop."""
    names = [make_run_dir(tmp_path, "x", "1").name for _ in range(9)]
    assert names == ["1-x", *(f"1-x-{number}" for number in range(2, 10))]
    with pytest.raises(TargetRefused, match="nine runs of x"):
        make_run_dir(tmp_path, "x", "1")


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
