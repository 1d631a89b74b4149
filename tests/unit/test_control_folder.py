"""Where a run keeps its files, and that one run at a time works on a cluster."""

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
    assert len(run_name({"title": "x" * 200})) <= 44
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


def test_a_run_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    """The kernel lets go of the lock with the process."""
    code = (
        "import pathlib, sys, os, signal; from chaoslib_cp.control.folder import RunLock; "
        "RunLock(pathlib.Path(sys.argv[1]), sys.argv[2]).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), UID], check=False, timeout=30)
    RunLock(tmp_path, UID).take()
