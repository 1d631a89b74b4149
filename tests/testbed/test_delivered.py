"""Delivered is not hurt: what agents really did decides whether a run says anything, and faults are told apart."""

import json
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.testbed.conftest import Testbed
from tests.testbed.gentle_rollout import play, python, roll_out, stop_rollout

pytestmark = pytest.mark.testbed

EXAMPLES = ROOT / "docs" / "examples"


def test_a_cluster_that_takes_the_whole_load_has_held(testbed: Testbed, tmp_path: Path) -> None:
    """Every agent began, on real and on fake nodes, and sent what its profile asks for; nobody was hurt."""
    summary = play(testbed, tmp_path, [roll_out(), stop_rollout(25.0)], [stop_rollout(0.0)])
    assert summary["verdict"] == "held", summary["why"]
    [fault] = summary["faults"]
    told = fault["delivered"]
    assert told["done"] == told["wanted"] == len(testbed.get("nodes")["items"])
    assert told["counts"]["share_sent"] >= 0.9
    assert told["counts"]["answered"] > 100


def test_overlapping_faults_are_stopped_and_told_apart(
    testbed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A rollout, and an edit by the example extension: the first stop leaves the other fault alone."""
    monkeypatch.setenv("CHAOSLIB_CP_EXTENSIONS", "scale_down")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    testbed.kubectl("create", "namespace", "shop")
    request.addfinalizer(lambda: testbed.kubectl("delete", "namespace", "shop", "--wait=false"))
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
