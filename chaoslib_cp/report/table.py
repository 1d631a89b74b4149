"""Tables of a page: every row has a cell for each heading, and each cell knows its heading for a narrow screen."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says, as plain text.
        style: Its classes: ``number``, ``words``, ``label``, ``name``, ``quiet`` or a verdict.
        code: It is a name that a program reads.
    """

    text: str
    style: str = ""
    code: bool = False


def draw_table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[Cell]]], stacked: bool = True) -> Iterator[str]:
    """Draw a table.

    Args:
        heads: The headings.
        rows: Class of the row (``good``, ``bad`` or empty), and its cells, one for each heading.
        stacked: On a narrow screen, put the cells of a row below each other.

    Raises:
        ValueError: A row has more or fewer cells than there are headings.
    """
    yield f"<table{_class('stacked' if stacked else '')}>"
    yield f'<tr class="head">{"".join(f"<th>{escape(head)}</th>" for head in heads)}</tr>'
    for style, cells in rows:
        drawn = "".join(_cell(head, cell) for head, cell in zip(heads, cells, strict=True))
        yield f"<tr{_class(style)}>{drawn}</tr>"
    yield "</table>"


def _cell(head: str, cell: Cell) -> str:
    text = escape(cell.text)
    inner = f"<code>{text}</code>" if cell.code and text else text
    return f'<td{_class(cell.style)} data-head="{escape(head)}">{inner}</td>'


def _class(style: str) -> str:
    return f' class="{escape(style)}"' if style else ""
