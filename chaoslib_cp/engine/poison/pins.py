"""Pins: a node cache keeps every good answer for exactly as long as it is told, or asks cluster DNS about a name.

A pin is what masks a failure of cluster DNS: until the kept answers run out, nobody who asks the cache notices it. It
forges nothing, so it is the honest way to a stale answer, too.

A node cache (NodeLocal DNSCache, ``cmd/node-cache`` of kubernetes/dns) is a CoreDNS with few plugins. It has no
``view``, so nothing in it can begin or end by the clock, and its block for ``.`` asks the node's own resolvers: a lie
that cluster DNS tells about a name of the world would never reach a pod behind it. So such a name gets a block of its
own that asks cluster DNS, as the block of the cluster's domain does; the lie itself is told there, behind its gate.

Sources: CoreDNS, plugin cache (``success CAPACITY TTL MINTTL``) and plugin reload (of several blocks the last one says
how often is looked); kubernetes/dns, ``cmd/node-cache/main.go`` (plugins) and ``app/configmap.go`` (variables).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.edits import append, replace_directive
from chaoslib_cp.engine.poison.lies import MAX_TTL_S
from chaoslib_cp.engine.poison.lookup import resolve_snippets
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.revision import REVISION_NAME, Revision
from chaoslib_cp.engine.poison.tokens import shown
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

MOST_NAMES: Final = 16
"""Each is a server block with a cache of its own."""

_CAPACITY: Final = "9984"  # that of the cache plugin where nobody names another (source: CoreDNS, defaultCap)
_RELOAD: Final = "reload 2s 1s"  # the way back takes seconds; the block's own interval is 30 s mostly
_NAME: Final = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+")
_ALSO_AT_A_ROUTE: Final = ("errors", "bind", "prometheus")
_UNFIT: Final[Mapping[str, str]] = {
    "serve_stale": "it answers from what has expired, so no answer would end with its pin",
    "prefetch": "it asks again before an answer expires, so no answer would be as old as its pin",
    "keepttl": "it hides how a TTL counts down, which is the proof of a pin",
}


@dataclass(frozen=True)
class Pin:
    """What the node caches are told.

    Attributes:
        revision: What ``rev.cp.invalid`` says at a cache that runs it.
        pin_s: Each good answer is kept for exactly this long, whatever its own TTL, seconds; 0 leaves it as it is.
        zone: Of the server block that is pinned: the cluster's domain, or ``.`` for names of the world.
        names: Names of the world that are asked of cluster DNS, and pinned likewise.
        domain: The cluster's domain, whose block says how cluster DNS is asked.
    """

    revision: str
    pin_s: int = 0
    zone: str = "cluster.local"
    names: tuple[str, ...] = ()
    domain: str = "cluster.local"

    def __post_init__(self) -> None:
        """Refuse what could not be done to any Corefile."""
        Revision(self.revision)  # refuses what cannot stand in a Corefile
        checked("pin_s", self.pin_s, 0, MAX_TTL_S, whole=True)
        for what in ("zone", "domain"):
            if not getattr(self, what):
                raise ProfileInvalid(f"{what} is empty; nothing was changed; name one, for example cluster.local")
        if not self.pin_s and not self.names:
            raise ProfileInvalid("pin_s is 0 and there are no names; nothing was changed; give one of them")
        if len(self.names) > MOST_NAMES:
            raise ProfileInvalid(f"{len(self.names)} names are given; nothing was changed; use {MOST_NAMES} at most")
        inside = f".{fully_qualified(self.domain)}"
        for name in map(fully_qualified, self.names):
            if not _NAME.fullmatch(name):
                raise ProfileInvalid(f"{shown(name)} in names is no DNS name; nothing was changed; correct it")
            if f".{name}".endswith(inside):
                raise ProfileInvalid(
                    f"{name} in names is in the cluster's domain, which cluster DNS is asked about already; nothing "
                    "was changed; leave it out"
                )


def pinned(text: str, pin: Pin, port: int = 53) -> str:
    """Return the Corefile of node caches that are pinned.

    Args:
        text: The Corefile as it is, with the variables (``__PILLAR__``...) that the caches fill in themselves.
        pin: What they are told.
        port: The port on which they are asked.

    Returns:
        The new text. In the pinned block the option ``success`` of its cache is another, new blocks stand at the end,
        and everything else is as it was, byte for byte.

    Raises:
        ProfileInvalid: It cannot be read, has no such block, or something in it stands against a pin; the message has
            the line of the Corefile. Nothing was changed.
    """
    corefile = parse_corefile(text)
    _refuse_used(corefile, pin, port)
    domain = _block(corefile, pin.domain, port)
    made = _with_pin(corefile, _block(corefile, pin.zone, port), pin) if pin.pin_s else text
    routes = (_route(corefile, domain, fully_qualified(name), pin, port) for name in pin.names)
    for part in (*routes, _canary(corefile, domain, pin, port)):
        made = append(parse_corefile(made), part)
    return made


def _refuse_used(corefile: Corefile, pin: Pin, port: int) -> None:
    """Refuse what is there already: a block of ours is a pin that stands, one of somebody else's is his."""
    wanted = {(fully_qualified(name), port) for name in pin.names}
    for block in corefile.blocks:
        for zone, at in block.zones:
            if zone == REVISION_NAME:
                raise _refused(
                    block.line, f"there is a block for {zone} already", "run `chaos cp recover`, or stop the first pin"
                )
            if (zone, at) in wanted:
                raise _refused(block.line, f"there is a block for {zone} already", "leave that name out")


