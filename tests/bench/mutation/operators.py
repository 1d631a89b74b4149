"""The mutants of a file: one small change each, made in the text, so that line numbers stay.

Not mutated: annotations, decorators, docstrings, log lines, and the words of messages. A changed message is not a
changed behaviour.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
_MESSAGES = ("words", "help")  # keyword arguments that people read
_WITH_A_BODY = (ast.FunctionDef, ast.ClassDef, ast.For, ast.With, ast.Try, ast.If, ast.While, ast.Match)
_PLAIN = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True)
class Mutant:
    """One change to a file.

    Attributes:
        line: First line of the changed text, from 1.
        lines: Lines of the statement it is in; a test that reaches one of them may notice. None for what is decided
            when the module is imported.
        source: The changed line as it was, without indentation.
        start: Where the changed text begins, characters from the start of the file.
        before: The text that is replaced.
        after: What stands there instead.
    """

    line: int
    lines: range
    source: str
    start: int
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The file with this change."""
        return text[: self.start] + self.after + text[self.start + len(self.before) :]

    def __str__(self) -> str:
        """``before`` -> ``after`` in one line."""
        return f"{' '.join(self.before.split())} -> {' '.join(self.after.split())}"


class _File:
    """A parsed file, and where its nodes stand in its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def place(self, line: int, column: int) -> int:
        """Character offset of a place; the parser counts columns in bytes of UTF-8."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt | ast.pattern) -> tuple[int, int]:
        """Where a node begins and ends."""
        return (
            self.place(node.lineno, node.col_offset),
            self.place(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def source(self, line: int) -> str:
        """One line without indentation."""
        return self._lines[line - 1].strip()


def mutants_of(text: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines; each differs from the file and can be parsed."""
    file = _File(text)
    found: dict[tuple[int, str, str], Mutant] = {}
    for statement, at_import, start, end, after in _changes(file, ast.parse(text).body, at_import=True):
        line = text.count("\n", 0, start) + 1
        before = text[start:end]
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        if isinstance(statement, _WITH_A_BODY):
            lines = range(line, line + before.count("\n") + 1)
        lines = range(0) if at_import else lines
        mutant = Mutant(line, lines, file.source(line), start, before, after)
        if before != after and _can_be_parsed(mutant.applied(text)):
            found[(start, before, after)] = mutant
    return sorted(found.values(), key=lambda one: (one.start, one.before, one.after))


def _can_be_parsed(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


_Change = tuple[ast.stmt, bool, int, int, str]


def _changes(file: _File, body: list[ast.stmt], at_import: bool) -> Iterator[_Change]:
    for statement in body:
        for start, end, after in _of_statement(file, statement):
            yield statement, at_import or isinstance(statement, ast.FunctionDef), start, end, after
        inside = at_import and not isinstance(statement, ast.FunctionDef)
        for block in ("body", "orelse", "finalbody"):
            yield from _changes(file, getattr(statement, block, []), inside)
        for part in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
            yield from _changes(file, part.body, inside)


_Edit = tuple[int, int, str]


def _of_statement(file: _File, statement: ast.stmt) -> Iterator[_Edit]:
    """Changes of one statement, without those of the statements inside it."""
    if _is_for_people(statement):
        return
    if isinstance(statement, _PLAIN) or _sets_something_lasting(statement):
        yield *file.span(statement), "pass"
    if isinstance(statement, ast.Raise):
        return  # what is said then is wording
    if isinstance(statement, ast.Return) and statement.value is not None and not _is_nothing(statement.value):
        yield *file.span(statement.value), "None"
    if isinstance(statement, ast.If | ast.While):
        yield from _negated(file, statement.test)
    for handler in getattr(statement, "handlers", []):
        yield from _of_handler(file, handler)
    for case in getattr(statement, "cases", []):
        for node in (case.pattern, case.guard):
            yield from _of_node(file, node) if node else ()
    for node in _own_expressions(statement):
        yield from _of_node(file, node)


def _is_for_people(statement: ast.stmt) -> bool:
    """Docstrings, log lines, what a module exports, and types."""
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logger")))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "logger")]):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Literal" | "Callable"))):
            return True  # another name for a type
    return False


def _sets_something_lasting(statement: ast.stmt) -> bool:
    """Setting an attribute or an item; a name that is not set fails at once, which shows nothing."""
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Attribute | ast.Subscript) for target in statement.targets
    )


def _of_handler(file: _File, handler: ast.ExceptHandler) -> Iterator[_Edit]:
    """An exception that is no longer caught."""
    if isinstance(handler.type, ast.Tuple):
        for left_out in handler.type.elts:
            kept = [ast.unparse(one) for one in handler.type.elts if one is not left_out]
            yield *file.span(handler.type), f"({', '.join(kept)},)"
    elif handler.type is not None:
        yield *file.span(handler.type), "()"


def _own_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Expressions that belong to the statement itself; no annotations, no decorators, no bases of classes."""
    match statement:
        case ast.FunctionDef(args=arguments):
            yield from (one for one in [*arguments.defaults, *arguments.kw_defaults] if one is not None)
        case ast.ClassDef():
            return
        case ast.AnnAssign(value=value):
            yield from [value] if value else []
        case ast.With(items=items):
            yield from (item.context_expr for item in items)
        case _:
            yield from (node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.expr))


def _of_node(file: _File, node: ast.AST) -> Iterator[_Edit]:
    """Changes of an expression or pattern and of everything inside it."""
    if isinstance(node, ast.JoinedStr):
        yield from _of_template(file, node)
        return
    yield from _of_this_node(file, node)
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.keyword) and child.arg in _MESSAGES):
            yield from _of_node(file, child)


