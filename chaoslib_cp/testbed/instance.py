"""One named testbed on disk: where its files are, and how its processes are found again.

A running testbed is found by its supervisor's command line, never by a process id in a file: ids are used again by the
kernel, files survive crashes, command lines do neither.
"""

import fcntl
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.errors import ProfileInvalid, TestbedFailed
from chaoslib_cp.namespace import is_inside, process_1
from chaoslib_cp.state import state_root

SUPERVISOR_MODULE = "chaoslib_cp.testbed.supervisor"


@dataclass(frozen=True)
class Instance:
    """A testbed's name and its paths.

    Args:
        name: 1 to 20 lower-case letters, digits and inner dashes; part of cgroup and node folder names.
    """

    name: str = "default"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", self.name):
            raise ProfileInvalid(
                f"testbed name {self.name!r}: use 1 to 20 lower-case letters, digits and inner dashes; nothing was done"
            )

    @property
    def folder(self) -> Path:
        """Everything of this instance that is on disk."""
        return state_root() / "testbed" / self.name

    @property
    def state_file(self) -> Path:
        """What the supervisor says of itself, replaced as a whole at each change."""
        return self.folder / "state.json"

    @property
    def plan_file(self) -> Path:
        """What the supervisor was told to bring up; its lock is held as long as the supervisor lives."""
        return self.folder / "supervisor.json"

    @property
    def kubeconfig(self) -> Path:
        """The identities, as contexts."""
        return self.folder / "kubeconfig"

    @property
    def reached_from(self) -> dict[str, list[str]]:
        """From where the cluster can be reached, as its kubeconfig says it; see ``kubeconfig.way_in``."""
        return {"process-1": self._process_1, "command": ["chaos", "cp", "exec", "--name", self.name, "--"]}

    @property
    def _process_1(self) -> list[str]:
        """Words of the command line that process 1 of its namespaces has."""
        return [SUPERVISOR_MODULE, str(self.folder)]

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.folder / "logs"

    @property
    def cgroup_name(self) -> str:
        """The control group that holds one group for each component.

        Control groups are the machine's, names only one user's: the folder tells two testbeds of one name apart.
        """
        return f"chaoslib-cp-{self.name}-{hashlib.sha256(bytes(self.folder)).hexdigest()[:8]}"

    def supervisor_pids(self) -> list[int]:
        """Return the host ids of all processes started as this instance's supervisor, the oldest first.

        The first is ``unshare``, which made the namespaces; then process 1 of the new process namespace and the
        supervisor proper.
        """
        return sorted(pid for pid, argv in _command_lines() if SUPERVISOR_MODULE in argv and str(self.folder) in argv)

    def is_up_elsewhere(self) -> bool:
        """Say whether a machine or container that shares this folder, and whose processes are not seen here, runs it.

        The lock says so: it ends with its holder, however that dies (source: flock(2)).

        Raises:
            TestbedFailed: the file system does not lock.
        """
        if self.supervisor_pids():
            return False
        try:
            descriptor = os.open(self.plan_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, self.plan_file)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def inside_pid(self) -> int | None:
        """Return the id of a process that is in the instance's namespaces, or None when it is not running."""
        for pid, argv in _command_lines():
            is_supervisor = SUPERVISOR_MODULE in argv and str(self.folder) in argv
            if is_supervisor and os.path.basename(argv[0]) != "unshare":
                return pid
        return None

    def is_around_us(self) -> bool:
        """Say whether this process is inside the testbed: its supervisor is then process 1, which nobody there can end.

        Source: pid_namespaces(7): the kernel drops SIGKILL to process 1 when it comes from the same namespace.
        """
        return is_inside(self._process_1)

    def read_state(self) -> dict[str, Any] | None:
        """Return what the supervisor wrote last, or None when it wrote nothing.

        Raises:
            TestbedFailed: the file cannot be understood; ``chaos cp down`` clears it away.
        """
        try:
            state = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TestbedFailed(
                f"testbed {self.name}: {self.state_file} is damaged ({error}); nothing was changed; "
                f"run: chaos cp down --name {self.name}"
            ) from error
        if not isinstance(state, dict) or "phase" not in state:
            raise TestbedFailed(
                f"testbed {self.name}: {self.state_file} is no state of ours; nothing was changed; "
                f"run: chaos cp down --name {self.name}"
            )
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the state file as a whole, so that a reader never sees half of it."""
        temporary = self.state_file.with_suffix(".new")
        temporary.write_text(json.dumps(state, indent=1))
        temporary.rename(self.state_file)


def around_us() -> Instance | None:
    """Return the testbed that this process is inside, whatever its variables say; None outside of any."""
    words = process_1()
    if SUPERVISOR_MODULE not in words:
        return None
    found = Instance(Path(words[words.index(SUPERVISOR_MODULE) + 1]).name)
    return found if found.is_around_us() else None


def lock(descriptor: int, operation: int, path: Path) -> None:
    """Lock an open file or folder.

    On NFS, where a home folder often is, an exclusive lock needs a file that is open for writing (source: flock(2)).

    Raises:
        BlockingIOError: somebody else has it, and ``operation`` does not wait.
        TestbedFailed: the file system does not lock; nothing was changed.
    """
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        raise TestbedFailed(
            f"{path} cannot be locked ({error.strerror}); nothing was changed; set XDG_STATE_HOME to a folder on a "
            "local disk"
        ) from error


def is_alive(pid: int) -> bool:
    """Say whether a process runs or is still ending.

    A killed process 1 has no command line any more while the kernel ends its namespace; only as a zombie, or gone, has
    it taken everything along (source: kernel, zap_pid_ns_processes).
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def _command_lines() -> list[tuple[int, list[str]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended between the listing and the reading
        found.append((int(entry.name), argv))
    return sorted(found)
