"""What the control refuses, for real on both lines of Chaos Toolkit: nothing is played, and no rollback either."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Chaos
from tests.contract.experiments import act, claim, storm

pytestmark = pytest.mark.contract


def test_a_cluster_without_the_mark_is_refused_before_anything(chaos: Chaos) -> None:
    """The gate refuses, nothing is played, not even rollbacks; no folder is made."""
    chaos.cluster.unmark()
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))))
    assert done.exit_code == 1
    assert "not marked as a test cluster" in done.log
    assert not (chaos.folder / "played").exists()
    assert done.journal["run"] == []
    assert done.journal["rollbacks"] == []
    assert done.run_dirs == []
    assert not [request for request in chaos.cluster.api.requests if request.method != "GET"]


@pytest.mark.parametrize(
    ("missing", "options"),
    [("control.run", ()), ("control.ending", ()), ("control.refusal", ("--no-validation",))],
)
def test_a_control_that_cannot_take_over_plays_nothing(chaos: Chaos, missing: str, options: tuple[str, ...]) -> None:
    """C1: Chaos Toolkit swallows what goes wrong in ``configure_control``, and would play the run unwatched."""
    chaos.spoil(f"import sys; sys.modules['chaoslib_cp.{missing}'] = None")
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))), *options)
    assert done.exit_code != 0, done.log
    assert "control chaoslib_cp could not take over the run" in done.log
    assert not (chaos.folder / "played").exists()
    assert chaos.cluster.storm_until_s == 0
    assert (done.journal["run"], done.journal["rollbacks"], done.journal["status"]) == ([], [], "failed")
    assert chaos.cluster.api.requests == []


def background(made: dict[str, Any]) -> None:
    """Let an activity run in the background."""
    made["method"][0]["background"] = True


def forgetful(made: dict[str, Any]) -> None:
    """Leave the strategies to Chaos Toolkit's defaults."""
    del made["runtime"]


def method_tolerance(made: dict[str, Any]) -> None:
    """Put a tolerance where nobody looks at it."""
    made["method"].append({**claim(Path("/nowhere")), "name": "never looked at"})


def unknown_coupling(made: dict[str, Any]) -> None:
    """Ask for a way to restart DNS that does not exist."""
    arguments = {"coupling": "magic"}
    provider = {"type": "python", "module": "chaoslib_cp.dns.actions", "func": "restart_dns_pods"}
    made["method"].append({"type": "action", "name": "restart", "provider": {**provider, "arguments": arguments}})


def unstopped_rollout(made: dict[str, Any]) -> None:
    """Start something that no rollback stops."""
    arguments = {"profile": {"requests": [{"path": "/metrics"}]}}
    provider = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "start_agent_rollout"}
    made["method"].append({"type": "action", "name": "roll out", "provider": {**provider, "arguments": arguments}})


def unfilled_placeholder(made: dict[str, Any]) -> None:
    """Use a configuration value that nobody gives."""
    made["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["window_s"] = "${nobody_gives_this}"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (background, "runs in the background"),
        (forgetful, "rollbacks strategy is 'default'"),
        (method_tolerance, "a tolerance in the method is never looked at"),
        (unknown_coupling, "coupling 'magic' is unknown"),
        (unstopped_rollout, "add stop_agent_rollout of chaoslib_cp.rollout.actions to rollbacks"),
        (unfilled_placeholder, "which the configuration does not have"),
    ],
)
def test_a_file_that_would_be_unsafe_is_refused(chaos: Chaos, spoil: Any, words: str) -> None:
    """Each trap in a file is refused with its reason before the cluster is asked anything."""
    made = storm(chaos)
    spoil(made)
    done = chaos.run(made)
    assert done.exit_code == 1
    assert words in done.log
    assert chaos.cluster.api.requests == []


def test_a_strategy_on_the_command_line_is_seen(chaos: Chaos) -> None:
    """``--rollback-strategy never`` overrides the file and is refused."""
    done = chaos.run(storm(chaos), "--rollback-strategy", "never")
    assert done.exit_code == 1
    assert "rollbacks strategy is 'never'" in done.log


def test_validate_refuses_a_control_that_sees_half_of_a_run(chaos: Chaos) -> None:
    """``chaos validate`` says so without a cluster."""
    made = storm(chaos)
    made["controls"][0]["automatic"] = False
    path = chaos.folder / "experiment.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    done = chaos.finish(chaos.start("validate", str(path)))
    assert done.exit_code == 1
    assert "is not automatic" in done.log
