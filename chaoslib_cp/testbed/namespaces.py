"""Linux namespaces: leaving the old ones, entering those of a running testbed.

``os.unshare`` and ``os.setns`` exist from Python 3.12 on; the C library's functions serve 3.11 as well.
Source: unshare(2), setns(2), prctl(2), user_namespaces(7).
"""

import ctypes
import os
import signal
from pathlib import Path

CLONE_NEWUTS = 0x04000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def unshare_uts() -> None:
    """Give this process a host name of its own."""
    _check(_libc.unshare(CLONE_NEWUTS), "unshare")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")


def enter(pid: int) -> None:
    """Move this single-threaded process into the namespaces of process ``pid``.

    The process namespace takes effect for children only, so a child must be started to run anything inside.
    A user namespace, when it differs, comes first: it gives the right to enter the others.

    Raises:
        OSError: the process is gone, or entering is not allowed; this process may have entered some already.
    """
    own_user_namespace = os.readlink("/proc/self/ns/user")
    folder = Path("/proc") / str(pid) / "ns"
    is_rootless = os.readlink(folder / "user") != own_user_namespace
    names = (["user"] if is_rootless else []) + ["net", "uts", "pid", "mnt"]
    descriptors = [os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in names]
    for descriptor in descriptors:
        _check(_libc.setns(descriptor, 0), "setns")
        os.close(descriptor)
    if is_rootless:
        # without this one is nobody in there, and mounts fail
        os.setgid(0)
        os.setuid(0)


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