def _of_this_node(file: _File, node: ast.AST) -> Iterator[_Edit]:
    match node:
        case ast.Constant():
            yield from _of_constant(file, node)
        case ast.Compare():
            yield from _of_comparison(file, node)
        case ast.BoolOp():
            yield from _between(file, node.values, "or" if isinstance(node.op, ast.And) else "and")
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            yield from _between(file, [node.left, node.right], _ARITHMETIC[type(node.op)])
        case ast.UnaryOp():
            yield *file.span(node), f"({ast.unparse(node.operand)})"
        case ast.IfExp():
            yield from _negated(file, node.test)
        case ast.comprehension():
            for test in node.ifs:
                yield from _negated(file, test)


def _of_template(file: _File, node: ast.JoinedStr) -> Iterator[_Edit]:
    """A name or path that is put together; with a space in it, it is a message."""
    if not any(isinstance(part, ast.Constant) and " " in str(part.value) for part in node.values):
        start, end = file.span(node)
        yield start, end, f'({file.text[start:end]} + "XX")'


def _of_constant(file: _File, node: ast.Constant) -> Iterator[_Edit]:
    value = node.value
    if isinstance(value, bool):
        yield *file.span(node), str(not value)
    elif isinstance(value, int | float):
        yield *file.span(node), repr(value + 1)
    elif isinstance(value, str) and " " not in value:
        yield *file.span(node), repr(value + "XX")
    elif isinstance(value, bytes):
        yield *file.span(node), repr(value + b"XX")


def _of_comparison(file: _File, node: ast.Compare) -> Iterator[_Edit]:
    for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
        for other in _COMPARISONS[type(operator)]:
            yield from _between(file, [left, right], other)


def _between(file: _File, operands: list[ast.expr], operator: str) -> Iterator[_Edit]:
    """Another operator between two neighbours, with whatever brackets stand around it."""
    for left, right in pairwise(operands):
        start, end = file.span(left)[1], file.span(right)[0]
        gap = file.text[start:end]
        closing = gap[: len(gap) - len(gap.lstrip(") \n"))].rstrip(" ")
        opening = gap[len(gap.rstrip("( \n")) :].lstrip(" ")
        yield start, end, f"{closing} {operator} {opening}"


def _negated(file: _File, test: ast.expr) -> Iterator[_Edit]:
    """The opposite condition, where no other operator makes the same mutant."""
    if not isinstance(test, ast.Compare | ast.UnaryOp):
        start, end = file.span(test)
        yield start, end, f"(not ({file.text[start:end]}))"


def _is_nothing(node: ast.expr) -> bool:
    """None, and what callers cannot tell from it: they ask whether there is anything."""
    return ast.unparse(node) in ("None", "False", "''", "0", "[]", "()", "{}")
