"""`chaos cp up` and what may stand in its way, with a supervisor that only pretends."""

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaoslib_cp.cli import cp
from chaoslib_cp.testbed import commands
from chaoslib_cp.testbed.instance import Instance
from tests.fakes import supervisor
from tests.scaffold.waiting import until

# `chaos cp up` leaves its supervisor running on purpose; here the process that started it goes on
pytestmark = pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning")

FAILS_WHEN_TOLD = """say() { echo "$1" > "$folder/state.new"; mv "$folder/state.new" "$folder/state.json"; }
say '{"phase": "starting", "steps": []}'
while [ ! -e "$folder/fail" ]; do sleep 0.05; done
say '{"phase": "failed", "steps": [], "error": "out of luck"}'
exit 1"""
LOCAL_FLOCK = fcntl.flock


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine where testbeds come up at once; its own is taken down in the end."""
    supervisor.install(tmp_path / "machine", monkeypatch)
    yield tmp_path / "machine"
    commands.down("mine")


def chaos_cp(*arguments: str) -> Result:
    """Run a command on the testbed of these tests."""
    return CliRunner().invoke(cp, [*arguments, "--name", "mine"])


def nfs_flock(descriptor: int, operation: int) -> None:
    """Lock as the kernel does on NFS: by a byte-range lock, which wants the access that it guards (flock(2))."""
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    is_writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    if is_file and operation & fcntl.LOCK_EX and not is_writable:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    LOCAL_FLOCK(descriptor, operation)


def test_a_home_folder_on_nfs_will_do(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up, held for all the world to see, and down: each lock is one that NFS gives."""
    plan = machine / "state" / "chaoslib-cp" / "testbed" / "mine" / "supervisor.json"
    with monkeypatch.context() as on_nfs:
        on_nfs.setattr(fcntl, "flock", nfs_flock)
        up = chaos_cp("up", "small")
        assert up.exit_code == 0, up.output
        with plan.open("rb") as seen, pytest.raises(BlockingIOError):
            fcntl.flock(seen.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        down = chaos_cp("down")
        assert down.exit_code == 0, down.output
    assert not plan.exists()


def test_a_wrong_archive_stops_before_anything_starts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by option or variable: a file that is not what is pinned is one line, and nothing was started."""
    monkeypatch.delenv("CHAOSLIB_CP_BIN")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine / "cache"))
    archive = machine / "old.tgz"
    archive.touch()
    said = [chaos_cp("up", "small", "--archive", str(archive))]
    monkeypatch.setenv("CHAOSLIB_CP_ARCHIVE", str(archive))
    said.append(chaos_cp("up", "small"))
    for result in said:
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "old.tgz (SHA-512 cf83e1357eefb8bd..) is none of the downloads that are pinned" in result.stderr
    assert not Instance("mine").folder.exists()
    assert not (machine / "cache").exists()


@pytest.mark.parametrize("arguments", [["up", "small"], ["down"]])
def test_a_file_system_without_locks_is_told_in_one_line(
    arguments: list[str], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without locks two commands could meet in one testbed, so nothing is begun."""

    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as without_locks:
        without_locks.setattr(fcntl, "flock", no_locks)
        done = chaos_cp(*arguments)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be locked (No locks available); nothing was changed; set XDG_STATE_HOME" in done.stderr
    assert list((machine / "state" / "chaoslib-cp" / "testbed").iterdir()) == []


def test_limits_that_are_not_enforced_are_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both by `up`, also when it finds a testbed, and by `status`; where limits are enforced, by neither."""
    assert "not enforced" not in chaos_cp("up", "small").output + chaos_cp("status").output
    assert chaos_cp("down").exit_code == 0
    unlimited = supervisor.READY.replace('"steps"', '"cgroups": "none", "steps"')
    supervisor.install(machine / "unlimited", monkeypatch, unlimited)
    try:
        for _ in range(2):
            warned = chaos_cp("up", "small", "--json")
            assert "warning: CPU and memory limits are not enforced: no control group" in warned.stderr
            assert json.loads(warned.stdout)["cgroups"] == "none"
        assert "limits      not enforced: no control group" in chaos_cp("status").stdout
    finally:
        assert chaos_cp("down").exit_code == 0


@pytest.mark.usefixtures("machine")
def test_status_succeeds_only_for_a_testbed_that_can_be_used() -> None:
    """A script may rely on its exit code; one line says what to do, and JSON stays JSON."""
    down = chaos_cp("status")
    assert (down.exit_code, down.stdout) == (1, "")
    assert down.stderr == "Error: testbed mine is not up; run: chaos cp up --name mine\n"
    as_json = chaos_cp("status", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (1, {"name": "mine", "phase": "down"})
    assert chaos_cp("up", "small").exit_code == 0
    assert chaos_cp("status").exit_code == chaos_cp("status", "--json").exit_code == 0
    assert chaos_cp("down").exit_code == 0
    instance = Instance("mine")
    instance.folder.mkdir(parents=True)
    instance.write_state({"phase": "ready"})
    crashed = chaos_cp("status")
    assert (crashed.exit_code, len(crashed.stderr.splitlines())) == (1, 1)
    assert "phase" in crashed.stdout
    assert "testbed mine is crashed, not ready; run: chaos cp down --name mine" in crashed.stderr


def test_another_spec_is_not_taken_for_the_one_that_is_up(machine: Path) -> None:
    """One who asks for another cluster is told that this is not it; the same figures under another name will do."""
    assert chaos_cp("up", "small").exit_code == 0
    pids = Instance("mine").supervisor_pids()
    refused = chaos_cp("up", "as-incident")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
    assert "up with another spec, small, which differs from as-incident in api_server_cpu_cores" in refused.stderr
    assert "nothing was changed; run chaos cp down --name mine first, or use another --name" in refused.stderr
    (machine / "copy.yaml").write_text(resources.files("chaoslib_cp.testbed").joinpath("specs/small.yaml").read_text())
    found = chaos_cp("up", str(machine / "copy.yaml"))
    assert (found.exit_code, "testbed mine is up already" in found.stderr) == (0, True)
    assert Instance("mine").supervisor_pids() == pids


def test_what_an_orphaned_start_leaves_is_told_as_it_is(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `up` was killed, a second one follows the start and sees it fail: the logs are there, and it says so."""
    supervisor.install(machine / "again", monkeypatch, FAILS_WHEN_TOLD)
    folder, command = Instance("mine").folder, [sys.executable, "-m", "chaostoolkit", "cp", "up", "small"]
    with subprocess.Popen([*command, "--name", "mine"], stderr=subprocess.DEVNULL) as first:
        until((folder / "state.json").exists, "its state")
        first.kill()
    with subprocess.Popen([*command, "--name", "mine"], stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr is not None
        assert "is coming up already" in second.stderr.readline()
        early = chaos_cp("env")
        assert (early.exit_code, "testbed mine is starting, not ready; wait for it" in early.stderr) == (1, True)
        assert "chaos cp up --name mine again, which follows it" in early.stderr
        assert "chaos cp down" not in early.stderr
        (folder / "fail").touch()
        said = second.stderr.read()
    assert second.returncode == 1
    assert f"did not come up: out of luck; it was left as it is, its logs are in {folder}/logs" in said
    assert (folder / "logs").is_dir()
    assert chaos_cp("down").exit_code == 0


STRICT = """umask > "$folder/umask"
env > "$folder/environment"
"""


def test_a_hardened_and_proxied_host_is_kept_out(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under a strict umask pods can read their files all the same, and nothing inside knows the host's proxies."""
    supervisor.install(machine / "hardened", monkeypatch, STRICT + supervisor.READY)
    hostile = {"http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "PYTHONSTARTUP", "LC_TIME", "TMPDIR"}
    for name in hostile:
        monkeypatch.setenv(name, str(tmp_path))
    before = os.umask(0o077)
    try:
        up = chaos_cp("up", "small")
    finally:
        os.umask(before)
    assert up.exit_code == 0, up.output
    folder = Instance("mine").folder
    assert int((folder / "umask").read_text(), 8) == 0o022
    found = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())
    assert not hostile & found.keys()
    assert (found["LC_ALL"], found["XDG_STATE_HOME"]) == ("C.UTF-8", str(machine / "hardened" / "state"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert chaos_cp("down").exit_code == 0
