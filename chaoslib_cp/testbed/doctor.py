"""What this machine lacks for a testbed, found by trying, and the command that brings each thing.

Nothing is changed: what has to be tried (a namespace, a bridge, nft rules, a container) is tried inside a namespace
of its own that is gone when the check returns.
"""

import importlib.util
import os
import platform
import resource
import shlex
import shutil
import sys
from pathlib import Path
from typing import TypedDict

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.state import state_root
from chaoslib_cp.testbed import cgroups, trials
from chaoslib_cp.testbed.pod_files import kept_from_pods
from chaoslib_cp.testbed.programs import find_programs, incomplete_folder
from chaoslib_cp.testbed.programs.cache import cache_root, free_bytes
from chaoslib_cp.testbed.programs.pins import PINNED
from chaoslib_cp.testbed.programs.toolchain import Toolchain, machine_toolchain

_OLDEST_PYTHON = (3, 11)
# The module cache (2.7 GB), Go's build cache (4.5 GB) and the programs (0.6 GB), measured; then logs and etcd's data.
_BUILD_BYTES = 9_000_000_000
# The largest archive and the programs out of it, which are there at the same time.
_DOWNLOAD_BYTES = 1_500_000_000
_RUN_BYTES = 1_000_000_000
# The API server holds a connection for each agent, node and watch; 200 nodes with 4 in flight each make 1,000 or so.
_OPEN_FILES = 4096
# Components and 2,000 objects take about 1 GB idle (measured); in a storm the API server alone was seen with 2.4 GiB
# (specs/as-incident.yaml). README asks for as much.
MEMORY_BYTES = 4_000_000_000
_INOTIFY_INSTANCES = 64  # two kubelets with pods and two DNS servers stay under 40

_TOOLS = {"ip": "iproute2", "nft": "nftables", "bwrap": "bubblewrap", "unshare": "util-linux", "nsenter": "util-linux"}
_INSTALLERS = {  # the same packages elsewhere: Debian's name -> theirs, where it differs
    "apt-get": ("apt-get install -y", {}),
    "dnf": ("dnf install -y", {"iproute2": "iproute"}),
    "zypper": ("zypper install -y", {}),
    "pacman": ("pacman -S --noconfirm", {}),
    "apk": ("apk add", {}),
}
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"


class Check(TypedDict):
    """One thing a testbed needs.

    Keys:
        name: What was looked at.
        ok: Whether it is as needed.
        required: Whether a testbed cannot come up without it; otherwise it is worse, not impossible.
        detail: What was found.
        fix: The command or step that helps; empty when all is well.
    """

    name: str
    ok: bool
    required: bool
    detail: str
    fix: str


def examine(rootless: bool | None = None) -> list[Check]:
    """Check everything.

    Args:
        rootless: Try a user namespace; by default exactly when this process is not root's.

    Returns:
        All checks, the cheap and basic ones first.
    """
    checks = _machine_checks(_is_rootless(rootless))
    return [*checks, _programs(), *_amenities()] if sys.platform == "linux" else checks


def require(rootless: bool | None = None) -> None:
    """Stop before anything is started when this machine cannot run a testbed.

    The programs are not looked at: getting them is the next step.

    Args:
        rootless: As for ``examine``.

    Raises:
        TestbedFailed: Something required is missing; the message names all of it and how to get it.
    """
    failed = [check for check in _machine_checks(_is_rootless(rootless)) if check["required"] and not check["ok"]]
    if failed:
        found = "; ".join(f"{check['name']}: {check['detail']}" for check in failed)
        fixes = "; ".join(dict.fromkeys(check["fix"] for check in failed if check["fix"]))
        raise TestbedFailed(f"this machine cannot run a testbed: {found}; nothing was started; do: {fixes}")


def _is_rootless(rootless: bool | None) -> bool:
    return os.geteuid() != 0 if rootless is None else rootless


def _machine_checks(rootless: bool) -> list[Check]:
    if sys.platform != "linux":
        return [_system(), _python()]
    tools = tool_checks()
    absent = {check["name"] for check in tools if not check["ok"]}
    tried = [_tried(trial, rootless) for trial in trials.wanted(rootless) if not absent & {"unshare", trial.argv[0]}]
    first_failure = next((index for index, check in enumerate(tried) if not check["ok"]), len(tried))
    # without namespaces the other trials fail for the same reason, so only the first is told
    told = tried if first_failure > 0 else tried[:1]
    machine = [_system(), _python(), *tools, *_python_packages(), *told, _disk_to_run(), _open_files()]
    return machine if rootless else [*machine, _files_of_pods()]


def _tried(trial: trials.Trial, rootless: bool) -> Check:
    words = trial.failure(rootless)
    works = "works in a user namespace" if rootless else "works as root"
    return _check(trial.name, not words, words or works, trial.fix)


def _amenities() -> list[Check]:
    return [_limits(), _disk_to_build(), _memory(), _inotify()]


def _check(name: str, ok: bool, detail: str, fix: str, required: bool = True) -> Check:
    return {"name": name, "ok": ok, "required": required, "detail": detail, "fix": "" if ok else fix}


def _system() -> Check:
    name = f"{platform.system()} {platform.release()}"
    return _check("system", sys.platform == "linux", name, "run it on Linux, or in a Linux virtual machine")


def _python() -> Check:
    fix = f"use Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer"
    return _check("Python", sys.version_info[:2] >= _OLDEST_PYTHON, platform.python_version(), fix)


def _python_packages() -> list[Check]:
    modules = {"grpcio": "grpc", "protobuf": "google.protobuf", "cryptography": "cryptography"}
    return [
        _check(name, found, "installed" if found else "not installed", extra_command())
        for name, found in ((name, _is_importable(module)) for name, module in modules.items())
    ]


