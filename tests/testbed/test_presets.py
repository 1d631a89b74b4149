"""Every preset against a real control plane: what tips is what its file says, and what it wrote is gone afterwards."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chaoslib_cp.engine.load.presets import preset_names
from tests.scaffold import part
from tests.scaffold.profiles import WRITERS
from tests.testbed.conftest import CHAOS, Testbed, of_session_or_own
from tests.testbed.preset_rows import ROWS, SPEC, Row, play_until_it_tips

pytestmark = pytest.mark.testbed

_LOGGER: Final = logging.getLogger(__name__)
BY_NAME: Final = {row.preset: row for row in ROWS}
_WRITTEN: Final = "events,leases,configmaps"


def drawn() -> list[str]:
    """All of them; or one of those that write, played gently on the testbed of the session."""
    names = list(BY_NAME) if part.is_whole() else list(WRITERS)
    amount = part.amount("testbed, presets: rows")
    return [row[0] for row in part.of([(name,) for name in names], "presets", at_least=amount, columns=0)]


@pytest.fixture(scope="module")
def ladder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """The testbed of the session; to play all of them one with 2,000 pods."""
    with of_session_or_own(request, tmp_path_factory, SPEC, "presets") as found:
        yield found


def written(testbed: Testbed) -> list[Any]:
    """What loads wrote and is still there."""
    found: list[Any] = testbed.get(_WRITTEN, "--namespace", "chaoslib-cp-load", "--selector", "chaoslib-cp/run")[
        "items"
    ]
    return found


def play_gently(testbed: Testbed, row: Row, folder: Path) -> None:
    """A few virtual nodes for a few seconds, which the API server takes with ease."""
    words = ("cp", "load", row.preset, "--nodes", "5", "--duration-s", "5", "--json")
    ended = testbed.run(*CHAOS, "--no-version-check", *words, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert set(told["outcomes"]) <= {"ok", "aborted"}, told
    assert told["outcomes"]["ok"] >= 10


def test_there_is_a_row_for_each_preset() -> None:
    """One that is added is played, or this fails."""
    assert sorted(BY_NAME) == list(preset_names())


@pytest.mark.proof
@pytest.mark.parametrize("name", drawn())
def test_what_tips_is_what_its_file_says(ladder: Testbed, name: str, tmp_path: Path) -> None:
    """On 1.36, at a size that tips this machine, or it does not bite at all; what it wrote is deleted."""
    row = BY_NAME[name]
    if not part.is_whole():
        play_gently(ladder, row, tmp_path)
    else:
        _, played = play_until_it_tips(ladder, row, tmp_path)
        _LOGGER.info("%s: %s", name, played)
        assert bool(played.refused) is (row.tips == ("nothing",)), played.refused
        assert played.word in row.tips, played
    assert written(ladder) == []
