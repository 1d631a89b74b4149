"""What a fault says of itself: what it did, what it delivers, when it ends. Plain values that go through JSON.

One ``start_*`` makes one fault. It returns an :class:`Injected`; whatever ends a fault returns an :class:`Ended`. Both
are known by their ``type``, so that no result is taken for one because of a function's name or of a key that it has.

What kinds of faults there are, and what ends them, stands in tables of :class:`FaultKind` and :class:`Mitigation`
(``faults.py``); an extension declares its own as ``FAULTS`` and ``MITIGATIONS``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

# Part of an id that is a label's value of 63 characters at most, with a number behind it.
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
INJECTED: Final = "chaoslib_cp.Injected"
ENDED: Final = "chaoslib_cp.Ended"
NOT_PLAYED: Final = "chaoslib_cp.NotPlayed"

DNS_NAMESPACE: Final = "{dns_namespace}"
"""In ``FaultKind.rights``: the namespace of the cluster's DNS pods, which an owner names to `chaos cp manifests`."""

DNS_POISON: Final = "dns_poison"
DNS_ROGUE: Final = "dns_rogue"
LIES: Final = (DNS_POISON, DNS_ROGUE)
"""Kinds of the faults that let DNS servers lie: results have figures of their own for these."""

DNS_LOAD: Final = "dns_load"
"""Kind of the faults whose agents look names up: what they tell is no rollout to every node."""
FAULT_TROUBLE: Final = "fault_trouble"
"""Event of the timeline: nothing of a fault has begun, and somebody says why (``fault``, ``words``)."""
LOAD_CPU: Final = "load_cpu"
"""Event of the timeline: CPU seconds that a load on the runner's machine has used (``fault``, ``client_cpu_s``)."""
RAMP_RUNG: Final = "ramp_rung"
"""Event of the timeline: one dwell of a ramp (``fault``, ``rung``)."""
RAMP_OVER: Final = "ramp_over"
"""Event of the timeline: what a ramp found (``fault``, ``ramp``)."""
API_WORK: Final = "api_work"
"""Event of the timeline: what one API server had done by then, by flow (``control/api_work.py``)."""
API_FLOWS: Final = "api_flows"
"""Event of the timeline: names of the FlowSchemas, and which of them our own identities are in."""
FAULT_INJECTED: Final = "fault_injected"
FAULT_ENDED: Final = "fault_ended"
"""Events of the timeline that carry them, under ``result``."""

DELETE_LANDED: Final = "delete landed"
"""The administrator's own delete was accepted."""
OWN_DEADLINE: Final = "own deadline"
"""The fault ended by itself, at the time that it carries."""
ROLLBACK: Final = "rollback"
"""A stop action, or the run itself, took it back."""


@dataclass(frozen=True)
class Delivers:
    """What a fault promises to do, measured where it is injected and not at the victim.

    Attributes:
        what: What is counted, in the plural, for example ``agents`` or ``containers restarted``.
        wanted: How many of them; None where nobody knows.
        share: From which share of them on (0..1) it counts as delivered.
        done: How many were, where that is known at once; None where samples of ``vantage`` tell it.
        vantage: Vantage point at the injector whose samples tell it; empty where ``done`` does.
        is_let_in: Whoever asks was let in when it began, so answers of 401 and 403 say nothing of its credentials: a
            server that has just come back gives them until it has read its roles.
        slow_s: From which latency on a good sample of it tells it, too, seconds; None where only bad ones do.
    """

    what: str
    wanted: int | None
    share: float = 0.5
    done: int | None = None
    vantage: str = ""
    slow_s: float | None = None
    is_let_in: bool = False


@dataclass(frozen=True)
class Expects:
    """What the victim is expected to suffer. It is reported as come or not come.

    Attributes:
        vantage: Vantage point it should show at.
        outcome: ``failing`` (anything but ok) or one class of failure.
        share: Share (0..1) of the samples of one window that must have that outcome.
        window_s: Length of a window, seconds.
        within_s: How long after the injection a window may begin, seconds.
        decides: A run in which it did not come is inconclusive. False by default: delivered is not hurt.
    """

    vantage: str
    outcome: str = "failing"
    share: float = 0.5
    window_s: float = 10.0
    within_s: float = 60.0
    decides: bool = False


@dataclass(frozen=True)
class Injected:
    """What a ``start_*`` did.

    Attributes:
        fault: Id of this fault, one of its own in the run, for example ``agent_rollout-1``.
        kind: Which kind of fault it is, the name of its :class:`FaultKind`.
        label: What a report calls it, for example ``agent rollout``.
        delivers: What it promises to do; None when nobody can count it: then the fault counts as delivered.
        expects: What the victim is expected to suffer.
        deadline_epoch_s: When it ends by itself, seconds since 1970; None when it does not, or is over at once.
        lasts: False for what is over as soon as it is done, such as a restart.
        parameters: The effective ones.
        details: What else is worth knowing, by name.
    """

    fault: str
    kind: str
    label: str
    delivers: Delivers | None = None
    expects: tuple[Expects, ...] = ()
    deadline_epoch_s: float | None = None
    lasts: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping that an action returns."""
        known = asdict(self)
        return {"type": INJECTED, **known, "expects": list(known["expects"])}


@dataclass(frozen=True)
class Ended:
    """What ended faults, or did not.

    Attributes:
        faults: Ids of the faults that this ended; empty when there was nothing to end, or it could not.
        by: What did it, one of the constants above or words of your own.
        at_epoch_s: When that was known, seconds since 1970; None when nothing was ended.
        after_epoch_s: It ended between this and ``at_epoch_s``; None when that is not known.
        details: What else is worth knowing, by name.
    """

    faults: tuple[str, ...]
    by: str
    at_epoch_s: float | None = None
    after_epoch_s: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping that an action returns."""
        known = asdict(self)
        return {"type": ENDED, **known, "faults": list(self.faults)}


