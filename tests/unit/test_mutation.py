"""The mutants of our own mutation testing: one change each, none in what only people read."""

import ast

import pytest

from tests.bench.mutation.operators import mutants_of


def changes(text: str) -> list[str]:
    """What is changed, in order."""
    return [str(mutant) for mutant in mutants_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LIMIT = 5", ["5 -> 6"]),
        ("ON = True", ["True -> False"]),
        ("KIND = 'pod'", ["'pod' -> 'podXX'"]),
        ("KIND = f'{a}.json'", ["f'{a}.json' -> (f'{a}.json' + \"XX\")"]),
        ("x = a or b", ["or -> and"]),
        ("x = a + b", ["+ -> -"]),
        ("x = not a", ["not a -> (a)"]),
        ("x = a is None", ["is -> is not"]),
        ("x = a < b", ["< -> <=", "< -> >="]),
        ("x = (a) == (b)", [") == ( -> ) != ("]),
        ("if a():\n    b()", ["a() -> (not (a()))", "b() -> pass"]),
        ("x = [a for a in b if a.ok]", ["a.ok -> (not (a.ok))"]),
        ("def f():\n    return a", ["a -> None"]),
        ("def f():\n    return ''", ["'' -> 'XX'"]),
        ("raise Refused('no such thing; nothing was changed')", ["{} -> pass"]),
        ("try:\n    x = a\nexcept (A, B):\n    raise", ["(A, B) -> (A,)", "(A, B) -> (B,)", "raise -> pass"]),
        ("self.x = a", ["self.x = a -> pass"]),
    ],
)  # fmt: skip
def test_each_kind_of_change(text: str, expected: list[str]) -> None:
    """Comparisons, conditions, constants, results, exceptions, statements."""
    assert changes(text) == [one.format(text) if one.startswith("{}") else one for one in expected]


@pytest.mark.parametrize(
    "text",
    [
        '"""What it does."""',
        "def f() -> 'X':\n    '''What it does.'''",
        "logger.info('%s noted', a.b)",
        "from a import b",
        "__all__ = ['a']",
        "@dataclass(frozen=True)\nclass A:\n    name: 'str'",
        "x = 'words for people'",
        "x = f'{a} is gone'",
        "x = Undone(words='deleted')",
    ],
)
def test_what_is_for_people_or_for_the_type_checker_stays(text: str) -> None:
    """A changed message is not a changed behaviour."""
    assert changes(text) == []


def test_a_mutant_is_the_file_with_one_change_in_its_place() -> None:
    """Also behind characters that take more than one byte, and over several lines."""
    text = "x = 'ü', 1\ndef f():\n    return g(\n        2,\n    )\n"
    one, number, result, call = sorted(mutants_of(text), key=lambda mutant: (mutant.line, -len(mutant.before)))[:4]
    assert one.applied(text).startswith("x = 'üXX', 1\n")
    assert number.applied(text).startswith("x = 'ü', 2\n")
    assert result.applied(text).endswith("    return None\n")
    assert call.applied(text).endswith("        3,\n    )\n")
    assert [list(mutant.lines) for mutant in (one, result, call)] == [[], [3, 4, 5], [3, 4, 5]]
    assert all(ast.parse(mutant.applied(text)) for mutant in mutants_of(text))
