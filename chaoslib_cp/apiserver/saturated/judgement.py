"""From evidence to a word: which resource is saturated, why, or between which of them nobody can tell. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.apiserver.saturated.conditions import KNEE_S
from chaoslib_cp.apiserver.saturated.evidence import Evidence
from chaoslib_cp.apiserver.saturated.memory import Memory
from chaoslib_cp.apiserver.saturated.rules import RULES, Resource, Rule

#: The gravest first. Each may bring those after it along: a server that lacks CPU lets requests wait for seats and
#: times its etcd too long, a slow etcd keeps seats taken.
ORDER: Final[tuple[Resource, ...]] = ("memory", "network", "cpu", "etcd", "seats")
NOTHING: Final = "nothing"
UNKNOWN: Final = "unknown"
#: Beats that are slow or fail by chance, on a server that is well.
_CHANCE_SHARE: Final = 0.2
_GONE: Final = ("refused", "reset")


@dataclass(frozen=True)
class Verdict:
    """What of one server is saturated.

    Attributes:
        server: ``ip:port``.
        resource: One of ``ORDER``, "nothing" or "unknown".
        words: The evidence in one line, with its numbers.
        also: Other resources that are marked; the first one explains them.
        between: Where nobody can tell: which it may be.
    """

    server: str
    resource: str
    words: str
    also: tuple[Resource, ...] = ()
    between: tuple[Resource, ...] = ()


def judge(seen: Evidence) -> Verdict:
    """Judge one server. What is not known is no verdict: it is told what it may be, and what is missing."""
    marks = [rule for rule in RULES if rule.holds(seen)]
    if (
        seen.memory.went_away
    ):  # one that has just come back reads everything anew: its CPU and its etcd are busy with that
        marks = [rule for rule in marks if rule.resource in ("memory", "network")]
    if marks:
        return _marked(seen, marks)
    if not seen.asked:
        return Verdict(seen.server, UNKNOWN, f"{seen.void} calls, and none counts: this machine itself was too busy")
    if not suffers(seen):
        return Verdict(seen.server, NOTHING, _calm_words(seen))
    missing = [rule for rule in RULES if rule.holds(seen) is None]
    between = _between(seen, missing)
    lacking = [rule for rule in missing if rule.resource in between]
    return Verdict(seen.server, UNKNOWN, _unknown_words(seen, lacking), between=between)


def suffers(seen: Evidence) -> bool:
    """Whether whoever asks is not served as usual."""
    is_slow = any(one.median_s >= KNEE_S or one.slow_share > _CHANCE_SHARE for one in seen.waits)
    return is_slow or not seen.waits or seen.told_off > _CHANCE_SHARE * seen.asked or seen.memory.went_away


def _marked(seen: Evidence, marks: list[Rule]) -> Verdict:
    resources = [one for one in ORDER if any(rule.resource == one for rule in marks)]
    chief = resources[0]
    if chief == "network" and "cpu" in resources and _mostly_server(seen):
        chief = "cpu"
    words = "; ".join(rule.words(seen) for rule in marks if rule.resource == chief)
    return Verdict(seen.server, chief, words, also=tuple(one for one in resources if one != chief))


def _mostly_server(seen: Evidence) -> bool:
    """Whether the process takes longer than the way to it."""
    return seen.livez is not None and seen.connect_s is not None and seen.livez.median_s > 2 * seen.connect_s


def _between(seen: Evidence, missing: Iterable[Rule]) -> tuple[Resource, ...]:
    """What may be saturated as far as anybody can tell."""
    if seen.memory.went_away or any(seen.failures.get(one) for one in _GONE):
        return ("memory",)  # or a crash, or somebody who restarts it
    found = {rule.resource for rule in missing}
    return tuple(one for one in ORDER if one in found and one != "memory")


def _calm_words(seen: Evidence) -> str:
    words = ", ".join(
        f"{name} {wait.median_s * 1000:.0f} ms"
        for name, wait in (("/livez", seen.livez), ("/version", seen.version), ("a read from etcd", seen.stored))
        if wait is not None
    )
    unseen = "" if seen.metrics else "; of other priority levels than the observer's nothing is seen"
    return f"answers as it should: {words}{unseen}"


def _unknown_words(seen: Evidence, missing: list[Rule]) -> str:
    failed = ", ".join(f"{count} x {failure}" for failure, count in sorted(seen.failures.items()))
    slow = max((one.median_s for one in seen.waits), default=None)
    told = [
        "" if slow is None else f"answers take up to {slow * 1000:.0f} ms",
        f"{seen.asked} calls failed so: {failed}" if failed else "",
        _end_words(seen.memory),
    ]
    lacking = "; ".join(dict.fromkeys(rule.looks_at for rule in missing))
    why = f"; not seen: {lacking}" if lacking else "; no rule knows why"
    return ", ".join(one for one in told if one) + why


def _end_words(memory: Memory) -> str:
    """What became of its processes, where that was no kill for memory as far as anybody can tell."""
    if not memory.went_away:
        return ""
    if memory.ended_otherwise:
        reasons = sorted({one.reason for one in memory.ends or ()})
        return f"its container ended by itself or was ended ({', '.join(reasons)})"
    if memory.growth is None:
        return "it went away, and nobody had seen its memory before"
    return "it went away, and its memory had not grown when it was last seen"
