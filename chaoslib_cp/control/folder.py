"""Where a run keeps its files, and the lock that lets one run at a time work on a cluster."""

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.control.extension import own_blocks
from chaoslib_cp.errors import TargetRefused

_NAME_CHARACTERS = 37  # with time and random part in front, a run id fits a label value of 63 characters


def run_name(experiment: Mapping[str, Any]) -> str:
    """Name a run after its experiment: ``run_name`` of our extension block, else the title in short."""
    for block in own_blocks(experiment):
        name = _slug(str(block.get("run_name") or ""))
        if name:
            return name
    return _slug(str(experiment.get("title", ""))) or "experiment"


def make_run_dir(root: Path, name: str, started_at: str) -> Path:
    """Make ``root/<time>-<name>``, a new folder even when two runs start in one second.

    Args:
        root: Usually ``runs`` in the working directory.
        name: From ``run_name``.
        started_at: UTC time and something random, as ``20241211T151200Z-0f1e2d``.

    Raises:
        TargetRefused: The folder cannot be made; nothing was changed.
    """
    for suffix in ("", *(f"-{number}" for number in range(2, 10))):
        folder = root / f"{started_at}-{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise TargetRefused(
                f"cannot make {folder}: {error.strerror}; nothing was changed; free the path"
            ) from error
        return folder.absolute()
    raise TargetRefused(f"nine runs of {name} started in one second below {root}; nothing was changed; try again")


class RunLock:
    """Held while a run works on one cluster; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path, cluster_uid: str) -> None:
        self._path = folder / f"{_slug(cluster_uid)}.lock"
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
            owner = os.pread(handle, 32, 0).decode(errors="replace").strip()
            os.close(handle)
            raise TargetRefused(
                f"another run (process {owner or 'unknown'}) works on this cluster; nothing was changed; wait for it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let go of the lock; does nothing without one."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_NAME_CHARACTERS].strip("-")