@dataclass(frozen=True)
class NotPlayed:
    """What an action says that did nothing, because a parameter asks for nothing: the story tells it so.

    Attributes:
        why: Which parameter asks for it, for example ``coupling is none``.
        parameters: The effective ones.
    """

    why: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The plain mapping that an action returns."""
        return {"type": NOT_PLAYED, **asdict(self)}


@dataclass(frozen=True)
class Standing:
    """How a fault stands that was injected a moment ago.

    Attributes:
        has_begun: Something of what it delivers is there, or the fault is over: nobody needs to look again.
        trouble: Why nothing of it is there, in the words of whoever refused it; empty while nobody says so.
        has_parts: What it delivers was made at least, whether it runs or not.
    """

    has_begun: bool = False
    trouble: str = ""
    has_parts: bool = True


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault, a row of the table ``FAULTS``.

    Attributes:
        name: Ids of its faults begin with it, for example ``agent_rollout``.
        label: What a report calls it.
        start: The action that makes one, as ``module:function``.
        stop: The action that takes back what it made, as ``module:function``; empty for what is over at once and
            leaves nothing to take back.
        example: Arguments with which ``start`` is played in seconds: by the tests of all faults, and by a reader.
        standing: What tells how one stands, as ``module:function``: it is given the settings and the fault's id, and
            returns a :class:`Standing`. Asked every 2 s while nothing has begun, for a minute; empty for what is over
            at once.
        rights: What the runner must be allowed to do for it beyond the shipped roles, as rules of a Kubernetes Role,
            each with ``namespace`` beside its keys (empty for the whole cluster, ``DNS_NAMESPACE`` for that of cluster
            DNS).
    """

    name: str = ""
    label: str = ""
    start: str = ""
    stop: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    rights: tuple[Mapping[str, Any], ...] = ()
    standing: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that lacks a part: whoever reads the table relies on it."""
        _require(self, "name", "label", "start")
        if not _NAME.fullmatch(self.name):
            raise ProfileInvalid(f"kind of fault {self.name!r}: a name has small letters, digits and _, 40 at most")


@dataclass(frozen=True)
class Mitigation:
    """What people do against a fault in the middle of it, a row of the table ``MITIGATIONS``.

    Attributes:
        name: Its name in the table.
        label: What a report calls it, for example ``the administrator deletes the agent``.
        action: The action that does it, as ``module:function``; it returns an :class:`Ended`.
        against: Names of the kinds of fault that it can end.
        example: Arguments with which it is played in seconds.
    """

    name: str = ""
    label: str = ""
    action: str = ""
    against: tuple[str, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a row that lacks a part: whoever reads the table relies on it."""
        _require(self, "name", "label", "action", "against")


def read_expects(given: Mapping[str, Any] | None, usual: Expects) -> Expects:
    """What a user expects of the victim, where it differs from what is usual for a kind of fault.

    Args:
        given: Keys of :class:`Expects`, any of them; None for what is usual.
        usual: The kind's own.

    Raises:
        ProfileInvalid: It is no mapping, a key is unknown, or a value is out of its range; nothing was changed.
    """
    if given is None:
        return usual
    known = asdict(usual)
    if not isinstance(given, Mapping) or not known.keys() >= given.keys():
        raise ProfileInvalid(
            f"expects is {str(given)[:200]}; nothing was changed; use a mapping with any of {', '.join(known)}"
        )
    expects = Expects(**{**known, **given})
    for name in ("vantage", "outcome"):
        if not isinstance(getattr(expects, name), str):
            raise ProfileInvalid(f"expects.{name} is {getattr(expects, name)!r}; nothing was changed; use a name")
    if not isinstance(expects.decides, bool):
        raise ProfileInvalid(f"expects.decides is {expects.decides!r}; nothing was changed; use true or false")
    checked("expects.share", expects.share, 0.01, 1)
    checked("expects.window_s", expects.window_s, 1, 300)
    checked("expects.within_s", expects.within_s, 1, 600)
    return expects


def read(output: object) -> Injected | Ended | NotPlayed | None:
    """Read what an action returned; None when it is none of the three.

    Raises:
        ProfileInvalid: It says that it is one and is not: what it did cannot be judged.
    """
    if not isinstance(output, Mapping) or output.get("type") not in _READ:
        return None
    facts = {key: value for key, value in output.items() if key != "type"}
    try:
        return _READ[output["type"]](facts)
    except (KeyError, TypeError) as error:
        raise ProfileInvalid(
            f"an action returned a {output['type']} with wrong keys ({error}); what it did cannot be judged; return "
            "Injected(...).as_dict(), Ended(...).as_dict() or NotPlayed(...).as_dict()"
        ) from error


def _require(row: FaultKind | Mitigation, *parts: str) -> None:
    for part in parts:
        if not getattr(row, part):
            raise ProfileInvalid(f"{type(row).__name__} {row.name!r} has no {part}; fill it in")


def _injected(facts: Mapping[str, Any]) -> Injected:
    delivers: Mapping[str, Any] | None = facts.get("delivers")
    expects: Iterable[Mapping[str, Any]] = facts.get("expects") or ()
    return Injected(
        **{
            **facts,
            "delivers": None if delivers is None else Delivers(**delivers),
            "expects": tuple(Expects(**one) for one in expects),
        }
    )


_READ: Final[Mapping[str, Callable[[Mapping[str, Any]], Injected | Ended | NotPlayed]]] = {
    INJECTED: _injected,
    ENDED: lambda facts: Ended(**{**facts, "faults": tuple(facts["faults"])}),
    NOT_PLAYED: lambda facts: NotPlayed(**facts),
}
