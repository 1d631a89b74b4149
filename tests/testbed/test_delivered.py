"""Delivered is not hurt: what agents really did decides whether a run says anything, and faults are told apart."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from tests.testbed.conftest import CHAOS, Testbed, brought_up

pytestmark = pytest.mark.testbed

RUN_WITHIN_S = 240
EXAMPLES = ROOT / "docs" / "examples"
# What 42 nodes can ask for without being noticed.
GENTLE = {
    "schema": 1,
    "name": "gentle",
    "requests": [{"path": "/version", "period_s": 2.0}],
    "ramp_s": 1.0,
}
Activity = dict[str, Any]


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None) -> Iterator[Testbed]:  # noqa: ARG001 - it skips
    """One for the gentle rollouts of this file; none of them leaves anything."""
    with brought_up("small", f"gentle-{os.getpid()}") as fresh:
        yield fresh


def python(name: str, place: str, pause_s: float = 0.0, **arguments: Any) -> Activity:
    """An action of Python."""
    module, _, function = place.partition(":")
    provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider, "pauses": {"before": pause_s}}


def roll_out(**arguments: Any) -> Activity:
    """Start a gentle rollout."""
    given = {"profile": GENTLE, "duration_s": 60.0, **arguments}
    return python("roll out", "chaoslib_cp.rollout.actions:start_agent_rollout", **given)


def stop_rollout(pause_s: float) -> Activity:
    """Stop it after a while."""
    return python("stop the rollout", "chaoslib_cp.rollout.actions:stop_agent_rollout", pause_s)


def play(testbed: Testbed, folder: Path, method: list[Activity], rollbacks: list[Activity]) -> dict[str, Any]:
    """Play an experiment whose one claim is that the API answers; return its summary."""
    claim = {
        "type": "probe",
        "name": "the API answers",
        "tolerance": {"type": "range", "target": "ok", "range": [1, 1]},
        "provider": {"type": "python", "module": "chaoslib_cp.apiserver.probes", "func": "api_health"},
    }
    experiment = {
        "version": "1.0.0",
        "title": "Delivered",
        "description": "A gentle rollout.",
        "extensions": [{"name": "chaoslib_cp", "schema": 1, "run_name": "delivered"}],
        "runtime": {"hypothesis": {"strategy": "continuously"}, "rollbacks": {"strategy": "always"}},
        "controls": [{"name": "chaoslib_cp", "provider": {"type": "python", "module": "chaoslib_cp.control"}}],
        "steady-state-hypothesis": {"title": "all is well", "probes": [claim]},
        "method": method,
        "rollbacks": rollbacks,
    }
    (folder / "experiment.json").write_text(json.dumps(experiment))
    done = testbed.run(*CHAOS, "--no-version-check", "run", "experiment.json", timeout_s=RUN_WITHIN_S, cwd=folder)
    [run_dir] = (folder / "runs").glob("*-delivered")
    assert (run_dir / "summary.json").exists(), done.stderr
    return dict(json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))


def test_a_cluster_that_takes_the_whole_load_has_held(testbed: Testbed, tmp_path: Path) -> None:
    """Every agent began, on real and on fake nodes, and sent what its profile asks for; nobody was hurt."""
    summary = play(testbed, tmp_path, [roll_out(), stop_rollout(25.0)], [stop_rollout(0.0)])
    assert summary["verdict"] == "held", summary["why"]
    [fault] = summary["faults"]
    told = fault["delivered"]
    assert told["done"] == told["wanted"] == len(testbed.get("nodes")["items"])
    assert told["counts"]["share_sent"] >= 0.9
    assert told["counts"]["answered"] > 100


def test_agents_that_cannot_start_are_named(testbed: Testbed, tmp_path: Path) -> None:
    """A wrong image, on real and on fake nodes: no cluster survives what never came."""
    method = [roll_out(image="no-such-image:1"), stop_rollout(15.0)]
    summary = play(testbed, tmp_path, method, [stop_rollout(0.0)])
    assert summary["verdict"] == "inconclusive"
    assert summary["why"][0].startswith("agent rollout was not delivered: only 0 of 42 agents began")


def test_agents_that_a_quota_keeps_out_are_told_in_the_api_servers_words(testbed: Testbed, tmp_path: Path) -> None:
    """No pod is there that could say why; within seconds the run does."""
    namespace = "chaoslib-cp"  # what is there already, the prober, stays
    testbed.kubectl("--namespace", namespace, "create", "quota", "no-pods", "--hard=pods=0")
    try:
        method = [roll_out(namespace=namespace), stop_rollout(6.0)]
        why = play(testbed, tmp_path, method, [stop_rollout(0.0)])["why"][0]
    finally:
        testbed.kubectl("--namespace", namespace, "delete", "quota", "no-pods")
    assert "0 of 42 agents run: FailedCreate: " in why
    assert "exceeded quota: no-pods" in why


def test_agents_that_cannot_authenticate_are_named(testbed: Testbed, tmp_path: Path) -> None:
    """Their ServiceAccount is deleted under them: their tokens are worth nothing."""
    delete = {
        "type": "action",
        "name": "delete the ServiceAccount",
        "pauses": {"before": 8},
        "provider": {
            "type": "process",
            "path": "kubectl",
            "arguments": "--context break-glass -n kube-system delete serviceaccount telemetry-agent",
        },
    }
    summary = play(testbed, tmp_path, [roll_out(), delete, stop_rollout(45.0)], [stop_rollout(0.0)])
    assert summary["verdict"] == "inconclusive"
    assert summary["why"][0].startswith("agent rollout was not delivered: agents could not authenticate")


def test_overlapping_faults_are_stopped_and_told_apart(
    testbed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout, and an edit by the example extension: the first stop leaves the other fault alone."""
    monkeypatch.setenv("CHAOSLIB_CP_EXTENSIONS", "scale_down")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    testbed.kubectl("create", "namespace", "shop")
    testbed.kubectl("-n", "shop", "create", "deployment", "web", "--image=registry.example/web:1", "--replicas=2")
    testbed.kubectl("-n", "shop", "create", "role", "scale", "--verb=get,patch", "--resource=deployments.apps")
    testbed.kubectl("-n", "shop", "create", "rolebinding", "scale", "--role=scale", "--user=chaoslib-cp-runner")
    scale = python("scale down", "scale_down:start_scale_down", deployment="web", namespace="shop")
    ask = {
        "type": "probe",
        "name": "replicas while only the scale-down is on",
        "pauses": {"before": 5},
        "provider": {
            "type": "process",
            "path": "kubectl",
            "arguments": "--context break-glass -n shop get deployment web -o jsonpath={.spec.replicas}",
        },
    }
    stop_scale = python("stop the scale-down", "scale_down:stop_scale_down", 5.0)
    summary = play(
        testbed, tmp_path, [roll_out(), scale, stop_rollout(8.0), ask, stop_scale], [stop_rollout(0.0), stop_scale]
    )
    journal = json.loads(next((tmp_path / "runs").glob("*-delivered/journal.json")).read_text())
    seen = next(one["output"]["stdout"] for one in journal["run"] if one["activity"]["name"] == ask["name"])
    assert seen.strip() == "0", "stopping the rollout gave the Deployment its pods back"
    rollout, scaled = summary["faults"]
    assert (rollout["fault"], scaled["fault"]) == ("agent_rollout-1", "scale_down-1")
    assert rollout["began_s"] < scaled["began_s"] < rollout["ended_s"] < scaled["ended_s"]
    assert summary["healed"] is True
    assert testbed.get("-n", "shop", "deployment", "web")["spec"]["replicas"] == 2
