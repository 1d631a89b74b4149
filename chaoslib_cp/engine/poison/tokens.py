"""The words of a Corefile, each with its line and its place in the text.

The rules are those of CoreDNS' own reader (source: github.com/coredns/caddy, ``caddyfile/lexer.go``), also where they
surprise: a quote counts only at the start of a word, nothing but a quote can be escaped, a backslash at the end of a
line continues nothing, and a carriage return outside of quotes is no part of a word and ends none.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from chaoslib_cp.errors import ProfileInvalid

MOST_BYTES: Final = 1 << 17
"""The most that is read, in bytes: an eighth of what a ConfigMap can hold, and dozens of times what clusters have."""
MOST_SHOWN: Final = 60
"""How many characters of a word a message repeats."""

# White space as Go's unicode.IsSpace has it. The carriage return is apart: it ends no word.
_ENDS: Final = r"\t\n\v\f \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_BETWEEN: Final = re.compile(rf"(?:[{_ENDS}\r]++|#[^\n]*+)*+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
# A "#" inside a word ends the word and hides what is glued to it, up to the next blank: then CoreDNS reads on.
_BARE: Final = re.compile(rf"([^{_ENDS}#]++)(?:#[^{_ENDS}]*+)?+")
_BYTE_ORDER_MARK: Final = "\ufeff"


class Span(NamedTuple):
    """A part of a text: ``text[start:end]``, counted in characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Token:
    """One word.

    Attributes:
        text: What CoreDNS takes it for: without its quotes.
        line: The line on which it begins, from 1.
        span: Its place, with its quotes.
    """

    text: str
    line: int
    span: Span


def unfit(line: int, what: str) -> ProfileInvalid:
    """The error for a Corefile that cannot be read, in one line.

    Args:
        line: Where, from 1.
        what: What is wrong there.
    """
    return ProfileInvalid(f"Corefile line {line}: {what}; nothing was changed; correct that line")


def shown(word: str) -> str:
    """A word of the Corefile as a message repeats it: quoted, without line ends, and not longer than a line bears."""
    quoted = repr(word)  # odd characters grow to ten times their length
    return quoted if len(quoted) <= MOST_SHOWN else f"{quoted[:MOST_SHOWN]}...{quoted[-1]}"


def read_tokens(text: str) -> tuple[Token, ...]:
    """Split a Corefile into its words; comments are none.

    Raises:
        ProfileInvalid: A quote is opened and never closed (CoreDNS reads on to the end: what is put behind it would be
            part of the word), or the text has more than ``MOST_BYTES``.
    """
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise unfit(1, f"the text has more than {MOST_BYTES} bytes")
    tokens: list[Token] = []
    at, line = _skip(text, len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0, 1)
    while at < len(text):
        token, behind = _word_at(text, at, line)
        tokens.append(token)
        at, line = _skip(text, behind, line + text.count("\n", at, behind))
    return tuple(tokens)


def is_new_line(before: Token, token: Token) -> bool:
    """Whether a word begins on a line below the one where the word before it ends."""
    return before.line + before.text.count("\n") < token.line


def _skip(text: str, at: int, line: int) -> tuple[int, int]:
    """Where the next word begins, and its line."""
    found = _BETWEEN.match(text, at)
    end = found.end() if found else at
    return end, line + text.count("\n", at, end)


def _word_at(text: str, at: int, line: int) -> tuple[Token, int]:
    """The word that begins here, and where to go on."""
    found = (_QUOTED if text[at] == '"' else _BARE).match(text, at)
    if found is None:
        raise unfit(line, "a quote is opened and never closed")
    if text[at] == '"':
        return Token(found[1].replace('\\"', '"'), line, Span(at, found.end())), found.end()
    end = at + len(found[1].rstrip("\r"))
    return Token(found[1].replace("\r", ""), line, Span(at, end)), found.end()
