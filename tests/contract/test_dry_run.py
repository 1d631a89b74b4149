"""Dry runs: the gate is passed, nothing is changed, nothing is judged."""

import pytest

from tests.contract.conftest import Chaos
from tests.contract.experiments import act, storm
from tests.exported import exported
from tests.scaffold.figures import note

pytestmark = pytest.mark.contract


def test_a_dry_run_passes_the_gate_and_has_no_verdict(chaos: Chaos) -> None:
    """``--dry actions`` is a rehearsal of the wiring: the mark is checked, nothing is played or judged."""
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))), "--dry", "actions")
    assert done.exit_code == 0, done.log
    assert not (chaos.folder / "played").exists()
    assert "chaoslib_cp" not in done.journal
    chaos.cluster.unmark()
    assert chaos.run(storm(chaos), "--dry", "actions").exit_code == 1


@pytest.mark.parametrize(
    ("dry", "exit_code", "says"),
    [
        ("actions", 0, "with dry"),
        ("activities", 0, "with dry"),
        ("probes", 1, "--dry probes would inject"),
        ("pause", 1, "--dry pause would inject"),
    ],
)
def test_a_dry_run_changes_nothing(chaos: Chaos, dry: str, exit_code: int, says: str) -> None:
    """Whichever kind: no call that changes something reaches the API; the kinds that would make one are refused."""
    made = storm(chaos, act("mark", path=str(chaos.folder / "played")))
    made["method"] += [one.activity for one in exported("action")]
    made["rollbacks"] += [one.activity for one in exported("action") if one.name.startswith("stop_")]
    done = chaos.run(made, "--dry", dry)
    asked = chaos.cluster.api.requests
    assert [one for one in asked if one.method != "GET" and one.query.get("dryRun") != "All"] == []
    assert bool(asked) == (exit_code == 0)
    assert not (chaos.folder / "played").exists()
    assert not (chaos.folder.parent / "state" / "chaoslib-cp" / "undo").exists()
    assert (done.exit_code, says in done.log) == (exit_code, True), done.log
    note("dry", writes=0)
