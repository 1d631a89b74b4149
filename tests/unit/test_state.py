"""All commands agree on where state is, whatever folder they are started in."""

from pathlib import Path

import pytest

from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.state import state_root
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
