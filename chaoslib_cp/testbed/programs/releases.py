"""Official release downloads: only with a pinned checksum, and only what matches it."""

import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs.cache import Cache
from chaoslib_cp.testbed.programs.pins import Release
from chaoslib_cp.testbed.programs.progress import Progress

_TIMEOUT_S = 15.0  # for connecting and for each read, so a dead network is noticed quickly
_CHUNK_BYTES = 1 << 18
_SHA512_DIGITS = 128


class ChecksumWrong(TestbedFailed):
    """A download is not the file that was pinned. It was deleted; the next way may still serve the program."""


def download(names: Sequence[str], releases: Mapping[str, Release], cache: Cache, progress: Progress) -> None:
    """Download, check and install those of ``names`` that have a pinned release.

    A wrong checksum costs that program only; an unreachable server ends this way at once.

    Args:
        names: Programs that are missing.
        releases: Program -> its download on this machine.
        cache: Where to install; its lock is held.
        progress: Told about each program.

    Raises:
        TestbedFailed: Says why some are still missing: not pinned, refused, or no answer. What was installed stays.
    """
    left = [name for name in names if name not in releases]
    reasons = [f"no published checksum is known for {', '.join(left)}"] if left else []
    with cache.staging() as staging:
        for name in names:
            if name in releases:
                try:
                    built = fetch(releases[name], staging / name)
                except ChecksumWrong as error:
                    reasons.append(f"{name} refused: {error}")
                    continue
                cache.install(name, built, "releases")
                progress.line(f"{name}: official release, checksum as pinned")
    if reasons:
        raise TestbedFailed("; ".join(reasons))


def fetch(release: Release, target: Path) -> Path:
    """Download one release and check it.

    Args:
        release: What to download, and its checksum.
        target: Path of the program to make; ``target`` with ``.download`` is used as well.

    Returns:
        ``target``.

    Raises:
        ChecksumWrong: The content is not what was pinned.
        TestbedFailed: No answer, a broken transfer, or no such program in the archive.
    """
    archive = target.with_name(target.name + ".download")
    found = _transfer(release, archive)
    if found != release.checksum:
        archive.unlink()
        raise ChecksumWrong(f"{release.url} has checksum {found[:16]}.., pinned is {release.checksum[:16]}..; deleted")
    if not release.member:
        return archive.replace(target)
    _extract(archive, release.member, target)
    archive.unlink()
    return target


def _transfer(release: Release, archive: Path) -> str:
    """Write the download to ``archive`` and return its hex checksum, of the kind that is pinned."""
    digest = hashlib.sha512() if len(release.checksum) == _SHA512_DIGITS else hashlib.sha256()
    try:
        # The address is a constant of pins.py, and what comes back is checked.
        answer = urllib.request.urlopen(release.url, timeout=_TIMEOUT_S)  # noqa: S310
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise TestbedFailed(f"{release.url}: {_cause(error)}") from error
    with answer, archive.open("wb") as file:
        while chunk := _read(answer, release.url):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    """Read a piece; a failure of the network is kept apart from one of the disk."""
    try:
        return answer.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise TestbedFailed(f"{url}: transfer broke off: {_cause(error)}") from error


def _extract(archive: Path, member: str, target: Path) -> None:
    """Copy one program out of a tar archive; nothing else of it is unpacked."""
    try:
        with tarfile.open(archive) as tar:
            source = tar.extractfile(member)
            if source is None:
                raise TestbedFailed(f"{archive.name}: {member} is not a file")
            with source, target.open("wb") as file:
                while chunk := source.read(_CHUNK_BYTES):
                    file.write(chunk)
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise TestbedFailed(f"{archive.name}: no {member} inside: {error}") from error


def _cause(error: BaseException) -> str:
    """Name the cause that URLError wraps."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__
