"""A rollout whose agents never came says nothing about the cluster, and the run says why they did not."""

from pathlib import Path

import pytest

from tests.testbed.conftest import Testbed
from tests.testbed.gentle_rollout import play, roll_out, stop_rollout

pytestmark = pytest.mark.testbed


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
