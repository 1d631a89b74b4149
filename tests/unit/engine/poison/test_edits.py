"""An edit of a Corefile changes what it says, and not a byte beside it."""

from collections.abc import Iterator

import pytest

from chaoslib_cp.engine.poison.corefile import Directive, ServerBlock
from chaoslib_cp.engine.poison.edits import (
    append,
    insert_before,
    insert_directive,
    remove_directive,
    replace_block,
    replace_directive,
)
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.corefiles import NAMES, corefile

CANARY = 'rev.cp.invalid:53 {\n    template IN TXT {\n        answer "{{ .Name }} 0 IN TXT exp-7f3a"\n    }\n}'
VIEW = "view cp {\n    expr true\n}"


def every(directives: tuple[Directive, ...]) -> Iterator[Directive]:
    """Directives at all depths."""
    for directive in directives:
        yield directive
        yield from every(directive.body)


def as_in(text: str, put_in: str) -> str:
    """What is put in, with the line ends of the text."""
    return put_in.replace("\n", "\r\n") if "\r\n" in text else put_in


def words(block: ServerBlock) -> list[tuple[str, tuple[str, ...]]]:
    """What a block says, without its layout."""
    return [(one.name, one.arguments) for one in every(block.directives)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "no-braces"])
def test_a_block_is_put_behind_the_end(name: str) -> None:
    """On a line of its own, also where the last line has no end."""
    text = corefile(name)
    made = append(parse_corefile(text), CANARY)
    gap = "" if text.endswith("\n") else "\n"
    assert made == text + as_in(text, f"{gap}{CANARY}\n")
    assert parse_corefile(made).blocks[-1].keys == ("rev.cp.invalid:53",)


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_put_before_each_block(name: str) -> None:
    """Comments before the block stay before what was put in."""
    parsed = parse_corefile(corefile(name))
    for number, block in enumerate(parsed.blocks):
        made = insert_before(parsed, block, CANARY)
        at = block.span.start
        assert made == parsed.text[:at] + as_in(parsed.text, f"{CANARY}\n") + parsed.text[at:]
        assert parse_corefile(made).blocks[number].keys == ("rev.cp.invalid:53",)


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_replaced_and_put_back(name: str) -> None:
    """Undo by edit gives the very bytes."""
    parsed = parse_corefile(corefile(name))
    for number, block in enumerate(parsed.blocks):
        made = replace_block(parsed, block, f"{CANARY}\nb.cp.invalid {{\n}}")
        assert made.startswith(parsed.text[: block.span.start])
        assert made.endswith(parsed.text[block.span.end :])
        again = parse_corefile(made)
        assert [one.keys[0] for one in again.blocks[number : number + 2]] == ["rev.cp.invalid:53", "b.cp.invalid"]
        assert again.blocks[number + 2 :] == () or again.blocks[number + 2].keys == parsed.blocks[number + 1].keys
        assert replace_block(parsed, block, parsed.source(block)) == parsed.text


@pytest.mark.parametrize("name", NAMES)
def test_each_directive_is_replaced_alone(name: str) -> None:
    """At every depth, and by itself without any change."""
    parsed = parse_corefile(corefile(name))
    for number, block in enumerate(parsed.blocks):
        for at, directive in enumerate(every(block.directives)):
            start, end = directive.span
            assert replace_directive(parsed, block, directive, parsed.source(directive)) == parsed.text
            made = replace_directive(parsed, block, directive, "debug on")
            assert made == parsed.text[:start] + "debug on" + parsed.text[end:]
            assert words(parse_corefile(made).blocks[number])[at] == ("debug", ("on",))


@pytest.mark.parametrize("name", NAMES)
def test_each_directive_is_removed_alone(name: str) -> None:
    """With its line and the comment on it; all else is there."""
    parsed = parse_corefile(corefile(name))
    for number, block in enumerate(parsed.blocks):
        for at, directive in enumerate(every(block.directives)):
            made = remove_directive(parsed, block, directive)
            cut = len(parsed.text) - len(made)
            start = max(i for i in range(directive.span.start + 1) if made == parsed.text[:i] + parsed.text[i + cut :])
            gone = parsed.text[start : start + cut]
            assert gone.strip().startswith(parsed.source(directive))
            assert gone.strip().removeprefix(parsed.source(directive)).lstrip()[:1] in ("", "#")
            left = words(block)
            del left[at : at + 1 + len(list(every(directive.body)))]
            assert words(parse_corefile(made).blocks[number]) == left


