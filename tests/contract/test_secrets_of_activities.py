"""Every exported activity at the greatest verbosity, undone by the run and by `recover`: no secret in what is left."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.conftest import LINES
from tests.contract.experiments import act
from tests.contract.rehearsal import Stage, rehearsing
from tests.contract.test_secrets import CANARY, assert_no_leak, canary
from tests.exported import exported
from tests.fakes.armed_dns import armed_dns
from tests.places import ROOT
from tests.scaffold import decoys, node_caches

pytestmark = pytest.mark.contract


@pytest.fixture(params=LINES, ids=lambda name: name.replace(" ", "-"))
def line(request: pytest.FixtureRequest) -> str:
    """Both lines of Chaos Toolkit."""
    return str(request.param)


def give_tokens(stage: Stage) -> None:
    """Put a bearer token with a line break after it beside each client certificate, a secret into the environment."""
    document = yaml.safe_load(stage.kube.kubeconfig.read_text())
    for user in document["users"]:
        user["user"]["token"] = canary(f"token-{user['name']}") + "\n"
    stage.kube.kubeconfig.write_text(yaml.safe_dump(document))
    stage.chaos.cluster.environment["CONTRACT_SECRET"] = canary("environment")


def play(stage: Stage, method: list[dict[str, Any]]) -> "subprocess.Popen[bytes]":
    """Start a run of these activities, each with secrets, at debug level."""
    made = {**stage.made, "secrets": {"k8s": {"other": {"type": "env", "key": "CONTRACT_SECRET"}}}}
    made["method"] = [{**one, "secrets": ["k8s"]} for one in method]
    made["rollbacks"] = [one.activity for one in exported("action") if one.name.startswith("stop_")]
    path = stage.file("experiment.json")
    path.write_text(json.dumps(made))
    return stage.chaos.start("--verbose", "--log-file", "debug.log", "run", str(path))


def recover(stage: Stage) -> bytes:
    """Run `chaos cp recover` at debug level and return what it printed."""
    done = subprocess.run(
        [str(stage.chaos.python), "-m", "chaostoolkit", "--verbose", "cp", "recover"],
        cwd=stage.chaos.folder,
        env={**os.environ, **stage.chaos.cluster.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_no_activity_writes_a_secret_anywhere(line: str, tmp_path: Path) -> None:
    """Files, objects, requests: of a run that plays them all, and of one that is killed and recovered."""
    with rehearsing(line, tmp_path) as stage, armed_dns(stage.kube) as dns:
        give_tokens(stage)
        node_caches.put(stage.kube)
        decoys.put(stage.kube, "10.0.2.1")
        stage.kube.add_nodes(2)
        stage.made["configuration"]["prober_pages"].append(dns.page)
        stage.chaos.finish(play(stage, [one.activity for one in exported()]))
        played = json.loads(stage.file("journal.json").read_text())["run"]
        assert {one["activity"]["name"] for one in played} == {one.name for one in exported()}
        rollout = next(one for one in exported("action") if one.name == "start_agent_rollout")
        killed = play(stage, [rollout.activity, act("sleep", duration_s=30.0, started=str(stage.file("started")))])
        stage.chaos.until_played(stage.file("started"))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait(10)
        logs = list((tmp_path / "state").rglob("undo/**/*.jsonl"))
        assert len(logs) == 2
        assert stage.ours()
        printed = recover(stage)
        assert stage.ours() == []
        assert CANARY.findall(printed) == []
        for request in stage.kube.server.requests:
            assert not CANARY.search(json.dumps([request.path, request.query]).encode() + request.body)
        sent = {request.headers.get("authorization") for request in stage.kube.server.requests}
        assert sent >= {f"Bearer {canary(f'token-{who}')}" for who in ("runner", "admin", "observer")}
        assert_no_leak(tmp_path, stage.kube.kubeconfig)
