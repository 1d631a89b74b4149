"""What makes a Corefile unfit for a front cache: a cache in front of a backend in the same CoreDNS.

The backend sees the front as its only client, and a lie must live in the cache for exactly its TTL. What needs the
client's address, or bends a TTL, stands against that.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chaoslib_cp.engine.poison.addresses import DNS, fully_qualified
from chaoslib_cp.engine.poison.corefile import IMPORT, Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets
from chaoslib_cp.engine.poison.tokens import shown

_TAKE_IT_OUT: Final = "take it out first, or choose a lie that needs no front cache"
_PLUGINS: Final[Mapping[str, str]] = {
    "acl": "it lets clients in by their address, which behind a front cache is 127.0.0.1",
    "autopath": "it searches by the client's address, which behind a front cache is 127.0.0.1",
    "transfer": "it hands whole zones to clients by their address, which behind a front cache is 127.0.0.1",
}
_CACHE_OPTIONS: Final[Mapping[str, str]] = {
    "serve_stale": "it answers from what has expired, so a lie could outlive its TTL",
    "prefetch": "it asks again before an answer expires, so a lie could be gone before its TTL",
    "keepttl": "it hides how a TTL counts down, which is the proof that a cache holds the lie",
}


def front_cache_refusals(corefile: Corefile, zone: str, port: int) -> tuple[str, ...]:
    """Why no front cache can be put before what answers for a zone.

    Args:
        corefile: As it is now.
        zone: The cluster's domain, with or without the dot at its end.
        port: On which CoreDNS is asked: mostly 53, on OpenShift 5353.

    Returns:
        One line for each reason, with the line of the Corefile and what to do; empty where nothing stands against it.

    Raises:
        ProfileInvalid: Its snippets import each other without end.
    """
    found = [*_unknown_blocks(corefile)]
    block = block_for(corefile, zone, port)
    if block is None:
        found.append(
            f"no server block without a view answers for {fully_qualified(zone)} on port {port}: "
            "name the cluster's domain and the port that CoreDNS listens on"
        )
        return tuple(found)
    directives = resolve_snippets(corefile, block)
    return (
        *found,
        *_imports(directives),
        *_kubernetes(block, directives, fully_qualified(zone)),
        *(_refusal(one, _PLUGINS[one.name]) for one in directives if one.name in _PLUGINS),
        *(
            _refusal(one, _CACHE_OPTIONS[one.name])
            for one in _options(directives, "cache")
            if one.name in _CACHE_OPTIONS
        ),
        *_metadata(corefile, directives, port),
    )


def _refusal(directive: Directive, reason: str) -> str:
    """One line about one directive."""
    return f"Corefile line {directive.line}: {directive.name}: {reason}: {_TAKE_IT_OUT}"


def _options(directives: Iterable[Directive], plugin: str) -> Iterator[Directive]:
    """What stands between the braces of a plugin, wherever it is used."""
    return (option for directive in directives if directive.name == plugin for option in directive.body)


def _unknown_blocks(corefile: Corefile) -> Iterator[str]:
    """Blocks of which the text does not tell what they serve: one of them may be the one that answers."""
    for block in corefile.blocks:
        if block.has_unknown_zone:
            yield (
                f"Corefile line {block.line}: a variable names what this block serves, which the text does not tell: "
                "write its zone and port there"
            )
    snippets = {snippet.name for snippet in corefile.snippets}
    for directive in corefile.imports:
        if directive.arguments[0] in snippets:
            yield (
                f"Corefile line {directive.line}: server blocks come from the snippet {shown(directive.arguments[0])}: "
                "write them in its place"
            )


def _imports(directives: Iterable[Directive]) -> Iterator[str]:
    """Imports that the text does not resolve, at any depth of the block."""
    for directive in directives:
        if directive.name == IMPORT:
            yield (
                f"Corefile line {directive.line}: import {shown(directive.arguments[0])} brings in what the text does "
                f"not tell: write its lines there, or choose a lie that needs no front cache"
            )
        yield from _imports(directive.body)


def _kubernetes(block: ServerBlock, directives: Iterable[Directive], zone: str) -> Iterator[str]:
    """The plugin that knows the truth must be there once, and answer for the zone."""
    plugins = [directive for directive in directives if directive.name == "kubernetes"]
    if not plugins:
        yield (
            f"Corefile line {block.line}: the block that answers for {zone} shows no kubernetes plugin: "
            "poison the DNS server that it asks instead"
        )
    for directive in plugins[1:]:
        yield (
            f"Corefile line {directive.line}: kubernetes is there for the second time, which CoreDNS does not start "
            "with: leave one of them"
        )
    for directive in plugins[:1]:
        served = [fully_qualified(one) for one in directive.arguments] or [one for one, _ in block.zones]
        if not any(one == "." or zone == one or zone.endswith(f".{one}") for one in served):
            yield (
                f"Corefile line {directive.line}: kubernetes answers for {shown(' '.join(served))}, not for {zone}: "
                "name the cluster's own domain"
            )


def _metadata(corefile: Corefile, directives: tuple[Directive, ...], port: int) -> Iterator[str]:
    """Verified pods whose metadata somebody looks at: behind a front cache every question is of no pod."""
    verified = [
        one for one in _options(directives, "kubernetes") if (one.name, one.arguments) == ("pods", ("verified",))
    ]
    used = any(one.name == "metadata" for one in directives) or any(
        "metadata(" in " ".join(option.arguments)
        for block in corefile.blocks
        if any((address.transport, address.port) == (DNS, port) for address in block.addresses)
        for option in _options(resolve_snippets(corefile, block), "view")
    )
    for directive in verified if used else ():
        yield _refusal(directive, "views look at the pod that asks, which behind a front cache is none")
