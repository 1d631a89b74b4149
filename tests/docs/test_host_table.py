"""The table of what the host hands on is the one that the code goes by."""

import re

from chaoslib_cp.inheritance import KEPT, TABLE, UMASKS, Kind
from tests.places import ROOT

PAGE = (ROOT / "docs" / "host.md").read_text()


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head; code spans are plain text."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_variable_is_handed_on_as_the_page_says() -> None:
    """Row by row and in this order, since the first one that fits counts."""
    in_code = [[", ".join(row.names), *(row.handed.get(kind, KEPT) for kind in Kind)] for row in TABLE]
    umasks = [KEPT if umask < 0 else f"{umask:03o}" for umask in UMASKS.values()]
    assert rows("Variables") == [*in_code, ["umask", *umasks]]


def test_every_kind_of_process_is_explained() -> None:
    """The table's columns, in its order."""
    kinds = [str(kind) for kind in Kind]
    assert [row[0] for row in rows("Whose process it is")] == kinds
    assert f"| Variables | {' | '.join(kinds)} |" in PAGE


def test_every_property_says_where_it_is_dealt_with() -> None:
    """Whoever doubts a row knows which file to open; that it exists is tested with all named files."""
    for property_, *_, where in rows("Properties of the host"):
        assert re.fullmatch(r"(chaoslib_cp/[\w/]+\.py(, )?)+", where), property_
