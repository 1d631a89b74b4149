"""What pods read of this machine besides this package: the interpreter, its packages, CoreDNS.

In a testbed of root's, pods run as a user who owns nothing here. Under a strict umask, pip and ``go build`` make files
that only their owner can read; then an agent or a DNS server could not start, and would not say why.
"""

import importlib.util
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

# What the agent and the prober import besides Python's own modules.
_PACKAGES = ("dns", "hpack", "httptools")
_READ = stat.S_IROTH
_READ_AND_EXECUTE = stat.S_IROTH | stat.S_IXOTH


def kept_from_pods(coredns: Path | None) -> list[Path]:
    """Return files and folders that pods need and not everybody may read.

    Args:
        coredns: The program; None while it is not there.
    """
    found = [path for path, bits in _needed(coredns) if path.exists() and path.stat().st_mode & bits != bits]
    return list(dict.fromkeys(found))


def _needed(coredns: Path | None) -> Iterator[tuple[Path, int]]:
    """Each with the rights that everybody must have; what lies around a folder that a pod sees does not matter."""
    yield Path(os.path.realpath(sys.executable)), _READ_AND_EXECUTE
    if coredns is not None:
        yield coredns, _READ_AND_EXECUTE
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            yield Path(spec.origin), _READ
            yield from ((folder, _READ_AND_EXECUTE) for folder in _folders(Path(spec.origin)))


def _folders(file: Path) -> Iterator[Path]:
    return (folder for folder in file.parents if folder.is_relative_to(sys.prefix))
