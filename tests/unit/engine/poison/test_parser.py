"""A Corefile is read as CoreDNS reads it, or refused with the line and the reason."""

import time
from contextlib import suppress

import pytest

from chaoslib_cp.engine.poison.corefile import Directive
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.corefiles import NAMES, corefile


def lines(directives: tuple[Directive, ...]) -> list[object]:
    """Directives as lists of words, each with what its braces hold behind it."""
    return [[one.name, *one.arguments, *([lines(one.body)] if one.body else [])] for one in directives]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing {\n", []),
        ("example.org", [(["example.org"], [])]),
        ("example.org\nwhoami", [(["example.org"], [["whoami"]])]),
        (". {\n}", [(["."], [])]),
        (". { }", [(["."], [])]),
        (".\n{\nwhoami\n}", [(["."], [["whoami"]])]),
        (". {\n} b {\n}", [(["."], []), (["b"], [])]),
        ("a, b\nc {\n}", [(["a", "b"], [["c"]])]),
        ("a,\nb c {\n}", [(["a", "b", "c"], [])]),
        ("\ufeff. {\n}", [(["."], [])]),
        (". {}", [([".", "{}"], [])]),
        (". {\ncache\n{\nsuccess 1\n}\n}", [(["."], [["cache", [["success", "1"]]]])]),
        (". {\ncache { success 1 }\n}", [(["."], [["cache", [["success", "1"]]]])]),
        (". {\na b{c\n}", [(["."], [["a", "b{c"]])]),
        ('. {\nlog "{" "x y"\n}\n}', [(["."], [["log", [["x y"]]]])]),
        ('. {\nlog "a \\"b\\" \\d" # "c"\n}', [(["."], [["log", 'a "b" \\d']])]),
        ('. {\nlog a"b "c"d\n}', [(["."], [["log", 'a"b', "c", "d"]])]),
        ('. {\nlog "a\nb" c\nd\n}', [(["."], [["log", "a\nb", "c"], ["d"]])]),
        (". {\nlog \\\nerrors\n}", [(["."], [["log", "\\"], ["errors"]])]),
        (". {\nlog a#b c\n}", [(["."], [["log", "a", "c"]])]),
        (". {\r\nlog a\rb\r\n}\r", [(["."], [["log", "ab"]])]),
        (". {\nlog\u00a0a\x1cb\n}", [(["."], [["log", "a\x1cb"]])]),
        (". {\nimport a\nb import c\n}", [(["."], [["import", "a"], ["b", "import", "c"]])]),
    ],
)
def test_words_and_lines_are_those_of_coredns(text: str, expected: list[object]) -> None:
    """Each case was worked out from the source of its reader and its parser."""
    assert [([*block.keys], lines(block.directives)) for block in parse_corefile(text).blocks] == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (". {", 1, "a brace is opened and never closed"),
        (". {\ncache {\n}", 1, "a brace is opened and never closed"),
        (". {\n}\n}", 3, "'}' is no key"),
        (".\nwhoami\n}", 3, "a closing brace closes nothing"),
        (". {\nwhoami }\n", 2, "'}' must stand on a line of its own"),
        (". {\ncache {\n} b\n}", 3, "'b' must stand on a line of its own"),
        (". {\n{\n}\n}", 2, "a brace is opened without a name"),
        ("{\n}", 1, "a key is missing"),
        ("a,", 1, "a key is missing"),
        ("a, {\n}", 1, "a key is missing"),
        ("a,\nimport b\n{\n}", 2, "an import stands where a key is expected"),
        ('"" {\n}', 1, "'' is no key"),
        ('. {\nlog "a\n\n}\n', 2, "a quote is opened and never closed"),
        (". {\nimport\n}", 2, "an import takes one name"),
        (". {\nimport a b\n}", 2, "an import takes one name"),
        ("import a {\n}", 1, "an import takes one name"),
        ("(a) {\n}\n(a) {\n}", 3, "the snippet 'a' is there already"),
        ("(a)\nwhoami", 1, "the snippet 'a' has no brace"),
        (".:99999 {\n}", 1, "has a port outside of 0 to 65535"),
        (".:-1 {\n}", 1, "has a port outside of 0 to 65535"),
        (":53 {\n}", 1, "'' is not the name of a zone"),
        (".: {\n}", 1, "the key '.:' is no zone with a port"),
        ("a..b {\n}", 1, "'a..b' is not the name of a zone"),
        (f"{'b' * 64} {{\n}}", 1, "is not the name of a zone"),
        ("0::/8 {\n}", 1, "is a network that CoreDNS refuses"),
        ("10.0.0.0/9 " * 100, 1, "stand for more than 10000 zones"),
        (". {\n" + "a {\n" * 12 + "}\n" * 13, 12, "braces are more than 10 deep"),
        ("#" * 200_000, 1, "has more than 131072 bytes"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str, line: int, reason: str) -> None:
    """One line that names line and reason, short enough to be read, and nothing was changed."""
    with pytest.raises(ProfileInvalid) as refused:
        parse_corefile(text)
    said = str(refused.value)
    assert said.startswith(f"Corefile line {line}: ")
    assert reason in said
    assert said.endswith("; nothing was changed; correct that line")
    assert "\n" not in said
    assert len(said) <= 200