@pytest.mark.parametrize("name", NAMES)
def test_a_directive_is_put_in_and_taken_out(name: str) -> None:
    """Behind the last one, indented as the first one; taking it out gives the very bytes."""
    parsed = parse_corefile(corefile(name))
    for number, block in enumerate(parsed.blocks):
        with_view = parse_corefile(insert_directive(parsed, block, VIEW))
        block_then = with_view.blocks[number]
        assert words(block_then) == [*words(block), ("view", ("cp",)), ("expr", ("true",))]
        assert with_view.source(block_then).count(as_in(parsed.text, "{\n")) > 0
        taken_out = remove_directive(with_view, block_then, block_then.directives[-1])
        assert taken_out.removesuffix("\n") == parsed.text.removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (". { }", ". { \n    errors\n}"),
        (". {\n}", ". {\n    errors\n}"),
        (". {\n\tlog\n}", ". {\n\tlog\n\terrors\n}"),
        (". { log\n}", ". { log\n    errors\n}"),
        (".", ".\n    errors"),
        (". # root\n", ". # root\n    errors\n"),
        (".\r\nlog # all\r\n# end", ".\r\nlog # all\r\nerrors\r\n# end"),
        (". {\nlog a#b c\n\n  }", ". {\nlog a#b c\n\nerrors\n  }"),
    ],
)
def test_a_directive_is_put_in_wherever_the_block_ends(text: str, expected: str) -> None:
    """Empty blocks, blocks on one line, blocks without braces."""
    parsed = parse_corefile(text)
    assert insert_directive(parsed, parsed.blocks[0], "errors") == expected


def test_a_text_with_mixed_line_ends_gets_what_it_is_given() -> None:
    """There is no right one, and a part put back must be the same bytes."""
    parsed = parse_corefile("# first\r\n. {\n}\n")
    assert replace_block(parsed, parsed.blocks[0], ". {\n}") == parsed.text
    assert append(parsed, "a {\r\n}") == parsed.text + "a {\r\n}\n"


def test_lines_inside_of_quotes_are_not_indented() -> None:
    """A blank there would be part of the word."""
    parsed = parse_corefile(". {\n    log\n}\n")
    assert 'log . "a\nb"\n}' in insert_directive(parsed, parsed.blocks[0], 'log . "a\nb"')


def test_a_block_behind_another_on_its_line_gets_a_line() -> None:
    """Else what is put in would end the block before."""
    parsed = parse_corefile("a {\n} b {\n}\n")
    assert insert_before(parsed, parsed.blocks[1], "c {\n}") == "a {\n} \nc {\n}\nb {\n}\n"


@pytest.mark.parametrize("text", ["errors\n}\nb {", "}", "", "# only words", "a {", "(s) {"])
def test_what_is_no_directive_is_not_put_into_a_block(text: str) -> None:
    """It would end the block, or do nothing."""
    parsed = parse_corefile(". {\n    log\n}\n")
    with pytest.raises(ProfileInvalid, match="nothing was changed"):
        insert_directive(parsed, parsed.blocks[0], text)
    with pytest.raises(ProfileInvalid, match="nothing was changed"):
        replace_directive(parsed, parsed.blocks[0], parsed.blocks[0].directives[0], text)


def test_nothing_is_put_behind_a_block_without_braces() -> None:
    """CoreDNS would read it as more of that block."""
    with pytest.raises(ProfileInvalid, match="put braces round the block"):
        append(parse_corefile(corefile("no-braces")), CANARY)


def test_two_blocks_never_serve_the_same() -> None:
    """CoreDNS would not start with it; with a view, or another address, it does."""
    parsed = parse_corefile(corefile("kubeadm-1.28"))
    with pytest.raises(ProfileInvalid, match=r"two blocks would serve 'corp\.example\.' on port 53"):
        append(parsed, "b.example, CORP.example:53 {\n    errors\n}")
    for more in ("view x {\n    expr true\n}", "bind 127.0.0.1", "import x/*.conf"):
        assert more in append(parsed, f"corp.example {{\n    {more}\n}}")
    assert append(parsed, "corp.example:5399 {\n}\ntls://corp.example {\n}")


def test_a_snippet_is_not_edited_through_a_block() -> None:
    """Other blocks may use it."""
    parsed = parse_corefile("(s) {\n    errors\n}\na {\n    import s\n}\nb {\n    import s\n}\n")
    block, other = parsed.blocks
    with pytest.raises(ProfileInvalid, match="'errors' is not in the block that begins on line 4"):
        remove_directive(parsed, block, parsed.snippets[0].directives[0])
    with pytest.raises(ProfileInvalid, match="'import' is not in the block that begins on line 4"):
        replace_directive(parsed, block, other.directives[0], "errors")
