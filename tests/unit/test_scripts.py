"""What `make` stands on: the right Python is found, and no system program that a testbed needs is forgotten."""

import re
import subprocess
import sys
from pathlib import Path

from chaoslib_cp.testbed import doctor
from tests.places import ROOT

SCRIPTS = ROOT / "scripts"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def program(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def find_python(tmp_path: Path, *versions: str) -> "subprocess.CompletedProcess[str]":
    """Run find-python where only what the test made can be found."""
    return subprocess.run(
        [SCRIPTS / "find-python", *versions],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_shim_that_only_fails_is_passed_over(tmp_path: Path) -> None:
    """A version manager's shim comes first on PATH and fails; the interpreter it hides is found."""
    program(tmp_path / "bin" / f"python{VERSION}", "echo 'no such version is active' >&2; exit 127")
    program(
        tmp_path / "pyenv" / "versions" / f"{VERSION}.0" / "bin" / f"python{VERSION}", f'exec {sys.executable} "$@"'
    )
    assert Path(find_python(tmp_path, VERSION).stdout.strip()).samefile(sys.executable)


def test_no_python_is_said_with_the_command(tmp_path: Path) -> None:
    """Where no version works the answer is one line, and what to install."""
    ended = find_python(tmp_path, "3.99")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "apt-get install python3-venv" in ended.stderr


def test_make_and_doctor_know_the_same_programs() -> None:
    """What `make` installs is what the doctor looks for; dig is for people, no testbed needs it."""
    listed = re.search(r"<<'LIST'\n(.*?)^LIST$", (SCRIPTS / "system-packages").read_text(), re.MULTILINE | re.DOTALL)
    assert listed
    installed = {line.split()[0] for line in listed.group(1).splitlines()} - {"dig"}
    assert installed == {"ip", "nft", "bwrap", "unshare", "nsenter"}
    assert installed <= {check["name"] for check in doctor.examine()}
