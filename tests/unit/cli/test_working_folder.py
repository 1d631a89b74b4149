"""`chaos cp` works from any folder and for any user, or says in one line what it needs."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from tests.scaffold.traps import lay_traps
from tests.unit.test_inheritance import unknown

CHAOS = Path(sys.executable).with_name("chaos")


def chaos(*arguments: str, cwd: str | Path, state: Path) -> "subprocess.CompletedProcess[str]":
    """Run the `chaos` command as a person would, in a folder."""
    environment = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "CHAOSLIB_CP_TESTBED")}
    return subprocess.run(
        [CHAOS, "--no-version-check", *arguments],
        cwd=cwd,
        env={**environment, "XDG_STATE_HOME": str(state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("command", "code"), [("recover", 0), ("status", 1), ("down", 0)])
def test_a_folder_that_cannot_be_written_to_will_do(command: str, code: int, tmp_path: Path) -> None:
    """`chaos` wants to write its log there; nobody may make a file in /proc, not even root."""
    done = chaos("cp", command, cwd="/proc", state=tmp_path)
    assert done.returncode == code, done.stderr
    assert "log" not in done.stderr


def test_a_log_of_somebody_else_s_is_no_obstacle(tmp_path: Path) -> None:
    """It is a folder here, so that root cannot write it either."""
    (tmp_path / "chaostoolkit.log").mkdir()
    done = chaos("cp", "recover", cwd=tmp_path, state=tmp_path / "state")
    assert (done.returncode, done.stdout, done.stderr) == (0, "healed: nothing to undo\n", "")


def test_a_folder_that_is_gone_will_do(tmp_path: Path) -> None:
    """As one of a job that has cleaned up before it recovers."""
    gone = tmp_path / "gone"
    gone.mkdir()
    enter = f"cd {gone} && rmdir {gone} && exec {CHAOS} --no-version-check cp recover"
    done = subprocess.run(
        ["sh", "-c", enter],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "healed: nothing to undo\n", "")


def test_a_folder_full_of_traps_will_do(tmp_path: Path) -> None:
    """Its files are named as Python's own modules and as those of our libraries."""
    lay_traps(tmp_path)
    done = chaos("cp", "recover", cwd=tmp_path, state=tmp_path / "state")
    assert (done.returncode, done.stdout) == (0, "healed: nothing to undo\n"), done.stderr


def test_where_a_log_can_be_written_it_is(tmp_path: Path) -> None:
    """What Chaos Toolkit does elsewhere is not changed."""
    assert chaos("cp", "recover", cwd=tmp_path, state=tmp_path / "state").returncode == 0
    assert (tmp_path / "chaostoolkit.log").read_text()


@pytest.mark.parametrize("options", [(), ("--verbose",)])
def test_a_run_is_refused_where_it_could_leave_nothing(options: tuple[str, ...], tmp_path: Path) -> None:
    """In one line and before it is played, for its journal would be lost."""
    run = chaos(*options, "run", "cp", cwd="/proc", state=tmp_path)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        "Error: chaos run writes chaostoolkit.log, journal.json and runs/ to the folder it is started in, and cannot; "
        "nothing was done; start it in a folder that you may write to\n"
    )


def test_a_run_whose_log_goes_elsewhere_is_not_refused(tmp_path: Path) -> None:
    """Whoever says where the log goes may have said where the journal goes, too."""
    run = chaos(f"--log-file={tmp_path / 'log'}", "run", "none.json", cwd="/proc", state=tmp_path)
    assert "none.json" in run.stdout + run.stderr
    assert "cannot; nothing was done" not in run.stderr


@pytest.mark.parametrize("home", ["", "relative"])
@pytest.mark.parametrize("command", ["recover", "status", "doctor", "up", "down", "env", "programs"])
def test_a_user_without_a_home_is_told_what_to_set(command: str, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a user id of its own: one line, nothing is put anywhere."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "KUBECONFIG", "CHAOSLIB_CP_BIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    done = CliRunner().invoke(cp, [command])
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: user ")
    assert "nothing was changed; set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME, to a folder of yours" in line
