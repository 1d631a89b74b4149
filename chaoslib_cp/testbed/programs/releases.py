"""Official releases: only with a pinned checksum, and only what matches it. One may carry several programs."""

import hashlib
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.programs.cache import Cache
from chaoslib_cp.testbed.programs.pins import Release
from chaoslib_cp.testbed.programs.progress import Progress
from chaoslib_cp.testbed.programs.transfer import HostSilent, transfer

WAY = "official releases"
_START_S = 30.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Elsewhere:
    """Where official releases are got from before their official addresses are asked.

    Attributes:
        archives: Downloads that are on this machine already, whatever their files are called.
        mirrors: Addresses that stand for the official hosts: what follows the host in an official address follows one
            of these.
    """

    archives: tuple[Path, ...] = ()
    mirrors: tuple[str, ...] = ()


def recognise(archives: Sequence[Path], releases: Sequence[Release], progress: Progress) -> dict[str, Path]:
    """Find out by their checksums which releases the named archives are.

    Args:
        archives: What the user named.
        releases: What is pinned for this machine.
        progress: Told that something large is being read.

    Returns:
        Checksum of a release -> the archive that is it.

    Raises:
        TestbedFailed: An archive cannot be read, or is none of the pinned ones. Nothing was changed.
    """
    held = {}
    for archive in archives:
        found = _checksums(archive, progress)
        is_release = [release.checksum for release in releases if release.checksum in found]
        if not is_release:
            raise TestbedFailed(_none_of_the_pinned(archive, found[-1], releases))
        held.update(dict.fromkeys(is_release, archive))
    return held


def _checksums(archive: Path, progress: Progress) -> tuple[str, str]:
    """Return SHA-256 and SHA-512 of a file that the user named."""
    try:
        with archive.open("rb") as file, progress.meanwhile(lambda: f"{archive}: reading"):
            return _checksum(file, "sha256"), _checksum(file, "sha512")
    except OSError as error:
        raise TestbedFailed(
            f"{archive} cannot be read: {error.strerror}; nothing was changed; name an official archive that is there, "
            "or none"
        ) from error


def _none_of_the_pinned(archive: Path, checksum: str, releases: Sequence[Release]) -> str:
    largest = max(releases, key=lambda release: len(release.members), default=None)
    wanted = f"download {largest.url}, or name no archive" if largest else "name no archive"
    return (
        f"{archive} (SHA-512 {checksum[:16]}..) is none of the downloads that are pinned for this machine; nothing was "
        f"changed; {wanted}"
    )


@dataclass(frozen=True)
class Downloader:
    """One run of the way over official releases.

    Attributes:
        releases: What is pinned for this machine.
        held: Checksum -> a file on this machine that has it.
        mirrors: As in :class:`Elsewhere`.
        cache: Where finished programs go; its lock is held.
        progress: Told what happens.
    """

    releases: Sequence[Release]
    held: Mapping[str, Path]
    mirrors: Sequence[str]
    cache: Cache
    progress: Progress
    _silent: set[str] = field(default_factory=set)

    def download(self, names: Sequence[str]) -> None:
        """Get and install what is pinned of ``names``, each release once; what fails is told in a line each.

        Args:
            names: Programs that are missing.

        Raises:
            OSError: The cache folder cannot be written. What was installed stays.
        """
        pinned = {name for release in self.releases for name in release.members}
        if left := [name for name in names if name not in pinned]:
            self._failed(f"no published checksum is known for {', '.join(left)}")
        for release in self.releases:
            if wanted := [name for name in release.members if name in names]:
                with self.cache.staging() as staging:
                    self._get(release, wanted, staging)

    def _get(self, release: Release, wanted: Sequence[str], staging: Path) -> None:
        archive = self._found(release, staging / "download")
        if archive:
            try:
                self._install(archive, release, wanted, staging)
            except (tarfile.TarError, EOFError, zlib.error):  # their words are many lines
                self._failed(f"{release.name} is no whole tar archive")

    def _found(self, release: Release, target: Path) -> Path | None:
        """Return the file that is the release, from the first place that has it; None when none has."""
        for place in self._places(release):
            try:
                archive = place if isinstance(place, Path) else self._downloaded(release, place, target)
                self._refuse_wrong(archive, place, release)
            except HostSilent as error:
                self._silent.add(_host(str(place)))
                self._failed(str(error))
            except TestbedFailed as error:
                self._failed(str(error))
            else:
                if place is archive:
                    self.progress.line(f"{release.name}: taken from {place}")
                return archive
        return None

    def _places(self, release: Release) -> list[Path | str]:
        held = self.held.get(release.checksum)
        path = urlsplit(release.url).path
        return [*([held] if held else []), *(mirror.rstrip("/") + path for mirror in self.mirrors), release.url]

    def _downloaded(self, release: Release, url: str, target: Path) -> Path:
        if _host(url) in self._silent:
            raise TestbedFailed(f"{release.name}: not asked for, since {_host(url)} did not answer")
        self.progress.line(f"{release.name}: downloading {url}")
        transfer(url, target, self.progress)
        return target

    def _refuse_wrong(self, archive: Path, place: Path | str, release: Release) -> None:
        with archive.open("rb") as file, self.progress.meanwhile(lambda: f"{release.name}: checking"):
            found = _checksum(file, release.algorithm)
        if found != release.checksum:
            raise TestbedFailed(
                f"{release.name} refused: {place} has checksum {found[:16]}.., pinned is {release.checksum[:16]}.."
            )

    def _install(self, archive: Path, release: Release, wanted: Sequence[str], staging: Path) -> None:
        with archive.open("rb") as file, self.progress.meanwhile(lambda: f"{release.name}: unpacking"):
            _unpack(file, {release.members[name]: staging / name for name in wanted})
        for name in wanted:
            program = staging / name
            if not program.is_file():
                self._failed(f"{release.name}: no {release.members[name]} inside")
            elif trouble := _cannot_start(program):
                self._failed(f"{name} of {release.name} does not start on this machine: {trouble}")
            else:
                self.cache.install(name, program, "releases")
                self.progress.line(f"{name}: official release, checksum as pinned")

    def _failed(self, reason: str) -> None:
        self.progress.failed(f"{WAY}: {reason}")


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _checksum(file: BufferedReader, algorithm: str) -> str:
    file.seek(0)
    return hashlib.file_digest(file, algorithm).hexdigest()


def _unpack(archive: IO[bytes], targets: Mapping[str, Path]) -> None:
    """Copy programs out of a tar archive and stop after the last; an empty path means that the file is the program."""
    if "" in targets:
        _copy(archive, targets[""])
        return
    left = dict(targets)
    with tarfile.open(fileobj=archive) as tar:
        for entry in tar:
            source = tar.extractfile(entry) if entry.name.removeprefix("./") in left else None
            if source:
                _copy(source, left.pop(entry.name.removeprefix("./")))
            if not left:
                return


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)
    target.chmod(0o755)


def _cannot_start(program: Path) -> str:
    """Say why a program does not run here; empty when it does.

    The official kubelet is linked to glibc, which some machines lack or have in an older version.
    """
    try:
        done = subprocess.run(
            [program, "--help"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_S,
            check=False,
            **handed_to(Kind.TOOL),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(getattr(error, "strerror", "") or error)
    words = done.stderr.decode(errors="replace").strip().splitlines()
    return (words or [f"exit status {done.returncode}"])[-1][:120] if done.returncode else ""
