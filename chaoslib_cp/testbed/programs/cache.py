"""The folder finished programs are kept in, and the promise that nothing half-written is ever in it.

A program is made in ``staging/`` of the same file system, flushed to disk and moved to its name in one step; after
that it is listed in ``finished.json`` with its size. A builder that is killed leaves its finished programs, which
are kept, and a staging folder, which the next one empties: only the holder of the lock works in there.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.state import home_folder
from chaoslib_cp.testbed.programs.pins import Sources
from chaoslib_cp.testbed.programs.progress import SAY_EACH_S, Progress

_STORAGE_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOCK_POLL_S = 0.2


def cache_root() -> Path:
    """Return the library's cache folder: ``$XDG_CACHE_HOME/chaoslib-cp``, by default below ``~/.cache``.

    A relative XDG_CACHE_HOME is ignored (source: XDG Base Directory Specification).

    Raises:
        ProfileInvalid: There is neither that variable nor a home folder; nothing was changed.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named.startswith("/") else home_folder() / ".cache"
    return base / "chaoslib-cp"


def cache_key(sources: Sources, machine: str, go_version: str) -> str:
    """Hash everything that decides what the programs are.

    Args:
        sources: The pins and flags; go.mod and go.sum are read.
        machine: As in GOARCH.
        go_version: Version of the toolchain that builds, such as ``go1.26.8``.

    Returns:
        16 hex digits.
    """
    digest = hashlib.sha256()
    for module in sources.modules:
        digest.update(json.dumps(asdict(module), sort_keys=True).encode())
        for name in ("go.mod", "go.sum"):
            digest.update((sources.gomod / module.folder / name).read_bytes())
    releases = [asdict(release) for release in sources.releases.get(machine, ())]
    digest.update(json.dumps([releases, machine, go_version], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def storage_failure(error: OSError, folder: Path) -> TestbedFailed:
    """Say in one line what is wrong with the place we write to.

    Args:
        error: What the kernel said.
        folder: Where we wrote.

    Returns:
        The error to raise.
    """
    place = error.filename or folder
    if error.errno in _STORAGE_FULL:
        free_mb = free_bytes(folder) // 1_000_000
        return TestbedFailed(f"no space left for {place} ({free_mb} MB free); free some or set XDG_CACHE_HOME")
    return TestbedFailed(f"cannot write {place}: {error.strerror or error}; set XDG_CACHE_HOME to a folder of yours")


def free_bytes(folder: Path) -> int:
    """Free space where ``folder`` is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Cache:
    """One folder of programs, for one set of pins.

    Attributes:
        folder: ``<cache root>/programs/<key>``.
    """

    folder: Path

    @property
    def _record(self) -> Path:
        return self.folder / "finished.json"

    def finished(self) -> dict[str, str]:
        """Return the programs that are whole.

        Returns:
            Name -> where it came from. A program whose size is not the recorded one is left out.
        """
        whole = {}
        for name, entry in self._entries().items():
            with suppress(OSError, KeyError, TypeError):
                if (self.folder / name).stat().st_size == entry["size_bytes"]:
                    whole[name] = str(entry["origin"])
        return whole

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of ``names`` that are not finished, in the same order."""
        finished = self.finished()
        return [name for name in names if name not in finished]

    def install(self, name: str, built: Path, origin: str) -> None:
        """Make a finished program appear under its name, whole or not at all.

        Args:
            name: Name of the program.
            built: The program, on the same file system; it is moved.
            origin: Where it came from, for the record.
        """
        built.chmod(0o755)
        flush(built)
        size_bytes = built.stat().st_size
        built.replace(self.folder / name)
        flush(self.folder)
        entries = {**self._entries(), name: {"size_bytes": size_bytes, "origin": origin}}
        self._write(json.dumps(entries, indent=1, sort_keys=True) + "\n")

    def _write(self, text: str) -> None:
        fresh = self._record.with_suffix(".tmp")
        try:
            fresh.write_text(text, encoding="utf-8")
            flush(fresh)
            fresh.replace(self._record)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        flush(self.folder)

    def _entries(self) -> dict[str, dict[str, object]]:
        try:
            entries = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # never written, or damaged: then nothing is known to be whole, and all is made again
        return entries if isinstance(entries, dict) else {}

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder beside the programs; it is gone afterwards. Hold the lock while in it."""
        folder = self.folder / "staging"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def building_lock(root: Path, progress: Progress) -> Iterator[int]:
    """Hold the machine-wide right to build, waiting for another builder and saying so.

    It is a lock of the kernel (flock): it ends with its holder, however that dies. The file stays; removing a lock
    file would let two builders hold "the" lock.

    Args:
        root: The library's cache folder.
        progress: Told that we wait, and for whom.

    Yields:
        The lock's file descriptor: passed to a compiler, it keeps the lock until that one has died too.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "building.lock").open("a+", encoding="utf-8") as lock:
        reminded_s = None
        while not _try_lock(lock.fileno()):
            now_s = progress.clock.monotonic_s()
            if reminded_s is None or now_s - reminded_s >= SAY_EACH_S:
                reminded_s = now_s
                lock.seek(0)
                progress.line(f"waiting: process {lock.read().strip() or '?'} is already getting the programs")
            time.sleep(_LOCK_POLL_S)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on disk (source: fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
