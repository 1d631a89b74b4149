"""What a Corefile consists of: server blocks, snippets and imports, each with its place in the text."""

from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.poison.addresses import Address, has_variable
from chaoslib_cp.engine.poison.tokens import Span

IMPORT: Final = "import"
"""The one directive that belongs to the language and not to a plugin."""


@dataclass(frozen=True)
class Directive:
    """One line of a server block, a snippet or another directive.

    Attributes:
        name: Its first word: a plugin, an option of one, or ``import``.
        arguments: The other words of the line, without quotes.
        body: What stands between its braces.
        line: Where it begins, from 1.
        span: From its name to its last word or closing brace.
    """

    name: str
    arguments: tuple[str, ...]
    body: tuple["Directive", ...]
    line: int
    span: Span


@dataclass(frozen=True)
class ServerBlock:
    """What CoreDNS does for some zones on some ports.

    Attributes:
        keys: As written, without commas.
        addresses: What the keys stand for; a key with a variable stands for nothing that the text tells.
        directives: As written: an import is one of them.
        line: Where its first key is, from 1.
        span: From its first key to its closing brace, or to its last word where it has no braces.
        closing: Place of its closing brace; None without braces, which only the last block can be.
    """

    keys: tuple[str, ...]
    addresses: tuple[Address, ...]
    directives: tuple[Directive, ...]
    line: int
    span: Span
    closing: int | None

    @property
    def zones(self) -> tuple[tuple[str, int], ...]:
        """Each zone in small letters with the dot at its end, with its port."""
        return tuple((address.zone, address.port) for address in self.addresses)

    @property
    def has_unknown_zone(self) -> bool:
        """Whether a key has a variable: which zone it is, only the environment of CoreDNS tells."""
        return any(has_variable(key) for key in self.keys)


@dataclass(frozen=True)
class Snippet:
    """Lines that have a name and stand where that name is imported, in what follows.

    Attributes:
        name: Without its parentheses.
        directives: Its lines, read as those of a server block.
        line: Where its name is, from 1.
        span: From its name to its closing brace.
    """

    name: str
    directives: tuple[Directive, ...]
    line: int
    span: Span


@dataclass(frozen=True)
class Corefile:
    """A Corefile that was read.

    Attributes:
        text: All of it, as it was given.
        blocks: In the order of the text.
        snippets: In the order of the text.
        imports: Those outside of all blocks, in the order of the text. What they bring in is not in ``blocks``.
    """

    text: str
    blocks: tuple[ServerBlock, ...]
    snippets: tuple[Snippet, ...]
    imports: tuple[Directive, ...]

    def source(self, part: Directive | ServerBlock | Snippet) -> str:
        """The text of a part of it."""
        return self.text[part.span.start : part.span.end]
