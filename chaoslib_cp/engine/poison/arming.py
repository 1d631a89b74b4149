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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.edits import append, replace_block
from chaoslib_cp.engine.poison.lies import MAX_TTL_S, Lie, rfc3339
from chaoslib_cp.engine.poison.lookup import block_for
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


def armed(text: str, poison: Poison, zone: str, port: int = 53) -> str:
    """Return the Corefile of an armed cluster DNS.

    Args:
        text: The Corefile as it is.
        poison: What it will tell.
        zone: The cluster's domain, for example ``cluster.local``.
        port: The port on which the DNS pods are asked.

    Returns:
        The new text; all server blocks but that of the zone are in it byte for byte.

    Raises:
        ProfileInvalid: It cannot be read, or something in it stands against a cache in front, one reason after the
            other; nothing was changed.
    """
    corefile = parse_corefile(text)
    refuse_armed(corefile)
    refused = front_cache_refusals(corefile, zone, port)
    block = block_for(corefile, zone, port)
    if refused or block is None:
        raise ProfileInvalid(f"{'; '.join(refused)}; nothing was changed")
    made = replace_block(corefile, block, "\n".join(_two(corefile, block, poison)))
    bound = [corefile.source(one) for one in block.directives if one.name == "bind"]
    lying = (_asking if poison.rogue else _lying)(block, corefile, poison, port)
    parts = [poison.announced.block(port, bound), *lying]
    for part in parts:
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


def _two(corefile: Corefile, block: ServerBlock, poison: Poison) -> Iterator[str]:
    """The block as a front and a backend; a pin is a front of its own before it, while its gate is open."""
    front = [one for one in block.directives if one.name in _FRONT | _BOTH | _ONCE]
    behind = [one for one in block.directives if one.name not in _FRONT | _ONCE | _REPLACED or one.name in _BOTH]
    keys, to_backend = (
        ", ".join(block.keys),
        f"    forward . {_loopback(block)}:{poison.truth_port} {{\n        max_fails 0\n    }}",
    )
    if poison.pin_s:
        yield f"{keys} {{"
        begins, ends = rfc3339(poison.begins_at_epoch_s), rfc3339(poison.ends_at_epoch_s)
        yield f'    view pin {{\n        expr now() >= date("{begins}") && now() < date("{ends}")\n    }}'
        yield from _sources(corefile, [one for one in front if one.name in _BOTH])
        yield from _cache(block, poison, f"{poison.pin_s} {poison.pin_s}")
        yield to_backend
        yield "}"
    yield f"{keys} {{"
    yield from _sources(corefile, front)
    yield from _cache(block, poison)
    yield to_backend
    yield f"    {_RELOAD}"
    yield "}"
    yield f"{' '.join(f'{zone}:{poison.truth_port}' for zone, _ in block.zones)} {{"
    yield from _sources(corefile, behind)
    yield "}"


def _sources(corefile: Corefile, directives: Sequence[Directive]) -> Iterator[str]:
    return (f"    {corefile.source(one)}" for one in directives)


def _cache(block: ServerBlock, poison: Poison, pinned: str = "") -> Iterator[str]:
    """A cache that keeps lies for their whole TTL, and the truth for as long as the one that was there, or pinned."""
    kept = [lie for lie in poison.lies if not lie.clients]
    longest_s = max([_LEAST_S, *(lie.ttl_s for lie in kept)])
    good_s, denied_s = max(longest_s, _cap_s(block, "success")), max(longest_s, _cap_s(block, "denial"))
    yield "    cache {"
    yield f"        success 9984 {pinned or good_s}"
    yield f"        denial 9984 {denied_s}"
    if poison.failures_kept_s > USUAL_FAILURES_S:  # CoreDNS before 1.9.4 would not start with this option
        yield f"        servfail {poison.failures_kept_s}s"
    yield "    }"


def _cap_s(block: ServerBlock, part: str) -> int:
    """How long the block's own cache keeps answers at most, seconds: ``cache [TTL] { success CAPACITY [TTL] }``."""
    cache = next((one for one in block.directives if one.name == "cache"), None)
    if cache is None:
        return 0
    option = next((one.arguments[1:2] for one in cache.body if one.name == part), ())
    given = [*option, *cache.arguments[:1]]
    return next((int(one) for one in given if one.isdecimal()), MAX_TTL_S)


def _loopback(block: ServerBlock) -> str:
    """The backend's address: its own where the block is bound to addresses, which then are the only ones."""
    bound = next((one.arguments for one in block.directives if one.name == "bind" and one.arguments), ())
    return bound[0] if bound else "127.0.0.1"


def _bind(corefile: Corefile, block: ServerBlock) -> str:
    return "".join(f"    {corefile.source(one)}\n" for one in block.directives if one.name == "bind")


def _lying(block: ServerBlock, corefile: Corefile, poison: Poison, port: int) -> Iterator[str]:
    for number, lie in enumerate(poison.lies, 1):
        where = port if lie.clients else BACKEND_PORT
        told = lie.block(where, f"lie-{number}", poison.begins_at_epoch_s, poison.ends_at_epoch_s)
        yield told.replace("{\n", f"{{\n{_bind(corefile, block)}", 1)


def _asking(block: ServerBlock, corefile: Corefile, poison: Poison, port: int) -> Iterator[str]:
    """For each name a front with a cache, and the same past it: both ask the rogue first, and then the truth.

    Health is looked at after a question that got no answer, and a rogue that has none left is passed over.
    """
    upstreams = " ".join([*poison.rogue, f"{_loopback(block)}:{TRUTH_PORT}"])
    options = ("policy sequential", "max_fails 1", "health_check 0.5s")
    asks = [f"    forward . {upstreams} {{", *(f"        {one}" for one in options), "    }"]
    for name in dict.fromkeys(lie.name for lie in poison.lies):
        for at, plugins, cache in ((port, _OF_NAMES, [*_cache(block, poison)]), (BACKEND_PORT, _BOTH, [])):
            taken = _sources(corefile, [one for one in block.directives if one.name in plugins])
            yield "\n".join([f"{name}:{at} {{", *taken, *cache, *asks, "}"]) + "\n"
