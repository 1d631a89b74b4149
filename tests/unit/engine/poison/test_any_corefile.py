"""Whatever a Corefile holds: it is read or refused, and an edit stays where it is."""

import time
from collections.abc import Iterator
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from chaoslib_cp.engine.poison.arming import Poison, armed
from chaoslib_cp.engine.poison.corefile import Corefile, Directive
from chaoslib_cp.engine.poison.edits import (
    append,
    insert_before,
    insert_directive,
    remove_directive,
    replace_block,
    replace_directive,
)
from chaoslib_cp.engine.poison.imports import Beside
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.risks import front_cache_refusals
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.corefiles import NAMES, corefile

Said = list[object]

PIECES = [
    "{",
    "}",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    '"',
    "\\",
    "#",
    ",",
    ":",
    "/",
    "{}",
    "\ufeff",
    "\u00a0",
    "\x1c",
    "\u2028",
]
PIECES += [
    "import ",
    "(s)",
    "import s\n",
    ".",
    ":53",
    "a.b",
    "tls://",
    "10.0.0.0/9",
    "fd00::/7",
    "{$X}",
    "{%Y%}",
    "{$",
    "\ud800",
]
PIECES += ["kubernetes ", "cache", "view ", "bind ", "\n}\n", " {\n", ". {\nerrors\n}\n", "(s) {\nlog\n}\n"]
SOUP = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A real Corefile, part of which is something else."""
    text = corefile(draw(st.sampled_from(NAMES)))
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(SOUP) + text[start + draw(st.integers(0, 40)) :]


TEXTS = SOUP | damaged()
PUT_IN = st.sampled_from(
    ["errors", "log . {\nclass all\n}", "b {\nwhoami\n}", "import x", "# c", "}", "a\n}\nb {", '"', "{", ""]
)

WORDS = st.text("abcxyz019.-_/:%*()$\u00e9", min_size=1, max_size=8).filter(lambda word: word != "import")
QUOTED = st.text('ab \t\n"{}#,.', max_size=8).filter(lambda word: word not in ("{", "}"))
ZONES = st.from_regex(r"[a-z]{1,8}(\.[a-z0-9]{1,8}){0,2}\.?(:[1-9][0-9]{0,3})?", fullmatch=True)
BLANKS = st.sampled_from([" ", "\t", "   "])
ENDS = st.sampled_from(["\n", "\r\n", " # a { comment }\n", "\t\n\n", "\n# import x\n"])


@given(TEXTS)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never with another error, and never for longer than a second."""
    began_s = time.process_time()
    with suppress(ProfileInvalid):
        parsed = parse_corefile(text)
        assert parsed.text == text
        block_for(parsed, "cluster.local", 53)
        front_cache_refusals(parsed, "cluster.local", 53)
        for block in parsed.blocks:
            resolve_snippets(parsed, block)
    assert time.process_time() - began_s < 1


def refusal_of(text: str) -> str:
    """What is said about a text; nothing where it is read."""
    try:
        parse_corefile(text)
    except ProfileInvalid as refused:
        return str(refused)
    return ""


@given(TEXTS)
def test_a_refusal_is_one_line(text: str) -> None:
    """Also where the text is made of odd characters."""
    said = refusal_of(text)
    assert said.isprintable()
    assert len(said) <= 200


@given(TEXTS, PUT_IN)
def test_any_edit_stays_in_its_place_or_is_refused(text: str, put_in: str) -> None:
    """What comes out is a Corefile again, and all that was outside of the edit is in it."""
    with suppress(ProfileInvalid):
        parsed = parse_corefile(text)
        for made, start, end in edited(parsed, put_in):
            assert made.startswith(text[:start].rstrip(" \t\r"))
            assert made.endswith(text[end:].lstrip())
            parse_corefile(made)


FOLDER = "/etc/coredns/custom"
POISON = Poison((Lie("nxdomain", "api.shop.svc.cluster.local.", 40),), 1_000_000_000, 2_000_000_000, "r-1")


