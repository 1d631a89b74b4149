"""Undo kind ``process``: a process of ours on this machine does something to the cluster; undo ends it.

It asks nothing of the API, so it works whatever the API does. Such a process ends by itself, too: when its parent does,
and at the end that is on record.
"""

import os
import shlex
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.kind import Found, Right
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import UndoFailed

NAME: Final = "process"
_ENDS_WITHIN_S: Final = 3.0  # it writes down what it did
_LOOK_EVERY_S: Final = 0.05
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# Fields of /proc/PID/stat behind the command's name, which may hold anything (source: proc_pid_stat(5)).
_STATE: Final = 0
_STARTED: Final = 19


@dataclass(frozen=True)
class OurProcess:
    """The facts of an entry.

    Attributes:
        pid: Its number.
        started: When it was started, in the kernel's ticks: a number may be given to another process later.
        place: Which boot of which machine, and which space of process numbers.
        ends_at_epoch_s: When it ends by itself, seconds since 1970.
    """

    pid: int
    started: str
    place: str
    ends_at_epoch_s: float

    def entry(self, fault: str, what: str) -> Entry:
        """The undo entry, for example of ``load of 50 virtual nodes``."""
        return Entry(NAME, fault, f"{what} (process {self.pid})", asdict(self))

    @property
    def is_here(self) -> bool:
        """Whether it can be seen from here at all."""
        return self.place == _place()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        fields = _stat(self.pid)
        is_it = fields is not None and fields[_STATE] not in "ZX" and fields[_STARTED] == self.started
        return self.is_here and is_it and _is_of_the_library(self.pid)

    def end(self, clock: Clock) -> None:
        """End it: let it finish, then by force."""
        for number, within_s in ((signal.SIGTERM, _ENDS_WITHIN_S), (signal.SIGKILL, 1.0)):
            ends_s = clock.monotonic_s() + within_s
            if self.is_alive:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            while self.is_alive and clock.monotonic_s() < ends_s:
                clock.sleep(_LOOK_EVERY_S)


def process_of_ours(pid: int, ends_at_epoch_s: float) -> OurProcess:
    """Note a process that runs.

    Raises:
        UndoFailed: It has ended already; nothing was put on record.
    """
    fields = _stat(pid)
    if fields is None:
        raise UndoFailed(f"process {pid} has ended before it could be put on record; nothing was changed; try again")
    return OurProcess(pid, fields[_STARTED], _place(), ends_at_epoch_s)


def read_process(entry: Entry) -> OurProcess:
    """Read the facts of an entry.

    Raises:
        UndoFailed: This kind never writes such facts; nothing was done.
    """
    facts: Mapping[str, object] = entry.facts
    match facts:
        case {"pid": int() as pid, "started": str() as started, "place": str() as place, "ends_at_epoch_s": end} if (
            set(facts) == {"pid", "started", "place", "ends_at_epoch_s"}
            and pid > 1
            and not isinstance(pid, bool)
            and isinstance(end, int | float)
        ):
            return OurProcess(pid, started, place, float(end))
    raise UndoFailed(f"undo entry {entry} does not say which process; it was left alone; the log was edited")


class ProcessOfOurs:
    """See the module."""

    name: Final = NAME

    def check(self, entry: Entry) -> None:
        """Only a process, its start and its end."""
        read_process(entry)

    def take_back(self, item: Item, healer: Healer) -> Undone:
        """End it; of one that cannot be seen from here, wait for its own end."""
        process = read_process(item.entry)
        if not process.is_here:
            left_s = process.ends_at_epoch_s - healer.clock.epoch_s()
            if left_s > 0:
                words = f"{item.entry} was started elsewhere; it ends by itself within {left_s:.0f} s"
                return Undone(closed=False, words=f"{words}; recover there, or then again")
            return Undone(closed=True, words="at its own end")
        if not process.is_alive:
            return Undone(closed=True, words="had ended")
        process.end(healer.clock)
        if process.is_alive:
            return Undone(closed=False, words=f"{item.entry} does not end, even by SIGKILL")
        return Undone(closed=True, words="ended")

    def still_there(self, item: Item, cluster: Cluster, timeout_s: float) -> str:  # noqa: ARG002 - the contract has it
        """The process, while it runs."""
        return str(item.entry) if read_process(item.entry).is_alive else ""

    def by_hand(self, item: Item, kubectl: str) -> list[str]:  # noqa: ARG002 - it is no object of the cluster
        """The signal, while the process runs: later its number may be another's."""
        process = read_process(item.entry)
        return [shlex.join(["kill", str(process.pid)])] if process.is_alive else []

    def rights(self, entry: Entry) -> Iterable[Right]:  # noqa: ARG002 - the contract has it
        """None in the cluster."""
        return ()

    def find(self, cluster: Cluster, timeout_s: float, as_runner: bool) -> Iterator[Found]:  # noqa: ARG002 - the contract has it
        """It leaves nothing in the cluster."""
        yield from ()


PROCESS: Final = ProcessOfOurs()


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _is_of_the_library(pid: int) -> bool:
    """Whether it runs a module of ours, whatever a log says: an edited one must end nobody else's process."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(b"chaoslib_cp.") for word in words)


def _place() -> str:
    try:
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # no /proc, as on a Mac: then nobody can tell processes apart, and none is ended
