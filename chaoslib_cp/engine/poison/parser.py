"""Reads a Corefile by its structure.

The rules are those of CoreDNS' own parser (source: github.com/coredns/caddy, ``caddyfile/parse.go``). Where that parser
takes a text that its author cannot have meant (a last brace that is missing or too many), this one refuses: an edit
there would do something else than it says. Which plugins exist, and what they take, is left to CoreDNS.
"""

from collections.abc import Iterator
from typing import Final

from chaoslib_cp.engine.poison.addresses import Address, addresses_of
from chaoslib_cp.engine.poison.corefile import IMPORT, Corefile, Directive, ServerBlock, Snippet
from chaoslib_cp.engine.poison.tokens import Span, Token, is_new_line, read_tokens, shown, unfit

_MOST_ZONES: Final = 10_000  # a short key can stand for 128; clusters have a handful
_DEEPEST: Final = 10  # no plugin has more than three levels; a deeper text is an accident or an attack


def parse_corefile(text: str) -> Corefile:
    """Read a Corefile; an empty one has no blocks.

    Raises:
        ProfileInvalid: It is none, or not one that can be edited safely; the message has the line and the reason.
            Nothing was changed.
    """
    reader = _Reader(text)
    found = list(reader.parts())
    return Corefile(
        text,
        tuple(part for part in found if isinstance(part, ServerBlock)),
        tuple(part for part in found if isinstance(part, Snippet)),
        tuple(part for part in found if isinstance(part, Directive)),
    )


class _Reader:
    """Goes once through the words of a Corefile."""

    def __init__(self, text: str) -> None:
        self._tokens = read_tokens(text)
        self._at = 0
        self._names: set[str] = set()
        self._zones = 0

    def parts(self) -> Iterator[ServerBlock | Snippet | Directive]:
        """Server blocks, snippets and imports, in order."""
        while token := self._next():
            if token.text == IMPORT and self._on_new_line():
                yield self._import(strict=True)
            else:
                yield self._block()

    def _next(self) -> Token | None:
        """The next word, which is not taken yet."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> Token:
        """Take the next word, which is there."""
        self._at += 1
        return self._tokens[self._at - 1]

    def _last(self) -> Token:
        """The word that was taken last."""
        return self._tokens[self._at - 1]

    def _on_new_line(self) -> bool:
        """Whether the next word, which is there, is the first of its line."""
        return self._at == 0 or is_new_line(self._last(), self._tokens[self._at])

    def _next_is(self, text: str) -> bool:
        """Whether the next word is this one."""
        token = self._next()
        return token is not None and token.text == text

    def _block(self) -> ServerBlock | Snippet:
        """A server block or a snippet, from its keys to its end."""
        first = self._tokens[self._at]
        keys = self._keys()
        name = keys[0].text[1:-1] if len(keys) == 1 and keys[0].text[:1] == "(" and keys[0].text[-1:] == ")" else None
        if name is not None and self._next() is not None:
            return self._snippet(name, first)
        addresses = tuple(address for key in keys for address in self._addresses(key))
        if self._next_is("{"):
            directives = self._braced(depth=0, strict=True)
            closing: int | None = self._last().span.start
        else:
            directives, closing = self._directives(depth=0, strict=True), None
            if stray := self._next():
                raise unfit(stray.line, "a closing brace closes nothing")
        span = Span(first.span.start, self._last().span.end)
        return ServerBlock(tuple(key.text for key in keys), addresses, directives, first.line, span, closing)

    def _addresses(self, key: Token) -> tuple[Address, ...]:
        """What a key stands for."""
        found = addresses_of(key.text, key.line)
        self._zones += len(found)
        if self._zones > _MOST_ZONES:
            raise unfit(key.line, f"the keys up to here stand for more than {_MOST_ZONES} zones")
        return found

    def _snippet(self, name: str, first: Token) -> Snippet:
        """A snippet, behind its name."""
        if name in self._names:
            raise unfit(first.line, f"the snippet {shown(name)} is there already")
        if not self._next_is("{"):
            raise unfit(first.line, f"the snippet {shown(name)} has no brace behind its name")
        self._names.add(name)
        directives = self._braced(depth=0, strict=False)
        return Snippet(name, directives, first.line, Span(first.span.start, self._last().span.end))

    def _keys(self) -> list[Token]:
        """The keys of a block, without their commas; what follows is a brace, a new line or the end."""
        keys: list[Token] = []
        expecting = False
        first = self._tokens[self._at]
        while (token := self._next()) and token.text != "{":
            if keys and not expecting and self._on_new_line():
                break
            self._refuse_as_key(token)
            self._take()
            expecting = token.text.endswith(",")
            keys.append(Token(token.text.removesuffix(","), token.line, token.span))
        if expecting or not keys:
            raise unfit(first.line, "a key is missing: there is a comma or a brace without one")
        return keys

    def _refuse_as_key(self, token: Token) -> None:
        """Refuse a word that CoreDNS does not read as a key, or should not."""
        if token.text in ("", "}"):
            raise unfit(token.line, f"{shown(token.text)} is no key of a server block")
        if token.text == IMPORT and self._on_new_line():
            raise unfit(token.line, "an import stands where a key is expected")

    def _braced(self, depth: int, strict: bool) -> tuple[Directive, ...]:
        """What stands between two braces; both are taken."""
        opening = self._take()
        if depth > _DEEPEST:
            raise unfit(opening.line, f"braces are more than {_DEEPEST} deep")
        directives = self._directives(depth, strict)
        if self._next() is None:
            raise unfit(opening.line, "a brace is opened and never closed")
        self._take()
        return directives

    def _directives(self, depth: int, strict: bool) -> tuple[Directive, ...]:
        """Lines up to a closing brace or the end, neither of which is taken."""
        found: list[Directive] = []
        while (token := self._next()) and token.text != "}":
            found.append(self._import(strict) if token.text == IMPORT else self._directive(depth, strict))
        return tuple(found)

    def _import(self, strict: bool) -> Directive:
        """An import: one word behind it, and nothing else on its line."""
        first = self._take()
        arguments = self._arguments()
        more = self._next()
        braced = more is not None and not self._on_new_line() and (strict or more.text != "}")
        if len(arguments) != 1 or not arguments[0] or braced:
            raise unfit(first.line, "an import takes one name, file or pattern, and nothing behind it")
        return Directive(IMPORT, arguments, (), first.line, Span(first.span.start, self._last().span.end))

    def _arguments(self) -> tuple[str, ...]:
        """The words up to the end of the line or a brace."""
        words: list[str] = []
        while (token := self._next()) and token.text not in ("{", "}") and not self._on_new_line():
            words.append(self._take().text)
        return tuple(words)

    def _directive(self, depth: int, strict: bool) -> Directive:
        """One line, with what its braces hold; CoreDNS takes an opening brace for its own on the next line, too."""
        first = self._take()
        if first.text == "{":
            raise unfit(first.line, "a brace is opened without a name before it")
        arguments = self._arguments()
        body: tuple[Directive, ...] = ()
        if self._next_is("{"):
            body = self._braced(depth + 1, strict=False)
        follower = self._next()
        if follower and not self._on_new_line() and (strict or follower.text != "}"):
            raise unfit(follower.line, f"{shown(follower.text)} must stand on a line of its own")
        return Directive(first.text, arguments, body, first.line, Span(first.span.start, self._last().span.end))