@given(TEXTS, TEXTS)
def test_any_file_that_is_imported_is_followed_or_refused(override: str, server: str) -> None:
    """What comes out is a Corefile again, and what stood behind the block that is armed is in it as it was."""
    text = corefile("k3s")
    files = {f"{FOLDER}/a.override": override, f"{FOLDER}/b.server": server}
    with suppress(ProfileInvalid):
        made = armed(text, POISON, "cluster.local", beside=Beside("/etc/coredns", frozenset({FOLDER}), files))
        parse_corefile(made)
        assert text[parse_corefile(text).blocks[0].span.end :] in made


def edited(parsed: Corefile, put_in: str) -> Iterator[tuple[str, int, int]]:
    """Each edit that is not refused, and the part of the text that it may change."""
    length = len(parsed.text)
    with suppress(ProfileInvalid):
        yield append(parsed, put_in), length, length
    for block in parsed.blocks:
        start, end = block.span
        with suppress(ProfileInvalid):
            yield insert_before(parsed, block, put_in), start, start
        with suppress(ProfileInvalid):
            yield replace_block(parsed, block, put_in), start, end
        with suppress(ProfileInvalid):
            yield insert_directive(parsed, block, put_in), start, end if block.closing else length
        for directive in block.directives:
            with suppress(ProfileInvalid):
                yield replace_directive(parsed, block, directive, put_in), *directive.span
            with suppress(ProfileInvalid):
                line_end = parsed.text.find("\n", directive.span.end)
                yield remove_directive(parsed, block, directive), directive.span.start, line_end + 1 or length


@st.composite
def lines(draw: st.DrawFn, depth: int = 0) -> tuple[str, Said]:
    """Directives as text, and as words."""
    text, words = "", list[object]()
    for _ in range(draw(st.integers(0, 3))):
        line = [draw(WORDS), *draw(st.lists(WORDS | QUOTED, max_size=3))]
        text += "".join(draw(BLANKS) + spelled(word, draw(st.booleans())) for word in line)
        if depth < 3 and draw(st.booleans()):
            inner, body = draw(lines(depth + 1))
            text += draw(BLANKS) + "{" + draw(ENDS) + inner + draw(BLANKS) + "}"
            words.append([*line, body])
        else:
            words.append([*line, []])
        text += draw(ENDS)
    return text, words


def spelled(word: str, quoted: bool) -> str:
    """A word as it may be written."""
    needed = not word or any(one in word for one in ' \t\n"#{}')
    return '"' + word.replace('"', '\\"') + '"' if quoted or needed else word


@st.composite
def corefiles(draw: st.DrawFn) -> tuple[str, Said]:
    """A Corefile that CoreDNS can read, and what it says."""
    text, expected = draw(st.sampled_from(["", "\ufeff", "# first\n", "\r\n"])), list[object]()
    for _ in range(draw(st.integers(0, 3))):
        keys = draw(st.lists(ZONES, min_size=1, max_size=3))
        inner, words = draw(lines())
        text += draw(st.sampled_from([" ", ", ", ",\n"])).join(keys) + draw(st.sampled_from([" ", "\n", "\t"])) + "{"
        text += draw(ENDS) + inner + "}" + draw(ENDS)
        expected.append((keys, words))
    return text, expected


def told(directives: tuple[Directive, ...]) -> Said:
    """Directives as words."""
    return [[one.name, *one.arguments, told(one.body)] for one in directives]


@given(corefiles())
def test_what_is_written_is_what_is_read(made: tuple[str, Said]) -> None:
    """Whatever its layout; and each part put in its own place gives the very bytes."""
    text, expected = made
    parsed = parse_corefile(text)
    assert [([*block.keys], told(block.directives)) for block in parsed.blocks] == expected
    for block in parsed.blocks:
        with suppress(ProfileInvalid):  # two blocks for one zone
            assert replace_block(parsed, block, parsed.source(block)) == text
        for directive in block.directives:
            with suppress(ProfileInvalid):
                assert replace_directive(parsed, block, directive, parsed.source(directive)) == text