@pytest.mark.parametrize(
    ("key", "zones"),
    [
        (".", [(".", 53)]),
        (".:53", [(".", 53)]),
        ("Cluster.Local", [("cluster.local.", 53)]),
        ("cluster.local.:0053", [("cluster.local.", 53)]),
        ("dns://Example.org:5353", [("example.org.", 5353)]),
        ("tls://.", [(".", 853)]),
        ("quic://.", [(".", 853)]),
        ("grpc://.", [(".", 443)]),
        ("https://.", [(".", 443)]),
        ("https3://.:8443", [(".", 8443)]),
        ("10.0.0.0/8", [("10.in-addr.arpa.", 53)]),
        ("10.96.5.6/16:5353", [("96.10.in-addr.arpa.", 5353)]),
        ("10.96.0.0/15", [("96.10.in-addr.arpa.", 53), ("97.10.in-addr.arpa.", 53)]),
        ("0.0.0.0/0", [("in-addr.arpa.", 53)]),
        ("2001:db8::/32", [("8.b.d.0.1.0.0.2.ip6.arpa.", 53)]),
        ("fd00::/7", [("c.f.ip6.arpa.", 53), ("d.f.ip6.arpa.", 53)]),
        ("10.0.0.0/99", [("10.0.0.0/99.", 53)]),
        ("a:b", [("a:b.", 53)]),
        ("{$ZONE}:53", []),
        ("{%ZONE%}", []),
    ],
)
def test_zones_and_ports_of_a_key(key: str, zones: list[tuple[str, int]]) -> None:
    """As CoreDNS expands it; a variable's zone is unknown and said to be."""
    (block,) = parse_corefile(f"{key} {{\n}}\n").blocks
    assert block.keys == (key,)
    assert list(block.zones) == zones
    assert block.has_unknown_zone is not bool(zones)


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_a_real_corefile_are_where_they_are_said_to_be(name: str) -> None:
    """Spans are in order, hold each other, and begin and end with the part itself."""
    parsed = parse_corefile(corefile(name))
    assert parsed.text == corefile(name)
    for block in parsed.blocks:
        assert parsed.source(block).startswith(block.keys[0].rstrip(","))
        assert (block.closing is None) is (name == "no-braces")
        assert block.closing in (None, block.span.end - 1)
        check(parsed.text, block.directives, block.span.start, block.span.end)
    for snippet in parsed.snippets:
        assert parsed.source(snippet).startswith(f"({snippet.name}) {{")
        check(parsed.text, snippet.directives, snippet.span.start, snippet.span.end)


def check(text: str, directives: tuple[Directive, ...], start: int, end: int) -> None:
    """Whether directives lie in order in a part of a text, on the lines that they name."""
    for directive in directives:
        assert start <= directive.span.start < directive.span.end <= end
        source = text[directive.span.start : directive.span.end]
        assert source.startswith(directive.name)
        assert source.endswith("}") if directive.body else source.endswith((directive.name, *directive.arguments, '"'))
        assert text.count("\n", 0, directive.span.start) + 1 == directive.line
        check(text, directive.body, *directive.span)
        start = directive.span.end


def test_snippets_and_imports_are_no_blocks() -> None:
    """What they bring in is not in the text."""
    parsed = parse_corefile("import a\n(b) { whoami }\n. {\n}\nimport c/*.server")
    assert [(one.name, lines(one.directives)) for one in parsed.snippets] == [("b", [["whoami"]])]
    assert [one.arguments for one in parsed.imports] == [("a",), ("c/*.server",)]
    assert [one.keys for one in parsed.blocks] == [(".",)]


@pytest.mark.parametrize("unit", ["a ", ". {\n}\n", '"\n" ', '"\\', "10.0.0.0/9 "])
def test_the_longest_text_is_read_within_a_second(unit: str) -> None:
    """Of processor time: whatever an administrator, or an attacker, has put in."""
    text = (unit * (1 << 17))[: 1 << 17]
    began_s = time.process_time()
    with suppress(ProfileInvalid):
        parse_corefile(text)
    assert time.process_time() - began_s < 1
