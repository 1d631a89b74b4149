"""`chaos cp up` and what may stand in its way, with a supervisor that only pretends."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaoslib_cp.cli import cp
from chaoslib_cp.testbed import commands
from tests.fakes import supervisor

# `chaos cp up` leaves its supervisor running on purpose; here the process that started it goes on
pytestmark = pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning")

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
