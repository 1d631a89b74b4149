"""The profile of a load of DNS lookups: which names, how often, and when it must stop. Plain JSON, frozen dataclass."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.engine.load.fields import (
    check,
    check_deadline,
    check_keys,
    check_numbers,
    check_report,
    matches,
    number,
)

SCHEMA: Final = 1
SHORT: Final = "short"
FULL: Final = "full"
ABSOLUTE: Final = "absolute"
WAYS_TO_WRITE: Final = (SHORT, FULL, ABSOLUTE)
MAX_NAMES: Final = 200
"""More are made up by :attr:`LookupProfile.hot_names`: an undo log holds each name that is listed."""

_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.){1,6}(?:svc|pod)")
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SEVERAL_KEYS: Final = {"schema", "names", "report_to"}
# RFC 2544 keeps 198.18.0.0/15 for benchmarks: nobody is there.
_NOBODYS: Final = "198-18-{}-{}"


@dataclass(frozen=True)
class LookupProfile:
    """What every agent of one load of lookups does. All limits are for each agent.

    Attributes:
        names: Names of the cluster, without its domain: ``api.shop.svc``. At most 200.
        hot_names: How many names are asked again and again: ``names``, and then names of pods by address in
            ``namespace``. A CoreDNS with ``pods insecure`` (kubeadm's) has an address for each of these; others say
            that there is none, which is kept in caches as well.
        namespace: Where pods are that do not exist.
        written: How workloads write a name: ``short`` (``api.shop``; as most do), ``full``
            (``api.shop.svc.cluster.local``; with ndots 5 the whole search list comes first) or ``absolute`` (with the
            final dot: the search list is left out).
        never_asked_share: Share of lookups of a name that nobody asked for before, below one of the hot ones.
        rate_per_s: Lookups each second.
        clients: Source ports they are asked from.
        jitter_ratio: How much of its period each lookup may come later than its place in the schedule.
        duration_s: An agent ends this long after its own start.
        deadline_epoch_s: All agents end at this moment (seconds since 1970-01-01 UTC), whenever they started.
        timeout_s: How long an answer is waited for, 5 s as in glibc.
        attempts: How often each name of the search list is asked where no answer, or SERVFAIL, comes; 2 as in glibc.
        max_in_flight: Lookups under way; one that comes due beyond it is counted as ``held_back``.
        max_queries: Questions sent at most.
        seed: Of every random choice.
        fault: Id of the fault that the agents belong to.
        report_to: Pages of the workload prober (``ip:port``) that each agent tells its account; at most 3.
    """

    names: tuple[str, ...] = ()
    hot_names: int = number(100, 1, 2_000, "names asked again and again", whole=True)
    namespace: str = "chaoslib-cp"
    written: str = SHORT
    never_asked_share: float = number(0.0, 0, 1, "share of lookups of names nobody asked for before")
    rate_per_s: float = number(100.0, 0.1, 5_000, "lookups of one agent each second")
    clients: int = number(16, 1, 256, "source ports of one agent", whole=True)
    jitter_ratio: float = number(0.5, 0, 1, "share of a period")
    duration_s: float = number(60.0, 1, 3600, "seconds from an agent's start to its end")
    deadline_epoch_s: float | None = None
    timeout_s: float = number(5.0, 0.1, 30, "seconds for one answer")
    attempts: int = number(2, 1, 5, "times that one name is asked", whole=True)
    max_in_flight: int = number(2_000, 1, 20_000, "lookups of one agent at once", whole=True)
    max_queries: int = number(1_000_000, 1, 20_000_000, "questions of one agent", whole=True)
    seed: int = number(1, 0, 2**63 - 1, "seed of the schedule", whole=True)
    fault: str = ""
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in self.names:
            check(
                matches(_NAME, name),
                "names",
                f"holds {str(name)[:80]!r}; each is a name of the cluster without its domain, such as 'api.shop.svc'",
            )
        check(len(self.names) <= MAX_NAMES, "names", f"must list at most {MAX_NAMES} names, not {len(self.names)}")
        check(matches(_NAMESPACE, self.namespace), "namespace", f"must be a namespace, not {self.namespace!r}")
        ways = " or ".join(map(repr, WAYS_TO_WRITE))
        check(self.written in WAYS_TO_WRITE, "written", f"must be {ways}, not {self.written!r}")
        check_deadline(self.deadline_epoch_s)
        check_report(self.fault, self.report_to)

    @property
    def hot(self) -> tuple[str, ...]:
        """The names that are asked again and again, without the cluster's domain."""
        made_up = (f"{_NOBODYS.format(*divmod(one, 256))}.{self.namespace}.pod" for one in range(self.hot_names))
        return (*self.names, *made_up)[: self.hot_names]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``parse_lookup_profile`` of it gives an equal profile."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}


def parse_lookup_profile(document: Any) -> LookupProfile:
    """Check the JSON form of a profile and build it.

    Args:
        document: the decoded JSON.

    Raises:
        ProfileInvalid: a key is unknown or out of range; the message names it. Nothing was changed.
    """
    check(isinstance(document, dict), "", "must be a JSON object")
    check(document.get("schema") == SCHEMA, "schema", f"must be {SCHEMA}, not {document.get('schema')!r}")
    check_keys(document, LookupProfile, "", _SEVERAL_KEYS)
    listed = {key: document.get(key, []) for key in ("names", "report_to")}
    for key, value in listed.items():
        check(isinstance(value, list), key, "must be a list")
    plain = {key: value for key, value in document.items() if key not in _SEVERAL_KEYS}
    return LookupProfile(names=tuple(listed["names"]), report_to=tuple(listed["report_to"]), **plain)
