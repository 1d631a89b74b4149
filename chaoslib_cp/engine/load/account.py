"""What agents tell of themselves: how many began, what they sent, what came back. Running totals, as plain JSON.

An agent tells its own account, and the agent farm tells one for all of its agents of a rollout. The workload prober
takes it in (``agent/prober_page.py``), the observer writes it into the timeline, and from there it is judged whether
the fault was delivered (``results/delivery.py``).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number
from chaoslib_cp.vantage import AGENT_LOAD

#: An account is told in well under 1 kB; more than this many bytes is not one.
MAX_ACCOUNT_BYTES: Final = 2048
AGENTS_WANTED: Final = "agents_wanted"
AGENTS: Final = ("agents_began", "agents_running")
REQUESTS: Final = (
    "due",
    "held_back",
    "sent",
    "resent",
    "answered",
    "refused",
    "unauthorized",
    "failed_timeout",
    "failed_connect",
    "failed_broken",
)
LOOKUPS: Final = ("queries", "good", "unwell")
"""What agents that look names up tell beside that: questions sent, lookups that brought an address, lookups without an
answer, with SERVFAIL or of more than 0.1 s."""
CLIENT_CPU_S: Final = "client_cpu_s"
"""CPU seconds that the source's process has used; told by pods that play a share of virtual nodes."""
RECEIVED: Final = "received_bytes"
"""Bytes of answers, as they came."""
_COUNTS: Final = frozenset((*AGENTS, *REQUESTS))
_OPTIONAL: Final = frozenset((AGENTS_WANTED, CLIENT_CPU_S, RECEIVED, *LOOKUPS))
# Larger counts than this are nobody's; every one of them is still exact as a float.
_MOST: Final = 2**53
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
# Names of nodes are names of DNS (RFC 1123), so they may be longer than a label's value.
_SOURCE: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Account:
    """What one source told of its agents of one fault, since they began.

    Attributes:
        fault: Id of the fault that they belong to.
        source: Who tells it: the name of the node, of the pod, or of an agent farm.
        counts: ``agents_began``, ``agents_running`` and the counts of ``Totals.account`` or
            ``LookupTotals.account``; a farm says ``agents_wanted``, too.
        never_began: The most frequent reason why agents that are wanted did not begin, as one word; or empty.
    """

    fault: str
    source: str
    counts: Mapping[str, int | float]
    never_began: str = ""

    def wanting(self, agents: int) -> "Account":
        """The same of a source that should have so many agents."""
        return replace(self, counts={**self.counts, AGENTS_WANTED: agents})

    def costing(self, client_cpu_s: float) -> "Account":
        """The same of a source whose process has used so many CPU seconds."""
        return replace(self, counts={**self.counts, CLIENT_CPU_S: client_cpu_s})

    def as_json(self) -> bytes:
        """Return it as ``parse_account`` reads it."""
        told = {"fault": self.fault, "source": self.source, "counts": dict(self.counts)}
        return json.dumps({**told, **({"never_began": self.never_began} if self.never_began else {})}).encode()

    def as_sample(self, at_s: float) -> dict[str, Any]:
        """Return it as a line of the timeline; nothing was asked, so it took no time and was not late.

        Args:
            at_s: when it was told, epoch seconds of the timeline.
        """
        return {
            "kind": "sample",
            "at_s": at_s,
            "vantage": AGENT_LOAD.name,
            "target": self.source,
            "ok": True,
            "outcome": "ok",
            "latency_s": 0.0,
            "lag_s": 0.0,
            "fault": self.fault,
            "counts": dict(self.counts),
            **({"never_began": self.never_began} if self.never_began else {}),
        }


def account_of(fault: str, source: str, totals: Totals, began: int, running: int) -> Account:
    """Make the account of agents that have ``totals`` together."""
    counts = {"agents_began": began, "agents_running": running, **totals.account()}
    return Account(fault, source, counts)


def parse_account(body: bytes) -> Account:
    """Read an account that came over the network: anybody may have sent it.

    Raises:
        ProfileInvalid: It is not one: a key is unknown, missing, or its value is none that an agent tells.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused("is not JSON") from error
    if not isinstance(told, dict) or not {"fault", "source", "counts"} <= told.keys():
        raise _refused("lacks fault, source or counts")
    if not told.keys() <= {"fault", "source", "counts", "never_began"}:
        raise _refused("has an unknown key")
    counts = told["counts"]
    if not isinstance(counts, dict) or counts.keys() - _OPTIONAL != _COUNTS:
        raise _refused("has other counts than an agent's")
    if not all(is_number(count) and 0 <= count <= _MOST for count in counts.values()):
        raise _refused("counts something that is no number of 0 or more")
    if not (is_fault_label(told["fault"]) and is_source(told["source"]) and _is(_LABEL, told.get("never_began", "x"))):
        raise _refused("has a text that is no name")
    return Account(told["fault"], told["source"], counts, told.get("never_began", ""))


def is_fault_label(told: Any) -> bool:
    """Whether what was told may be the id of a fault."""
    return _is(_LABEL, told)


def is_source(told: Any) -> bool:
    """Whether what was told may be who tells."""
    return _is(_SOURCE, told)


def _is(pattern: re.Pattern[str], text: Any) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _refused(problem: str) -> ProfileInvalid:
    return ProfileInvalid(f"the account {problem}; nothing was kept")
