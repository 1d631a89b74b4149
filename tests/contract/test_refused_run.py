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


def window_as_text(made: dict[str, Any]) -> None:
    """Write a number as text, which the probe would refuse in each round."""
    made["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["window_s"] = "3"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (background, "runs in the background"),
        (forgetful, "rollbacks strategy is 'default'"),
        (method_tolerance, "a tolerance in the method is never looked at"),
        (unknown_coupling, "coupling is 'magic'"),
        (unstopped_rollout, "add stop_agent_rollout of chaoslib_cp.rollout.actions to rollbacks"),
        (unfilled_placeholder, "which the configuration does not have"),
        (window_as_text, "window_s is '3'; use a number"),
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


def with_values(chaos: Chaos) -> dict[str, Any]:
    """A storm whose numbers come from outside of the file, as in the shipped one."""
    made = storm(chaos)
    made["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["window_s"] = "${window_s}"
    declared = {"window_s": {"type": "env", "key": "CONTRACT_WINDOW_S", "default": 3.0}, "observe_s": 600}
    made["configuration"] = {**made["configuration"], **declared}
    return made


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        (["--var", "window_s=long"], {}, "configuration.window_s (from --var window_s) is 'long', and the file has a"),
        ([], {"CONTRACT_WINDOW_S": "long"}, "configuration.window_s (from variable CONTRACT_WINDOW_S) is 'long'"),
        (["--var", "window_s=900"], {}, "window_s is 900; use a number from 1 to 280; its value"),
        (["--var", "observe_s=0"], {}, "configuration.observe_s (from --var observe_s) is 0"),
        (["--var", "runner_contxt=x"], {}, "--var runner_contxt: the file's configuration does not declare"),
        ([], {"KUBERNETES_CONTEXT": "minikube"}, "context 'minikube' (from variable KUBERNETES_CONTEXT) for identity"),
        ([], {"KUBECONFIG": "/nowhere"}, "kubeconfig /nowhere (from variable KUBECONFIG): No such file"),
    ],
)
def test_a_value_from_outside_is_refused_with_where_it_came_from(
    chaos: Chaos, options: list[str], environment: dict[str, str], words: str
) -> None:
    """Before the baseline, one reason a line, and nothing is asked of the cluster."""
    chaos.cluster.environment.update(environment)
    done = chaos.run(with_values(chaos), *options)
    assert done.exit_code == 1
    assert words in done.log
    assert "Traceback" not in done.log
    assert done.run_dirs == []
    assert chaos.cluster.api.requests == []


def test_several_reasons_have_a_line_each(chaos: Chaos) -> None:
    """And each can be read."""
    made = with_values(chaos)
    method_tolerance(made)
    done = chaos.run(made, "--var", "window_s=long", "--var", "observe_s=no")
    reasons = [line for line in done.log.splitlines() if line.lstrip().startswith("- ")]
    assert len(reasons) == 3, done.log
    assert max(map(len, reasons)) <= 200


def test_text_from_outside_is_a_number_where_the_file_has_one(chaos: Chaos) -> None:
    """``--var window_s=2`` needs no type; a dry run passes the gate and asks the claims."""
    made = with_values(chaos)
    done = chaos.run(made, "--var", "window_s=2", "--var", "observe_s=300", "--dry", "actions")
    assert done.exit_code == 0, done.log
    assert len(done.run_dirs) == 1


def test_a_control_that_is_declared_twice_is_refused_in_one_line(chaos: Chaos) -> None:
    """In the settings of a team for all experiments, and in the experiment: each hook would be called twice."""
    settings = chaos.folder / "settings.yaml"
    control = {"provider": {"type": "python", "module": "chaoslib_cp.control"}}
    settings.write_text(json.dumps({"controls": {"chaoslib_cp": control}}), encoding="utf-8")
    path = chaos.folder / "experiment.json"
    path.write_text(json.dumps(storm(chaos)), encoding="utf-8")
    done = chaos.finish(chaos.start("--settings", str(settings), "run", str(path)))
    assert done.exit_code == 1
    assert "it is declared in the experiment and in Chaos Toolkit's settings; nothing is injected; take it" in done.log
    assert chaos.cluster.api.requests == []


def test_validate_refuses_a_control_that_sees_half_of_a_run(chaos: Chaos) -> None:
    """``chaos validate`` says so without a cluster."""
    made = storm(chaos)
    made["controls"][0]["automatic"] = False
    path = chaos.folder / "experiment.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    done = chaos.finish(chaos.start("validate", str(path)))
    assert done.exit_code == 1
    assert "is not automatic" in done.log
