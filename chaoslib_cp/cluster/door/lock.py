"""The lock that lets one run at a time work on a cluster, and who has it."""

import fcntl
import os
import re
from pathlib import Path

from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.state import state_root

# Not told by the number in the file: in containers that share a state folder every first process has number 1.
_held_here: set[Path] = set()


class RunLock:
    """Held while a run works on one cluster; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path, cluster_uid: str) -> None:
        self._path = _lock_file(folder, cluster_uid)
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            TargetRefused: Another run on this machine has it; nothing was changed.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise TargetRefused(f"cannot lock {self._path}: {error.strerror}; nothing was changed") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _holder(handle)
            os.close(handle)
            raise TargetRefused(
                f"another run (process {owner}) works on this cluster; nothing was changed; wait for it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        _held_here.add(self._path)

    def release(self) -> None:
        """Let go of the lock; does nothing without one."""
        if self._handle is not None:
            _held_here.discard(self._path)
            os.close(self._handle)
            self._handle = None


def process_using(cluster_uid: str) -> str:
    """Which other living process plays a run on a cluster: its number, or empty.

    The control holds the lock of a cluster while it plays a run; the kernel frees it when
    the process dies, so a lock that is held means that somebody still works there.
    """
    path = _lock_file(locks_folder(), cluster_uid)
    if path in _held_here:
        return ""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        # shared: others who only look at the same moment must not take each other for the holder
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(handle)
    else:
        return ""
    finally:
        os.close(handle)


def locks_folder() -> Path:
    """Where the locks of all clusters lie."""
    return state_root() / "locks"


def _lock_file(folder: Path, cluster_uid: str) -> Path:
    return folder / f"{re.sub(r'[^A-Za-z0-9-]+', '-', cluster_uid)}.lock"


def _holder(handle: int) -> str:
    """Number of the process that has the lock, as it wrote it."""
    return os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
