"""What CoreDNS makes of a Corefile: which server block answers a name, and what its imports of snippets stand for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chaoslib_cp.engine.poison.addresses import DNS, Address, fully_qualified
from chaoslib_cp.engine.poison.corefile import IMPORT, Corefile, Directive, ServerBlock, Snippet
from chaoslib_cp.engine.poison.tokens import shown, unfit

_MOST_LINES: Final = 10_000  # CoreDNS allows as many imports (source: github.com/coredns/caddy, ``caddyfile/parse.go``)
_DEEPEST: Final = 10


def block_for(corefile: Corefile, zone: str, port: int) -> ServerBlock | None:
    """The server block that answers for a name: of those on that port, the one with the longest zone that holds it.

    A block with a ``view`` answers some clients or questions only and is passed over, as CoreDNS passes it over for all
    others. Where blocks share a zone because each is bound to an address of its own, it is the first of them. Keys with
    a variable, and blocks that only an import brings in, are not seen.

    Args:
        corefile: What is served.
        zone: A name, with or without the dot at its end.
        port: Of plain DNS: UDP and TCP.

    Returns:
        None where CoreDNS would refuse the question.
    """
    name = fully_qualified(zone)
    while True:
        for block in corefile.blocks:
            if (DNS, name, port) in block.addresses and not _has_view(corefile, block):
                return block
        if name == ".":
            return None
        name = name.partition(".")[2] or "."


def resolve_snippets(corefile: Corefile, block: ServerBlock) -> tuple[Directive, ...]:
    """The directives of a block with those of its snippets in the place of each import, at every depth.

    An import of a file, a pattern, or a snippet that is not defined before the block stays as a directive ``import``. A
    directive that came from a snippet has its span inside of the snippet.

    Raises:
        ProfileInvalid: Snippets import each other without end or more than 10 deep, or bring in more than 10,000 lines.
            Nothing was changed.
    """
    known = {one.name: one for one in corefile.snippets if one.span.end <= block.span.start}
    return _Expansion(known).of(block.directives, ())


def served_twice(corefile: Corefile) -> Address | None:
    """What two blocks serve, which CoreDNS refuses to start with; None where each serves something else.

    Blocks with ``view`` or ``bind``, or with an import that may bring one in, may share a zone: they are not compared.
    """
    serving: dict[Address, list[ServerBlock]] = {}
    for block in corefile.blocks:
        for address in block.addresses:
            serving.setdefault(address, []).append(block)
    for address, blocks in serving.items():
        if len(blocks) > 1 and sum({"view", "bind", IMPORT}.isdisjoint(_names(corefile, one)) for one in blocks) > 1:
            return address
    return None


def _has_view(corefile: Corefile, block: ServerBlock) -> bool:
    """Whether a block answers only what its view lets through."""
    return "view" in _names(corefile, block)


def _names(corefile: Corefile, block: ServerBlock) -> set[str]:
    """The plugins of a block."""
    return {directive.name for directive in resolve_snippets(corefile, block)}


class _Expansion:
    """Puts snippets in, and counts the lines that they bring."""

    def __init__(self, known: dict[str, Snippet]) -> None:
        self._known = known
        self._lines = 0

    def of(self, directives: tuple[Directive, ...], inside: tuple[str, ...]) -> tuple[Directive, ...]:
        """The directives with snippets put in; ``inside`` names the snippets that they came from."""
        return tuple(self._each(directives, inside))

    def _each(self, directives: tuple[Directive, ...], inside: tuple[str, ...]) -> Iterator[Directive]:
        """One directive after the other."""
        for directive in directives:
            self._count(directive, inside)
            snippet = self._known.get(directive.arguments[0]) if directive.name == IMPORT else None
            if snippet is not None:
                yield from self._each(snippet.directives, (*inside, snippet.name))
            elif directive.body:
                yield replace(directive, body=self.of(directive.body, inside))
            else:
                yield directive

    def _count(self, directive: Directive, inside: tuple[str, ...]) -> None:
        """Refuse what would not end."""
        self._lines += bool(inside)
        if len(inside) > _DEEPEST or self._lines > _MOST_LINES:
            raise unfit(directive.line, f"snippets import each other too deep or too often, here {shown(inside[-1])}")
