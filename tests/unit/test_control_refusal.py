"""What an experiment must not say, rule by rule."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.control.refusal import control_refusals, experiment_refusals

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
SAFE: dict[str, Any] = {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}}
ROLLOUT = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "start_agent_rollout"}
STOP = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "stop_agent_rollout"}
RESTART = {"type": "python", "module": "chaoslib_cp.dns.actions", "func": "restart_dns_pods"}
GOOD: dict[str, Any] = {
    "steady-state-hypothesis": {"probes": [{"type": "probe", "name": "p", "provider": {}}]},
    "method": [{"type": "action", "name": "roll out", "provider": {**ROLLOUT, "arguments": {"namespace": "${ns}"}}}],
    "rollbacks": [{"type": "action", "name": "stop", "provider": STOP}],
}


def refusals(experiment: dict[str, Any], runtime: dict[str, Any] | None = None, **configuration: Any) -> list[str]:
    """All refusals of an experiment."""
    return list(experiment_refusals(experiment, SAFE if runtime is None else runtime, {"ns": "x", **configuration}))


def test_a_safe_experiment_is_not_refused() -> None:
    """No rule fires on what the shipped experiment does."""
    assert refusals(GOOD) == []


@pytest.mark.parametrize("strategy", ["default", "never", "deviated"])
def test_every_rollback_strategy_but_always_is_refused(strategy: str) -> None:
    """The other strategies skip rollbacks after exactly the endings a drowned API brings about."""
    [refused] = refusals(GOOD, {**SAFE, "rollbacks": {"strategy": strategy}})
    assert refused.startswith(f"rollbacks strategy is '{strategy}'")


def test_an_experiment_without_a_hypothesis_needs_no_hypothesis_strategy() -> None:
    """With nothing to check, there is nothing to check continuously."""
    bare = {key: value for key, value in GOOD.items() if key != "steady-state-hypothesis"}
    assert refusals(bare, {"rollbacks": {"strategy": "always"}}) == []
    assert refusals(GOOD, {"rollbacks": {"strategy": "always"}})


def test_a_coupling_is_judged_by_its_value() -> None:
    """A coupling given through the configuration is looked up; each of the three known ones passes."""
    experiment = deepcopy(GOOD)
    restart = {"type": "action", "name": "restart", "provider": {**RESTART, "arguments": {"coupling": "${how}"}}}
    experiment["method"].append(restart)
    for coupling in ("none", "delete-pods", "restart-containers"):
        assert refusals(experiment, how=coupling, infrastructure="testbed") == []
    assert refusals(experiment, how="reboot")[0].startswith("'restart': coupling 'reboot' is unknown")


def test_a_crash_needs_somebody_who_can_crash_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before the storm begins, not in the middle of it."""
    monkeypatch.delenv("CHAOSLIB_CP_INFRASTRUCTURE", raising=False)
    experiment = deepcopy(GOOD)
    restart = {"type": "action", "name": "restart", "provider": {**RESTART, "arguments": {"coupling": "${how}"}}}
    experiment["method"].append(restart)
    assert "needs an infrastructure driver" in refusals(experiment, how="restart-containers")[0]
    assert refusals(experiment, how="delete-pods") == []


def test_the_shipped_experiment_follows_its_own_rules() -> None:
    """With its defaults, on a cluster with a driver, nothing in it is refused."""
    shipped = json.loads((EXPERIMENTS / "openai-2024-12-11.json").read_text(encoding="utf-8"))
    defaults = {key: value["default"] for key, value in shipped["configuration"].items()}
    assert list(experiment_refusals(shipped, shipped["runtime"], {**defaults, "infrastructure": "testbed"})) == []
    assert all(list(control_refusals(control)) == [] for control in shipped["controls"])


def test_a_placeholder_nobody_fills_is_refused() -> None:
    """Chaos Toolkit would pass the text of the placeholder on."""
    experiment = deepcopy(GOOD)
    experiment["method"][0]["provider"]["arguments"]["namespace"] = "${nowhere}"
    assert refusals(experiment) == [
        "'roll out': argument namespace asks for ${nowhere}, which the configuration does not have"
    ]


def test_activities_of_others_are_theirs() -> None:
    """Arguments of foreign activities are not judged."""
    experiment = deepcopy(GOOD)
    provider = {"type": "python", "module": "somebody.else", "func": "start_x", "arguments": {"coupling": "${y}"}}
    experiment["method"].append({"type": "action", "name": "theirs", "provider": provider})
    assert refusals(experiment) == []


@pytest.mark.parametrize("block", [{"scope": "before"}, {"scope": "after"}, {"automatic": False}])
def test_a_control_that_sees_half_of_a_run_is_refused(block: dict[str, Any]) -> None:
    """It would neither watch nor judge what it does not see."""
    assert len(list(control_refusals({"name": "c", **block}))) == 1
    assert list(control_refusals({"name": "c"})) == []


@pytest.mark.parametrize("value", ["s3cr3t", {"key": "X"}, 7, None])
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(value: Any) -> None:
    """Chaos Toolkit copies the experiment into the journal, and the journal is shown around."""
    [refused] = refusals({**GOOD, "secrets": {"k8s": {"KUBERNETES_API_KEY": value}}})
    assert refused.startswith("secrets.k8s.KUBERNETES_API_KEY is written in the file")
    assert "s3cr3t" not in refused


def test_a_secret_from_the_environment_is_not_refused() -> None:
    """Chaos Toolkit keeps its name, not its value."""
    assert refusals({**GOOD, "secrets": {"k8s": {"token": {"type": "env", "key": "TOKEN"}}}}) == []
