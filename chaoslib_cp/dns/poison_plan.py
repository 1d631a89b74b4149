"""What `start_dns_poison` is asked for, checked before anything is changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.dns.corefile_source import CorefileSource
from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.arming import Poison, armed, refuse_armed
from chaoslib_cp.engine.poison.clients import read_clients
from chaoslib_cp.engine.poison.forbidden import refuse_forbidden
from chaoslib_cp.engine.poison.imports import with_imports
from chaoslib_cp.engine.poison.lies import LIES, MAX_TTL_S, NOWHERE, Lie
from chaoslib_cp.engine.poison.lookup import block_for
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.truth import cluster_domain, truth_ttl_s
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Expects
from chaoslib_cp.limits import checked

OLDEST: Final = (1, 11, 3)
"""Since this version of CoreDNS a view knows the time (source: CoreDNS go.mod, expr 1.14; facts/dns.md section 5)."""
LONGEST_S: Final = 3600
LONGEST_ARMING_S: Final = 300
PIN: Final = "pin"
"""Not a lie: the truth of now is kept, whatever becomes true."""
LIE_KEYS: Final = ("name", "lie", "ttl_s", "addresses", "target", "port", "clients")


@dataclass(frozen=True)
class PoisonPlan:
    """Arguments of ``start_dns_poison``, checked.

    Attributes:
        lies: What is told; nothing where something is pinned.
        pins: Names whose address is kept as it is, with the seconds that each answer is kept.
        duration_s: For how long DNS servers tell it.
        arm_within_s: After how long every DNS server must be armed: then the lies begin.
        zone: Where lies stay; empty for the cluster's domain.
        touch_pods: The DNS pods get an annotation, so that their kubelets hand the Corefile on at once.
        prober_is_client: The workload prober hears what only some clients hear.
        expects: What users of DNS are expected to suffer; None where nobody who tells us hears it.
    """

    lies: tuple[Lie, ...]
    pins: tuple[tuple[str, int], ...]
    duration_s: float
    arm_within_s: float
    zone: str
    touch_pods: bool
    prober_is_client: bool
    expects: Expects | None

    def __post_init__(self) -> None:
        """Refuse what needs no look at the cluster."""
        checked("duration_s", self.duration_s, 1, LONGEST_S)
        checked("arm_within_s", self.arm_within_s, 1, LONGEST_ARMING_S)

    @property
    def has_clients(self) -> bool:
        """Whether there is a lie that only some clients hear."""
        return any(lie.clients for lie in self.lies)

    def poison(self, revision: str, now_epoch_s: float, prober: Iterable[str] = ()) -> Poison:
        """The lies with their times: they begin when the time for arming is over.

        Args:
            revision: Its name.
            now_epoch_s: Seconds since 1970.
            prober: Addresses of the workload prober, where it shall hear what only some clients hear.
        """
        begins_s = int(now_epoch_s + self.arm_within_s) + 1
        too = read_clients(list(prober) or None)
        return Poison(
            tuple(lie.heard_too_by(too) for lie in self.lies),
            begins_s,
            begins_s + int(self.duration_s),
            revision,
            pin_s=max([0, *(ttl_s for _, ttl_s in self.pins)]),
            watched=tuple((name, "A") for name, _ in self.pins),
        )

    def corefile(self, source: CorefileSource, poison: Poison) -> str:
        """The Corefile that tells it.

        Raises:
            TargetRefused: This CoreDNS could not end a lie by itself, or cannot be armed; nothing was changed.
            ProfileInvalid: A lie is about what must stay true, or would be over before anybody heard it; nothing was
                changed.
        """
        _refuse_version(source)
        return corefile_that_tells(source, poison, self.zone, self.duration_s)


def corefile_that_tells(source: CorefileSource, poison: Poison, zone: str, duration_s: float) -> str:
    """The Corefile of armed servers.

    Args:
        source: The one that they have.
        poison: What they tell.
        zone: Where lies stay; empty for the cluster's domain.
        duration_s: For how long they are told.

    Raises:
        TargetRefused: This CoreDNS does not answer for the cluster; nothing was changed.
        ProfileInvalid: A lie is about what must stay true, or would be over before anybody heard it, or the Corefile
            cannot be armed; nothing was changed.
    """
    corefile = parse_corefile(with_imports(source.text, source.beside))
    refuse_armed(corefile)
    domain = cluster_domain(corefile, source.port)
    if not domain:
        raise TargetRefused(
            f"no kubernetes plugin in {source} names the cluster's domain; nothing was changed; poison a CoreDNS "
            "that answers for the cluster"
        )
    refuse_forbidden(poison.lies, zone or domain, domain)
    for name in (*(lie.name for lie in poison.lies), *(name for name, _ in poison.watched)):
        if block_for(corefile, name, source.port) != block_for(corefile, domain, source.port):
            raise ProfileInvalid(
                f"{name} is answered by another server block of {source} than {domain}; nothing was changed; "
                "use a name that this block answers"
            )
    kept_s = truth_ttl_s(corefile, domain, source.port)
    if poison.lies and duration_s <= kept_s:
        raise ProfileInvalid(
            f"duration_s is {duration_s:g}, and a cache may keep the truth for {kept_s} s: the lie could be "
            f"over before anybody hears it; nothing was changed; use more than {kept_s}"
        )
    return armed(source.text, poison, domain, source.port, source.beside)


def told_of(given: Mapping[str, Any]) -> tuple[tuple[Lie, ...], tuple[tuple[str, int], ...]]:
    """The lies and the pins that arguments ask for.

    Args:
        given: ``name``, ``lie``, ``ttl_s``, ``addresses``, ``target``, ``port``, ``clients`` and ``also``, as
            ``start_dns_poison`` tells them.

    Raises:
        ProfileInvalid: One could not be said, or ``also`` is no list of such mappings; nothing was changed.
    """
    first = {key: given[key] for key in LIE_KEYS}
    each = [completed(first, one, LIE_KEYS, ("lie", "ttl_s")) for one in (first, *(given["also"] or ()))]
    pins = [_pin(one) for one in each if one["lie"] == PIN]
    return tuple(read_lie(one, (PIN,)) for one in each if one["lie"] != PIN), tuple(pins)


def completed(
    first: Mapping[str, Any], given: object, known: Sequence[str], taken_over: Sequence[str]
) -> dict[str, Any]:
    """What one lie is told to be.

    Args:
        first: The lie that the arguments themselves tell.
        given: It, or one of ``also``.
        known: Keys that it may have, ``name`` first.
        taken_over: Keys of the first that count where it has none.

    Raises:
        ProfileInvalid: It is no such mapping; nothing was changed.
    """
    if not isinstance(given, Mapping) or not given.keys() <= set(known) or "name" not in given:
        raise ProfileInvalid(
            f"a lie of also is {str(given)[:80]!r}; nothing was changed; use a mapping with name, and any of "
            f"{', '.join(known[1:])}"
        )
    return {**{key: first[key] for key in taken_over}, **given}


def _pin(told: Mapping[str, Any]) -> tuple[str, int]:
    if told.get("clients") is not None:
        raise ProfileInvalid(
            "a pin has clients; nothing was changed; leave them out: what a DNS server keeps, it keeps for everybody"
        )
    return _absolute("name", told["name"]), int(checked("ttl_s", told["ttl_s"], 1, MAX_TTL_S, whole=True))


def read_lie(told: Mapping[str, Any], more: Sequence[str] = ()) -> Lie:
    """The lie that a mapping tells.

    Args:
        told: Its keys are ``LIE_KEYS``.
        more: What else may stand for its kind elsewhere, for the message.

    Raises:
        ProfileInvalid: It could not be said; nothing was changed.
    """
    addresses, target = told.get("addresses"), told.get("target") or ""
    if addresses is not None and not isinstance(addresses, list):
        raise ProfileInvalid(f"addresses is {addresses!r}; nothing was changed; use a list of addresses")
    kind = LIES.get(str(told["lie"]))
    if kind is None:
        raise ProfileInvalid(f"lie is {told['lie']!r}; nothing was changed; use one of {', '.join([*LIES, *more])}")
    return Lie(
        kind=str(told["lie"]),
        name=_absolute("name", told["name"]),
        ttl_s=told["ttl_s"],
        addresses=tuple(map(str, addresses or NOWHERE[:1])) if kind.has_addresses else (),
        target=_absolute("target", target) if target else "",
        port=told.get("port") or 0,
        clients=read_clients(told.get("clients")),
    )


def _absolute(what: str, given: object) -> str:
    if not isinstance(given, str) or not given:
        raise ProfileInvalid(f"{what} is {given!r}; nothing was changed; use a DNS name")
    return fully_qualified(given)


def _refuse_version(source: CorefileSource) -> None:
    least = ".".join(map(str, OLDEST))
    if source.version is None:
        raise TargetRefused(
            f"image {source.image} tells no version of CoreDNS, and a lie ends by itself only from {least} on; nothing "
            "was changed; give the image a tag with its version"
        )
    if source.version < OLDEST:
        raise TargetRefused(
            f"CoreDNS {'.'.join(map(str, source.version))} could not end a lie by itself; nothing was changed; use "
            f"{least} or later"
        )