def _block(corefile: Corefile, zone: str, port: int) -> ServerBlock:
    """The server block with exactly this zone."""
    wanted = (fully_qualified(zone), port)
    for block in corefile.blocks:
        if wanted in block.zones:
            return block
    there = ", ".join(f"{zone}:{at}" for block in corefile.blocks for zone, at in block.zones) or "nothing"
    raise ProfileInvalid(
        f"the Corefile of the node caches has no block for {wanted[0]}:{port}, only for {there[:200]}; nothing was "
        "changed; name the zone of one of its blocks"
    )


def _with_pin(corefile: Corefile, block: ServerBlock, pin: Pin) -> str:
    """The Corefile with another option ``success`` in the cache of a block."""
    cache = _cache(corefile, block, pin.zone)
    for option in cache.body:
        if option.name in _UNFIT:
            raise _refused(option.line, f"{option.name}: {_UNFIT[option.name]}", "take it out first")
        if (
            option.name == "disable"
            and option.arguments[:1] == ("success",)
            and _covers(option.arguments[1:], pin.zone)
        ):
            raise _refused(option.line, "no good answer is cached here", "take `disable success` out first")
    old = next((option for option in reversed(cache.body) if option.name == "success"), None)
    capacity = next(iter(old.arguments), _CAPACITY) if old else _CAPACITY
    success = f"success {capacity} {pin.pin_s} {pin.pin_s}"
    if old:
        return replace_directive(corefile, block, old, success)
    lines = [f"        {line}" for line in (success, *(corefile.source(option) for option in cache.body))]
    head = " ".join(("cache", *cache.arguments))
    return replace_directive(corefile, block, cache, "\n".join([f"{head} {{", *lines, "    }"]))


def _cache(corefile: Corefile, block: ServerBlock, zone: str) -> Directive:
    """The cache of a block: ``cache [TTL] [ZONES...]``; without zones it is for all of the block's."""
    cache = next((one for one in resolve_snippets(corefile, block) if one.name == "cache"), None)
    if cache is None:
        raise _refused(block.line, f"the block for {fully_qualified(zone)} has no cache", "pin a block that has one")
    zones = cache.arguments[1:] if cache.arguments[:1] and cache.arguments[0].isdecimal() else cache.arguments
    if zones and not _covers(zones, zone):
        raise _refused(cache.line, f"the cache is for {' '.join(zones)[:100]} only", "pin a zone that it is for")
    return cache


def _covers(zones: tuple[str, ...], zone: str) -> bool:
    """Whether a zone is one of these, or below one; without any, all are meant."""
    inside = f".{fully_qualified(zone)}"
    return not zones or any(inside.endswith(f".{fully_qualified(one)}".replace("..", ".")) for one in zones)


def _route(corefile: Corefile, domain: ServerBlock, name: str, pin: Pin, port: int) -> str:
    """A block for one name that asks cluster DNS; its cache keeps a lie for as long as the lie's TTL says."""
    directives = resolve_snippets(corefile, domain)
    forward = [one for one in directives if one.name == "forward"]
    if not forward:
        raise _refused(domain.line, "the block of the cluster's domain does not say where it asks (forward)", "add it")
    kept = f"{pin.pin_s} {pin.pin_s}" if pin.pin_s else MAX_TTL_S
    cache = f"    cache {{\n        success {_CAPACITY} {kept}\n        denial {_CAPACITY} {MAX_TTL_S}\n    }}"
    also = [one for one in directives if one.name in _ALSO_AT_A_ROUTE]
    lines = [*_sources(corefile, also), cache, *_sources(corefile, forward)]
    return "\n".join([f"{name}:{port} {{", *lines, "}"])


def _canary(corefile: Corefile, domain: ServerBlock, pin: Pin, port: int) -> str:
    """The block that says which revision a cache runs. It is the last one, so its ``reload`` counts."""
    bound = [corefile.source(one) for one in resolve_snippets(corefile, domain) if one.name == "bind"]
    return Revision(pin.revision).block(port, (*bound, _RELOAD))


def _sources(corefile: Corefile, directives: list[Directive]) -> Iterator[str]:
    return (f"    {corefile.source(one)}" for one in directives)


def _refused(line: int, what: str, instead: str) -> ProfileInvalid:
    """One line about a line of the Corefile."""
    return ProfileInvalid(f"Corefile of the node caches, line {line}: {what}; nothing was changed; {instead}")
