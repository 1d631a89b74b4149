"""Reading an audit log as a stream: gigabytes long, cut off, compressed, or not one at all."""

import gzip
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from chaoslib_cp.engine.load.audit_log.event import API_VERSION, KIND, AuditEvent, kind_of, parse_event
from chaoslib_cp.engine.load.audit_log.seen import AgentSeen
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.waits import waiting_for

_LONGEST_LINE_BYTES: Final = 16 * 1024 * 1024
"""A line of level RequestResponse holds objects, of 1.5 MB each at most (source: etcd documentation, system limits)."""
_MOST_NAMES: Final = 2000
_SHOWN_CHARACTERS: Final = 110
"""Of names, so that the line with them is read in one go."""
_SHOWN: Final = 48
_GZIP: Final = b"\x1f\x8b"


@dataclass
class LogRead:
    """What was read of a log.

    Attributes:
        agent: What it says of the agent that was asked for.
        events: Lines that are audit events, those about others included.
        unread: Lines that are none, by what they are instead.
        is_cut_off: The last line lacks its end.
        other_kind: What the first line of another kind calls itself.
        names: Lines by name of an agent, of the names that came first; so that one can be chosen.
    """

    agent: AgentSeen = field(default_factory=AgentSeen)
    events: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    is_cut_off: bool = False
    other_kind: str = ""
    names: Counter[str] = field(default_factory=Counter)

    def take(self, line: bytes, wanted: Collection[str]) -> None:
        """Count one line."""
        event = parse_event(line)
        if not isinstance(event, AuditEvent):
            self.other_kind = self.other_kind or kind_of(line)
            self.unread[event] += 1
            return
        self.events += 1
        self.agent.log_ends_s = max(self.agent.log_ends_s, event.at_s)
        names = event.names
        for name in (event.user, event.user_agent):
            if name in self.names or (name and len(self.names) < _MOST_NAMES):
                self.names[name] += 1
        if wanted and all(one in names for one in wanted):
            self.agent.add(event)


def read_agent(path: Path, wanted: Collection[str]) -> LogRead:
    """Read all that a log says of one agent. Its memory does not grow with the log's length.

    Args:
        path: A file of one JSON object a line, perhaps compressed with gzip.
        wanted: Names of the agent: its user, whom it stands for, its user agent, or that one's first word without a
            version. Where several are given, a request must have each of them.

    Raises:
        ProfileInvalid: It cannot be read, is empty, is no audit log, or says nothing of that agent; the message names
            the agents that are in it. Nothing was sent.
    """
    read = LogRead()
    try:
        with closing(_opened(path)) as file, waiting_for(f"the last line of {path}", None):
            for line in _lines(file, read):
                read.take(line, wanted)
    except (OSError, EOFError, zlib.error) as error:
        if not isinstance(error, EOFError) or not read.events:
            raise ProfileInvalid(
                f"audit log {path}: {error}; nothing was sent; name a file that can be read"
            ) from error
        read.is_cut_off = True
    _refuse(path, read, wanted)
    return read


def is_audit_log(path: Path) -> bool:
    """Whether the first line of a file is an audit event; False where it cannot be read."""
    try:
        with closing(_opened(path)) as file:
            return isinstance(parse_event(file.readline(_LONGEST_LINE_BYTES)), AuditEvent)
    except (OSError, EOFError, zlib.error):
        return False


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if is_gzip else path.open("rb")


def _lines(file: BinaryIO, read: LogRead) -> Iterator[bytes]:
    """Every line that may be an event; what stands in for a line that is too long, or has no end, is counted."""
    while line := file.readline(_LONGEST_LINE_BYTES):
        if not line.endswith(b"\n"):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_LONGEST_LINE_BYTES)
            if rest:
                read.unread["too long"] += 1
                continue
            # a log that is being written ends anywhere; its last line may be whole all the same
            if parse_event(line) == "no JSON":
                read.is_cut_off = True
                if not read.events:
                    read.unread["no JSON"] += 1
                continue
        if line.strip():
            yield line


def _refuse(path: Path, read: LogRead, wanted: Collection[str]) -> None:
    where = f"audit log {path}"
    if not read.events and not read.unread:
        raise ProfileInvalid(f"{where} is empty; nothing was sent; name one with lines in it")
    if not read.events and set(read.unread) == {"no JSON"}:
        raise ProfileInvalid(f"{where}: no line of it is JSON; nothing was sent; name a log of one JSON object a line")
    if not read.events:
        raise ProfileInvalid(
            f"{where}: no line of it is of kind {KIND} of {API_VERSION}, the first is "
            f"{read.other_kind or 'of no kind'!r}; nothing was sent; name the audit log of an API server"
        )
    named = " and ".join(repr(one[:_SHOWN]) for one in wanted)
    if not wanted:
        raise ProfileInvalid(f"{where}: whose profile is not said; nothing was sent; add --agent: {_agents(read)}")
    if not read.agent.kinds and not read.agent.left_out:
        raise ProfileInvalid(f"{where} says nothing of agent {named}; nothing was sent; in it are {_agents(read)}")
    if not read.agent.kinds:
        why = ", ".join(f"{count} {reason}" for reason, count in read.agent.requests_left_out().items())
        raise ProfileInvalid(
            f"{where}: nothing that agent {named} asked can be played ({why}); nothing was sent; name another agent"
        )


def _agents(read: LogRead) -> str:
    """Names of those that are in it most often, in a few words."""
    shown: list[str] = []
    for name, count in read.names.most_common():
        shown.append(f"{name[:_SHOWN]} ({count})")
        if len(", ".join(shown)) > _SHOWN_CHARACTERS:
            shown.pop()
            break
    more = len(read.names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
