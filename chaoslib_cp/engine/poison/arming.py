"""Arming: cluster DNS gets a cache in front of itself, behind which lies begin and end without another reload.

The server block that answers for the cluster's domain becomes two in the same CoreDNS: a front, which keeps the keys
and has a cache, and a backend on another port, which knows the truth. Lies stand beside the backend, each behind its
gate (``lies.py``). So a lie is withdrawn by the clock alone, and what caches made of it stays there for its TTL: any
reload would throw them away (source: CoreDNS, plugins cache and reload; each reload builds every plugin anew).

The backend sees the front as its only client. So a lie that only some clients hear stands beside the front, before its
cache: these servers keep nothing of it, and whoever asked keeps it for its TTL.

Or a rogue DNS server tells the lies (``rogue.py``): then names that are lied about have a front and a port of their own
that ask the rogue, and the truth stands on a third port, where the rogue finds it. A rogue that is dead is passed over,
and the truth is heard.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.edits import append, replace_block
from chaoslib_cp.engine.poison.imports import NOTHING_BESIDE, Beside, with_imports
from chaoslib_cp.engine.poison.lies import MAX_TTL_S, Lie, rfc3339
from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.revision import REVISION_NAME, Revision
from chaoslib_cp.engine.poison.risks import front_cache_refusals
from chaoslib_cp.engine.poison.truth import cluster_domain
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

BACKEND_PORT: Final = 5399
"""Where the backend answers, at every address of its pod: what a replica says past its cache can be asked there."""
TRUTH_PORT: Final = 5398
"""Where the truth is while a rogue tells lies: ``BACKEND_PORT`` then says what is said past the cache, true or not."""
USUAL_FAILURES_S: Final = 5
"""For how long a cache keeps a failure that nobody says otherwise of (source: CoreDNS, plugin/cache, servfail)."""
_RELOAD: Final = "reload 2s 1s"
"""How often CoreDNS looks for a new Corefile while it is armed: the way back takes seconds (facts/dns.md 1a)."""
# What belongs to the server that clients ask; all other plugins are about the truth, and go behind the cache.
_FRONT: Final = frozenset({"bind", "bufsize", "debug", "health", "log", "loop", "loadbalance", "nsid", "pprof"})
_BOTH: Final = frozenset({"bind", "errors"})
_ONCE: Final = frozenset({"prometheus"})
# What a front for single names takes over from the one for all others.
_OF_NAMES: Final = frozenset({"bind", "errors", "log", "loadbalance"})
_REPLACED: Final = frozenset({"cache", "reload"})
_LEAST_S: Final = 5
"""CoreDNS keeps every answer for so long at least, and refuses a cache that keeps nothing (source: plugin cache)."""


@dataclass(frozen=True)
class Poison:
    """What is told for how long.

    Attributes:
        lies: Each about other names.
        begins_at_epoch_s: When all gates open, seconds since 1970: when every replica runs this revision.
        ends_at_epoch_s: When they close, whoever is alive by then.
        revision: Its name, which ``rev.cp.invalid`` says.
        pin_s: While the gates are open, caches keep every good answer for this long, true or not, seconds; 0 for as
            long as its TTL says. What is pinned is forgotten then.
        watched: Name and type of more questions to watch, for example a name whose true answer will change.
        rogue: Upstreams, as ``address:port``, that tell the lies; without any the servers tell them themselves.
    """

    lies: tuple[Lie, ...]
    begins_at_epoch_s: int
    ends_at_epoch_s: int
    revision: str
    pin_s: int = 0
    watched: tuple[tuple[str, str], ...] = ()
    rogue: tuple[str, ...] = ()

    @property
    def truth_port(self) -> int:
        """Where the truth is told past every cache."""
        return TRUTH_PORT if self.rogue else BACKEND_PORT

    @property
    def failures_kept_s(self) -> int:
        """For how long the servers' caches must keep failures for the lies, seconds."""
        kept = (lie.ttl_s for lie in self.lies if lie.kind == "servfail" and not lie.clients)
        return max([USUAL_FAILURES_S, *kept])

    def __post_init__(self) -> None:
        """Refuse what could not be told."""
        if not self.lies and not self.pin_s:
            raise ProfileInvalid("there is no lie and no pin; nothing was changed; name one")
        if not self.begins_at_epoch_s < self.ends_at_epoch_s:
            raise ProfileInvalid("the lie would end before it begins; nothing was changed; give it more time")
        checked("pin_s", self.pin_s, 0, MAX_TTL_S, whole=True)
        told = [(lie.name, type_) for lie in self.lies for type_ in lie.types or ("every type",)]
        twice = next((one for one in told if told.count(one) > 1), None)
        if twice:
            raise ProfileInvalid(f"two lies are about {twice[0]} {twice[1]}; nothing was changed; leave one of them")
        self.announced  # noqa: B018 - refuses what cannot stand in a TXT record

    @property
    def announced(self) -> Revision:
        """What the armed servers say of themselves."""
        asked = dict.fromkeys([*(question for lie in self.lies for question in lie.questions), *self.watched])
        return Revision(self.revision, self.begins_at_epoch_s, self.ends_at_epoch_s, tuple(asked), lies=bool(self.lies))


