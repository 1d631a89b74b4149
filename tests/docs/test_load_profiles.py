"""The page of load profiles says what the tables of the code say, row by row."""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from chaoslib_cp.engine.load.patterns.table import PATTERNS
from chaoslib_cp.engine.load.presets import preset, preset_names
from chaoslib_cp.engine.load.profile import ROLLOUTS_OWN, LoadProfile, RequestSpec
from tests.places import ROOT

PAGE = (ROOT / "docs" / "load-profiles.md").read_text(encoding="utf-8")
#: What the JSON form has beside the fields of the code.
ONLY_IN_JSON = {"Keys of a request": ["`weight`"], "Keys of a profile": ["`schema`", "`rate_per_s`", "`preset`"]}


def presets() -> Iterator[str]:
    """A row for each preset."""
    for one in map(preset, preset_names()):
        yield f"| `{one.name}` | {one.story} ({one.source}) | {one.tips_first} | {one.versions} | {one.needs} |"


def patterns() -> Iterator[str]:
    """A row for each pattern."""
    for row in PATTERNS.values():
        eras = [f"{f'from 1.{era.since} on ' if era.since else ''}**{era.cost}**: {era.why}" for era in row.eras]
        instead = f" Instead: {row.instead}." if row.instead else ""
        yield f"| `{row.name}` | {row.source} | {row.words} | {row.driver} | {'; '.join(eras)}.{instead} |"


def keys(kind: type) -> Iterator[tuple[str, str]]:
    """Key, and default with range, of each key that a user may write."""
    for field in dataclasses.fields(kind):
        if field.name in ROLLOUTS_OWN:
            continue
        is_needed = field.default is dataclasses.MISSING
        default = "needed" if is_needed else json.dumps(field.default).strip('"') or "none"
        default = "{}" if field.default_factory is not dataclasses.MISSING else default
        range_ = f", {field.metadata['least']} to {field.metadata['most']}" if field.metadata else ""
        yield f"`{field.name}`", default + range_


def rows(section: str) -> list[str]:
    """The rows of a section's table, without its head."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [line for line in text.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize(("section", "made"), [("Presets", presets), ("Patterns", patterns)])
def test_every_row_of_the_code_is_on_the_page(section: str, made: object) -> None:
    """In the same order and words; a row that was added without the page fails here."""
    assert callable(made)
    assert rows(section) == list(made())


@pytest.mark.parametrize(("section", "kind"), [("Keys of a request", RequestSpec), ("Keys of a profile", LoadProfile)])
def test_every_key_is_on_the_page_with_its_default_and_range(section: str, kind: type) -> None:
    """Nobody has to read the code to write a profile."""
    cells = [tuple(cell.strip() for cell in row.strip("|").split("|"))[:2] for row in rows(section)]
    assert [cell for cell in cells if cell[0] not in ONLY_IN_JSON[section]] == list(keys(kind))
    assert {cell[0] for cell in cells} >= set(ONLY_IN_JSON[section])
