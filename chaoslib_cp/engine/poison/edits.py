"""Edits of a Corefile: each returns a new text in which everything outside of the edit is as it was, byte for byte.

What is put in takes over the line ends of the Corefile. The new text is read again before it is returned: what would be
read as something else than the edit says is refused.
"""

import re
from typing import Final

from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock, Snippet
from chaoslib_cp.engine.poison.lookup import served_twice
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.tokens import Span, read_tokens, shown, unfit

_INDENT: Final = "    "
_AROUND: Final = " \t\r\n"
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\r?$(?![\s\S]))")


def append(corefile: Corefile, text: str) -> str:
    """The Corefile with server blocks, snippets or imports behind its end; a missing last line end is put in.

    Raises:
        ProfileInvalid: ``text`` is no such thing, or would become part of a last block without braces.
    """
    gap = "" if not corefile.text or corefile.text.endswith("\n") else "\n"
    end = Span(len(corefile.text), len(corefile.text))
    return _with_parts(corefile, end, f"{gap}{text.rstrip(_AROUND)}\n", text)


def insert_before(corefile: Corefile, block: ServerBlock, text: str) -> str:
    """The Corefile with server blocks, snippets or imports on lines of their own right before a block.

    Raises:
        ProfileInvalid: ``text`` is no such thing.
    """
    start = _line_start(corefile.text, block.span.start)
    own_line = _is_blank(corefile.text[start : block.span.start])
    at = start if own_line else block.span.start
    gap = "" if own_line else "\n"
    return _with_parts(corefile, Span(at, at), f"{gap}{text.strip(_AROUND)}\n", text)


def replace_block(corefile: Corefile, block: ServerBlock, text: str) -> str:
    """The Corefile with something else in the place of a block: blocks, snippets or imports.

    Raises:
        ProfileInvalid: ``text`` is no such thing.
    """
    return _with_parts(corefile, block.span, text.strip(_AROUND), text)


def insert_directive(corefile: Corefile, block: ServerBlock, text: str) -> str:
    """The Corefile with directives behind the last one of a block, indented as the first one is.

    Raises:
        ProfileInvalid: ``text`` is not made of directives.
    """
    _refuse_other_than_directives(text)
    lines = _indented(text.strip("\r\n"), _indent_of(corefile, block))
    if block.closing is None:
        at = _line_end(corefile.text, block.span.end)
        return _within(corefile, block, Span(at, at), f"\n{lines}")
    start = _line_start(corefile.text, block.closing)
    if not _is_blank(corefile.text[start : block.closing]):
        return _within(corefile, block, Span(block.closing, block.closing), f"\n{lines}\n")
    return _within(corefile, block, Span(start, start), f"{lines}\n")


def replace_directive(corefile: Corefile, block: ServerBlock, directive: Directive, text: str) -> str:
    """The Corefile with something else in the place of a directive, at any depth of a block.

    Raises:
        ProfileInvalid: ``text`` is not made of directives, or the directive is one of a snippet, which other blocks may
            use, too.
    """
    _refuse_elsewhere(block, directive)
    _refuse_other_than_directives(text)
    return _within(corefile, block, directive.span, text.strip(_AROUND))


def remove_directive(corefile: Corefile, block: ServerBlock, directive: Directive) -> str:
    """The Corefile without a directive, at any depth of a block; its lines go, where nothing else is on them.

    Raises:
        ProfileInvalid: The directive is one of a snippet, which other blocks may use, too.
    """
    _refuse_elsewhere(block, directive)
    start, end = directive.span
    line = _line_start(corefile.text, start)
    rest = _REST_OF_LINE.match(corefile.text, end)
    if rest and _is_blank(corefile.text[line:start]):
        start, end = line, rest.end()
    return _within(corefile, block, Span(start, end), "")