def armed(text: str, poison: Poison, zone: str, port: int = 53, beside: Beside = NOTHING_BESIDE) -> str:
    """Return the Corefile of an armed cluster DNS.

    An import in the block stays an import, and goes to the backend, where everything that it brings in is about the
    truth; else its lines are put in, each where it belongs.

    Args:
        text: The Corefile as it is.
        poison: What it will tell.
        zone: The cluster's domain, for example ``cluster.local``.
        port: The port on which the DNS pods are asked.
        beside: The files that it may import.

    Returns:
        The new text; all server blocks but that of the zone are in it byte for byte.

    Raises:
        ProfileInvalid: It cannot be read, or something in it stands against a cache in front, one reason after the
            other; nothing was changed.
    """
    block = _block_to_arm(text, zone, port, beside)
    original = parse_corefile(text)
    split = parse_corefile(with_imports(text, beside, _belongs_in_front, outside_of_blocks=False))
    parts = split.blocks[original.blocks.index(block)]
    shape = _Shape(split, parts, resolve_snippets(split, parts))
    made = replace_block(original, block, "\n".join(_two(shape, poison)))
    lying = (_asking if poison.rogue else _lying)(shape, poison, port)
    for part in (poison.announced.block(port, shape.bound), *lying):
        made = append(parse_corefile(made), part)
    return made


def marked(text: str, revision: str, port: int = 53) -> str:
    """Return a Corefile that differs from another one by its revision alone: whoever reads it reloads, and says so.

    Args:
        text: The Corefile as it is.
        revision: Its name.
        port: The port on which the DNS pods are asked.

    Returns:
        The text with one server block behind it, which also lets CoreDNS look for the next Corefile every 2 s.

    Raises:
        ProfileInvalid: It cannot be read, is armed, or serves nothing on that port; nothing was changed.
    """
    corefile = parse_corefile(text)
    refuse_armed(corefile)
    block = block_for(corefile, cluster_domain(corefile, port) or ".", port)
    if block is None:
        raise ProfileInvalid(f"no server block without a view answers on port {port}; nothing was changed")
    bound = [corefile.source(one) for one in block.directives if one.name == "bind"]
    return append(corefile, Revision(revision).block(port, [*bound, _RELOAD]))


def _block_to_arm(text: str, zone: str, port: int, beside: Beside) -> ServerBlock:
    """The block that answers for the zone, when nothing stands against a front cache, in it or in what it imports.

    Raises:
        ProfileInvalid: Something does; nothing was changed.
    """
    whole = parse_corefile(with_imports(text, beside))
    refuse_armed(whole)
    refused = front_cache_refusals(whole, zone, port)
    found, block = block_for(whole, zone, port), block_for(parse_corefile(text), zone, port)
    if found and (block is None or found.keys != block.keys):
        refused = (*refused, f"the server block that answers for {zone} is in a file that the Corefile imports")
    counted = "" if whole.text == text else "lines are counted with what the Corefile imports; "
    if refused or block is None:
        raise ProfileInvalid(f"{'; '.join(refused)}; {counted}nothing was changed")
    return block


def _belongs_in_front(plugins: Collection[str]) -> bool:
    """Whether some of what an import brings in does not go behind the cache, or is replaced."""
    return not (_FRONT | _BOTH | _ONCE | _REPLACED).isdisjoint(plugins)


@dataclass(frozen=True)
class _Shape:
    """The block that is armed: with its snippets, and with those imports that do not go behind as they are."""

    corefile: Corefile
    block: ServerBlock
    directives: tuple[Directive, ...]

    def sources(self, names: Collection[str]) -> list[str]:
        """The lines of these plugins."""
        return [self.corefile.source(one) for one in self.directives if one.name in names]

    def named(self, name: str) -> Directive | None:
        """The first line of a plugin."""
        return next((one for one in self.directives if one.name == name), None)

    @property
    def behind(self) -> list[str]:
        """What goes behind the cache: all that is about the truth, and what is needed on both sides."""
        elsewhere = (_FRONT | _ONCE | _REPLACED) - _BOTH
        return self.sources({one.name for one in self.directives} - elsewhere)

    @property
    def bound(self) -> list[str]:
        """To which addresses it is bound."""
        return self.sources({"bind"})