def extra_command() -> str:
    """Return the command that brings the Python packages of the extra [testbed].

    This project is not on a package index, so its name alone installs nothing, or something else: the command names
    the checkout that this code was started from, or asks for one.
    """
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return f"{sys.executable} -m pip install --editable '{checkout}[testbed]'"
    return f"{sys.executable} -m pip install '.[testbed]' (in a clone of the repository)"


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def tool_checks(system_folders: str = _SYSTEM_FOLDERS) -> list[Check]:
    """Look for the system's programs on PATH; one command brings all that are missing.

    Args:
        system_folders: Where a program may lie that an ordinary user's PATH does not reach.

    Returns:
        One check for each program.
    """
    wide = f"{os.environ.get('PATH', '')}:{system_folders}"
    missing = sorted({package for tool, package in _TOOLS.items() if not shutil.which(tool, path=wide)})
    checks = []
    for tool in _TOOLS:
        place, anywhere = shutil.which(tool), shutil.which(tool, path=wide)
        if anywhere and not place:
            fix = f"export PATH=$PATH:{Path(anywhere).parent}"
            checks.append(_check(tool, False, f"{anywhere}, which is not on PATH", fix))
        else:
            checks.append(_check(tool, place is not None, place or "not installed", install_command(missing)))
    return checks


def install_command(packages: list[str]) -> str:
    """Return the command that installs system packages here.

    Args:
        packages: Debian's names.

    Returns:
        One shell command, or a phrase where the package tool is not known.
    """
    for tool, (command, names) in _INSTALLERS.items():
        if shutil.which(tool):
            sudo = "" if os.geteuid() == 0 else "sudo "
            return f"{sudo}{command} {' '.join(names.get(package, package) for package in packages)}"
    return f"install {', '.join(packages)} with your package tool"


def _programs() -> Check:
    if lacking := incomplete_folder():
        return _check("programs", False, lacking, "add them, or: unset CHAOSLIB_CP_BIN")
    if found := find_programs():
        return _check("programs", True, f"in {found.folder}", "")
    toolchain = machine_toolchain(PINNED)
    if isinstance(toolchain, Toolchain):
        builder = toolchain.version
    else:
        builder = f"the Go {PINNED.go_package.version} that pip brings ({toolchain})"
    detail = f"not there yet; official releases take a minute or two, or {builder} builds them in about 12 min"
    return _check("programs", False, detail, "chaos cp programs", required=False)


def _files_of_pods() -> Check:
    programs = find_programs()
    kept = kept_from_pods(programs.path("coredns") if programs else None)
    fix = f"chmod -R go+rX {' '.join(shlex.quote(str(path)) for path in _tops(kept))}"
    found = f"only their owner may read {', '.join(map(str, kept))}" if kept else "may be read by every user"
    return _check("files of pods", not kept, found, fix)


def _tops(paths: list[Path]) -> list[Path]:
    """Leave out what is below another of them."""
    return [path for path in paths if not set(path.parents) & set(paths)]


def _disk_to_run() -> Check:
    free = free_bytes(state_root())
    if not _may_write(state_root()):
        return _check("disk", False, f"{state_root()} cannot be written", "set XDG_STATE_HOME to a folder of yours")
    return _check("disk", free >= _RUN_BYTES, _size_found(free, state_root()), f"free {_size(_RUN_BYTES)} there")


def _may_write(folder: Path) -> bool:
    """Whether it can be written, or made where it is not there yet."""
    return os.access(next(place for place in (folder, *folder.parents) if place.exists()), os.W_OK | os.X_OK)


def _disk_to_build() -> Check:
    if find_programs():
        return _check("disk for building", True, "not needed, the programs are there", "", required=False)
    free = free_bytes(cache_root())
    fix = (
        f"free {_size(_BUILD_BYTES)} there, or set XDG_CACHE_HOME, GOMODCACHE and GOCACHE to a larger disk; official "
        f"releases need {_size(_DOWNLOAD_BYTES)}"
    )
    return _check("disk for building", free >= _BUILD_BYTES, _size_found(free, cache_root()), fix, required=False)


def _open_files() -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = hard == resource.RLIM_INFINITY or hard >= _OPEN_FILES
    fix = f"raise the hard limit to {_OPEN_FILES}: /etc/security/limits.conf; docker run --ulimit nofile={_OPEN_FILES}"
    return _check("open files", ok, "no limit" if hard == resource.RLIM_INFINITY else f"limit {hard}", fix)


def _limits() -> Check:
    kind = cgroups.backend()
    if kind != "none":
        return _check("CPU and memory limits", True, f"cgroup {kind}", "", required=False)
    fix = "run it as root; in a container: with /sys/fs/cgroup writable and the cpu and memory controllers enabled"
    return _check("CPU and memory limits", False, cgroups.NOT_ENFORCED, fix, required=False)


def _memory() -> Check:
    free = _available_memory()
    fix = f"free {_size(MEMORY_BYTES)} of memory, or bring up a smaller spec: chaos cp up small"
    return _check("memory", free >= MEMORY_BYTES, f"{_size(free)} available", fix, required=False)


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return 0


def _inotify() -> Check:
    setting = Path("/proc/sys/fs/inotify/max_user_instances")
    found = int(setting.read_text(encoding="ascii")) if setting.exists() else 0
    fix = f"sysctl -w fs.inotify.max_user_instances={_INOTIFY_INSTANCES * 4}"
    return _check("inotify", found >= _INOTIFY_INSTANCES, f"{found} instances for a user", fix, required=False)


def _size_found(free: int, place: Path) -> str:
    return f"{_size(free)} free at {place}"


def _size(amount_bytes: int) -> str:
    return f"{amount_bytes / 1e9:.1f} GB"
