"""All commands agree on where state is, whatever folder they are started in."""

import os
from pathlib import Path

import pytest

from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.state import KEPT_S, MOST_KEPT, prune, state_root
from chaoslib_cp.testbed.instance import Instance


@pytest.mark.parametrize("named", ["state", "./state", ""])
def test_a_relative_state_folder_is_ignored(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor runs in ``/``, its commands anywhere: a path that depends on the folder would part them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", named)
    ours = tmp_path / ".local" / "state" / "chaoslib-cp"
    assert (Instance("one").folder, undo_folder()) == (ours / "testbed" / "one", ours / "undo")


def test_an_absolute_state_folder_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo logs, locks, permits and testbeds are where the user wants them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_root() == tmp_path / "chaoslib-cp"


def test_what_is_finished_is_kept_for_a_month_and_not_without_end(tmp_path: Path) -> None:
    """By the time of the last line; the newest ones stay."""
    folder = tmp_path / "closed"
    folder.mkdir()
    now_s = 10 * KEPT_S
    for number in range(MOST_KEPT + 5):
        path = folder / f"{number}.jsonl"
        path.touch()
        os.utime(path, (now_s - number, now_s - number))
    prune(folder, now_s)
    assert {path.stem for path in folder.iterdir()} == {str(number) for number in range(MOST_KEPT)}
    prune(folder, now_s + KEPT_S - 2.5)
    assert {path.stem for path in folder.iterdir()} == {"0", "1", "2"}
    prune(tmp_path / "none", now_s)