def refuse_armed(corefile: Corefile) -> None:
    """Refuse a Corefile that is armed already: a second fault would be told over the first.

    Raises:
        ProfileInvalid: It is; nothing was changed.
    """
    for block in corefile.blocks:
        for zone, port in block.zones:
            if port in (BACKEND_PORT, TRUTH_PORT) or zone == REVISION_NAME:
                raise ProfileInvalid(
                    f"line {block.line} of the Corefile has {zone} on port {port} already, as an armed one has; "
                    "nothing was changed; run `chaos cp recover`, or stop the fault that armed it"
                )


def _two(shape: _Shape, poison: Poison) -> Iterator[str]:
    """The block as a front and a backend; a pin is a front of its own before it, while its gate is open."""
    keys, to_backend = (
        ", ".join(shape.block.keys),
        f"    forward . {_loopback(shape)}:{poison.truth_port} {{\n        max_fails 0\n    }}",
    )
    if poison.pin_s:
        begins, ends = rfc3339(poison.begins_at_epoch_s), rfc3339(poison.ends_at_epoch_s)
        yield f"{keys} {{"
        yield f'    view pin {{\n        expr now() >= date("{begins}") && now() < date("{ends}")\n    }}'
        yield from _indented(shape.sources(_BOTH))
        yield from _cache(shape, poison, f"{poison.pin_s} {poison.pin_s}")
        yield to_backend
        yield "}"
    yield f"{keys} {{"
    yield from _indented(shape.sources(_FRONT | _BOTH | _ONCE))
    yield from _cache(shape, poison)
    yield to_backend
    yield f"    {_RELOAD}"
    yield "}"
    yield f"{' '.join(f'{zone}:{poison.truth_port}' for zone, _ in shape.block.zones)} {{"
    yield from _indented(shape.behind)
    yield "}"


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _cache(shape: _Shape, poison: Poison, pinned: str = "") -> Iterator[str]:
    """A cache that keeps lies for their whole TTL, and the truth for as long as the one that was there, or pinned."""
    kept = [lie for lie in poison.lies if not lie.clients]
    longest_s = max([_LEAST_S, *(lie.ttl_s for lie in kept)])
    good_s, denied_s = max(longest_s, _cap_s(shape, "success")), max(longest_s, _cap_s(shape, "denial"))
    yield "    cache {"
    yield f"        success 9984 {pinned or good_s}"
    yield f"        denial 9984 {denied_s}"
    if poison.failures_kept_s > USUAL_FAILURES_S:  # CoreDNS before 1.9.4 would not start with this option
        yield f"        servfail {poison.failures_kept_s}s"
    yield "    }"


def _cap_s(shape: _Shape, part: str) -> int:
    """How long the block's own cache keeps answers at most, seconds: ``cache [TTL] { success CAPACITY [TTL] }``."""
    cache = shape.named("cache")
    if cache is None:
        return 0
    option = next((one.arguments[1:2] for one in cache.body if one.name == part), ())
    given = [*option, *cache.arguments[:1]]
    return next((int(one) for one in given if one.isdecimal()), MAX_TTL_S)


def _loopback(shape: _Shape) -> str:
    """The backend's address: its own where the block is bound to addresses, which then are the only ones."""
    bind = shape.named("bind")
    return bind.arguments[0] if bind and bind.arguments else "127.0.0.1"


def _lying(shape: _Shape, poison: Poison, port: int) -> Iterator[str]:
    bound = "".join(f"    {line}\n" for line in shape.bound)
    for number, lie in enumerate(poison.lies, 1):
        where = port if lie.clients else BACKEND_PORT
        told = lie.block(where, f"lie-{number}", poison.begins_at_epoch_s, poison.ends_at_epoch_s)
        yield told.replace("{\n", f"{{\n{bound}", 1)


def _asking(shape: _Shape, poison: Poison, port: int) -> Iterator[str]:
    """For each name a front with a cache, and the same past it: both ask the rogue first, and then the truth.

    Health is looked at after a question that got no answer, and a rogue that has none left is passed over.
    """
    upstreams = " ".join([*poison.rogue, f"{_loopback(shape)}:{TRUTH_PORT}"])
    options = ("policy sequential", "max_fails 1", "health_check 0.5s")
    asks = [f"    forward . {upstreams} {{", *(f"        {one}" for one in options), "    }"]
    for name in dict.fromkeys(lie.name for lie in poison.lies):
        for at, plugins, cache in ((port, _OF_NAMES, [*_cache(shape, poison)]), (BACKEND_PORT, _BOTH, [])):
            taken = _indented(shape.sources(plugins))
            yield "\n".join([f"{name}:{at} {{", *taken, *cache, *asks, "}"]) + "\n"
