"""The command line that turns a container's configuration into an isolated local process.

The root is an empty tmpfs; system folders, the image's files and nothing else of the machine are there, read-only.
The process is number 1 of its own process namespace, without capabilities, and dies with the process that started it.
Source: bwrap(1), setpriv(1).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.images import NONROOT_UID, SEARCH_PATH, Image

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Not the folders of private keys beside them: user 0 of a rootful pod could read those.
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
# Written for every container; a machine's own files may name services that do not exist in a pod.
ETC_FILES = {
    "group": f"root:x:0:\nnonroot:x:{NONROOT_UID}:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "passwd": f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{NONROOT_UID}:{NONROOT_UID}:nonroot:/:/sbin/nologin\n",
}


@dataclass(frozen=True)
class User:
    """Who a container's process is.

    Args:
        uid: user id, 0 to run as root without capabilities.
        gid: group id.
        groups: supplementary group ids.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a container gets from its node and its pod.

    Args:
        etc: folder with the files of ``ETC_FILES``.
        resolv_conf: the pod's.
        hostname: the pod's.
        rootless: whether user 0 here is an ordinary user outside, so that there is only one real user id.
    """

    etc: Path
    resolv_conf: Path
    hostname: str
    rootless: bool


@dataclass(frozen=True)
class Descriptors:
    """Open files handed to bubblewrap: it reports the process id on one and waits on the other."""

    info: int
    block: int


def user_of(config: api.ContainerConfig) -> User:
    """Return who the container runs as: what the pod says, else the images' own user."""
    security = config.linux.security_context
    uid = security.run_as_user.value if security.HasField("run_as_user") else NONROOT_UID
    gid = security.run_as_group.value if security.HasField("run_as_group") else (NONROOT_UID if uid else 0)
    return User(uid, gid, tuple(security.supplemental_groups))


def environment_of(config: api.ContainerConfig, image: Image, hostname: str) -> dict[str, str]:
    """Return the process's whole environment: the pod's settings over the image's."""
    own = {entry.key: entry.value.decode(errors="surrogateescape") for entry in config.envs}
    return {"PATH": SEARCH_PATH, "HOME": "/", "HOSTNAME": hostname, **image.environment, **own}


def command(
    config: api.ContainerConfig, image: Image, surroundings: Surroundings, descriptors: Descriptors
) -> list[str]:
    """Build the whole command line."""
    user = user_of(config)
    argv = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", surroundings.hostname]
    argv += ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    argv += ["--info-fd", str(descriptors.info), "--block-fd", str(descriptors.block)]
    argv += _identity(user, surroundings.rootless)
    argv += _system(surroundings.etc)
    argv += _binds({inside: ("--ro-bind", host_path) for host_path, inside in image.binds.items()})
    argv += _binds(_mounts(config, surroundings.resolv_conf))
    if config.working_dir:
        argv += ["--dir", config.working_dir]
    if config.linux.security_context.readonly_rootfs:
        argv += ["--remount-ro", "/"]
    argv += ["--chdir", config.working_dir or "/"]
    for name, value in environment_of(config, image, surroundings.hostname).items():
        argv += ["--setenv", name, value]
    return [*argv, "--", *_become(user, surroundings.rootless), *_payload(config, image)]


def confinement(user: User, rootless: bool) -> list[str]:
    """Return the prefix that gives a command run in the container later its user and no capabilities."""
    bare = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    return bare + (_switch(user) if _must_switch(user, rootless) else [])


def write_etc(folder: Path) -> None:
    """Write the files every container sees in /etc."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ETC_FILES.items():
        (folder / name).write_text(text)


def resolv_conf(dns: api.DNSConfig) -> str:
    """Return the text of a pod's resolv.conf."""
    lines = [f"nameserver {server}" for server in dns.servers]
    if dns.searches:
        lines.append("search " + " ".join(dns.searches))
    if dns.options:
        lines.append("options " + " ".join(dns.options))
    return "".join(f"{line}\n" for line in lines)


def _must_switch(user: User, rootless: bool) -> bool:
    return not rootless and user != User(0, 0)


def _switch(user: User) -> list[str]:
    groups = f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups"
    return [f"--reuid={user.uid}", f"--regid={user.gid}", groups]


def _identity(user: User, rootless: bool) -> list[str]:
    argv = ["--cap-drop", "ALL"]
    if _must_switch(user, rootless):
        # setpriv needs these to become the user; it gives them up in the same step
        argv += [word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
    elif user.uid or user.gid:
        # one real id is all there is: a user namespace shows it under the wanted number
        argv += ["--unshare-user", "--uid", str(user.uid), "--gid", str(user.gid)]
    return argv


def _become(user: User, rootless: bool) -> list[str]:
    return confinement(user, rootless) if _must_switch(user, rootless) else []


def _system(etc: Path) -> list[str]:
    argv = []
    for folder in SYSTEM_FOLDERS:
        if os.path.islink(folder):
            argv += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            argv += ["--ro-bind", folder, folder]
    argv += _binds({path: ("--ro-bind-try", path) for path in SYSTEM_FILES})
    argv += _binds({f"/etc/{name}": ("--ro-bind", str(etc / name)) for name in ETC_FILES})
    argv += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - its own
    return [*argv, "--perms", "1777", "--dir", "/tmp"]  # noqa: S108 - its own


def _mounts(config: api.ContainerConfig, resolv_conf_file: Path) -> dict[str, tuple[str, str]]:
    mounts = {
        mount.container_path: ("--ro-bind" if mount.readonly else "--bind", mount.host_path) for mount in config.mounts
    }
    return {"/etc/resolv.conf": ("--ro-bind", str(resolv_conf_file)), **mounts}


def _binds(binds: Mapping[str, tuple[str, str]]) -> list[str]:
    argv = []
    # outer paths first, or they would hide the inner ones
    for inside, (kind, path) in sorted(binds.items()):
        # bubblewrap would make missing folders on the way for its own user only
        for folder in reversed(PurePosixPath(inside).parents):
            argv += ["--dir", str(folder)]
        argv += [kind, path, inside]
    return argv


def _payload(config: api.ContainerConfig, image: Image) -> list[str]:
    return [*(config.command or image.entrypoint), *config.args]