def _with_parts(corefile: Corefile, span: Span, put_in: str, text: str) -> str:
    """Replace a span between two parts, or that of one part; all else, and what is put in, must be read as it is."""
    wanted = _sources(corefile, before=span.start)
    wanted += _sources(parse_corefile(_as_in(corefile, text)))
    wanted += _sources(corefile, behind=span.end)
    return _spliced(corefile, span, put_in, wanted)


def _within(corefile: Corefile, block: ServerBlock, span: Span, put_in: str) -> str:
    """Replace a span inside of a block, which must keep its keys and its neighbours."""
    before, behind = corefile.text[block.span.start : span.start], corefile.text[span.end : block.span.end]
    edited = parse_corefile(before + _as_in(corefile, put_in) + behind)
    if [one.keys for one in edited.blocks] != [block.keys]:
        raise unfit(block.line, "an edit in this block would be read as the end of it")
    wanted = _sources(corefile, before=block.span.start) + _sources(edited)
    return _spliced(corefile, span, put_in, wanted + _sources(corefile, behind=block.span.end))


def _spliced(corefile: Corefile, span: Span, put_in: str, wanted: list[str]) -> str:
    """The new text, when it is read as it should be."""
    made = corefile.text[: span.start] + _as_in(corefile, put_in) + corefile.text[span.end :]
    line = corefile.text.count("\n", 0, span.start) + 1
    read = parse_corefile(made)
    if _sources(read) != wanted:
        raise unfit(line, "an edit here would be read as part of something else: put braces round the block")
    if twice := served_twice(read):
        raise unfit(line, f"with this edit two blocks would serve {shown(twice.zone)} on port {twice.port}")
    return made


def _parts(corefile: Corefile) -> list[Directive | ServerBlock | Snippet]:
    """Blocks, snippets and imports in the order of the text."""
    return sorted((*corefile.blocks, *corefile.snippets, *corefile.imports), key=lambda part: part.span)


def _sources(corefile: Corefile, before: int | None = None, behind: int = 0) -> list[str]:
    """The texts of the parts that end before a place and begin behind another."""
    last = len(corefile.text) if before is None else before
    return [corefile.source(one) for one in _parts(corefile) if one.span.end <= last and one.span.start >= behind]


def _as_in(corefile: Corefile, text: str) -> str:
    """A text with the line ends of the Corefile, where each has a carriage return; else as it is."""
    if not 0 < corefile.text.count("\n") == corefile.text.count("\r\n"):
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _is_blank(text: str) -> bool:
    """Whether there is nothing in a part of a line."""
    return not text.strip(_AROUND)


def _line_start(text: str, at: int) -> int:
    """Where the line begins that holds a place."""
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Where the line ends that holds a place, before its line end."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _indent_of(corefile: Corefile, block: ServerBlock) -> str:
    """The blanks before the first directive of a block."""
    if not block.directives:
        return _INDENT
    start = block.directives[0].span.start
    blanks = corefile.text[_line_start(corefile.text, start) : start]
    return blanks if _is_blank(blanks) else _INDENT


def _indented(text: str, blanks: str) -> str:
    """Lines behind blanks; a text with a line end inside of quotes stays as it is."""
    if any("\n" in token.text for token in read_tokens(text)):
        return text
    return "\n".join(f"{blanks}{line}" if not _is_blank(line) else line for line in text.split("\n"))


def _refuse_elsewhere(block: ServerBlock, directive: Directive) -> None:
    """Refuse to edit a snippet where a block is meant."""
    if not block.span.start <= directive.span.start <= directive.span.end <= block.span.end:
        raise unfit(directive.line, f"{shown(directive.name)} is not in the block that begins on line {block.line}")


def _refuse_other_than_directives(text: str) -> None:
    """Refuse a text that would end the block that it is put into."""
    parsed = parse_corefile(f". {{\n{text}\n}}\n")
    if len(parsed.blocks) != 1 or parsed.snippets or parsed.imports or not parsed.blocks[0].directives:
        raise unfit(1, "what is to be put in is not made of directives")
