"""Secrets stay where they came from: planted ones are looked for in everything that a run writes or sends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.conftest import Chaos
from tests.contract.experiments import act, dns_claim, experiment
from tests.fakes.api_server import Answer
from tests.places import ROOT
from tests.scaffold.figures import note

pytestmark = pytest.mark.contract

CANARY = re.compile(rb"canary-[a-z-]+-7f3a9")
SHAPES = {"timeline.jsonl", "summary.json", "report.html", "journal.json", "output.log", "debug.log", "crash.jsonl"}


def canary(what: str) -> str:
    """A secret that can be found again."""
    return f"canary-{what}-7f3a9"


def leaks(folder: Path, allowed: Path) -> list[str]:
    """Files under a folder that hold a planted secret; the kubeconfig is where they belong."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file != allowed]
    return [f"{file.relative_to(folder)}: {found}" for file in files for found in CANARY.findall(file.read_bytes())]


def assert_no_leak(folder: Path, allowed: Path) -> None:
    """No file that a run or a command left under a folder holds one."""
    assert leaks(folder, allowed) == []
    note("secret", files=sum(file.is_file() for file in folder.rglob("*")), found=0)


def with_tokens(chaos: Chaos, end: str = "\n") -> Path:
    """Put a bearer token beside each client certificate, with a line break after it, as a file made with ``echo`` has.

    ``end`` is what stands after each.
    """
    path = Path(chaos.cluster.environment["KUBECONFIG"])
    document = yaml.safe_load(path.read_text())
    for user in document["users"]:
        user["user"]["token"] = canary(f"token-{user['name']}") + end
    path.write_text(yaml.safe_dump(document))
    return path


def with_a_password_in_the_url(chaos: Chaos) -> Path:
    """Put a user and a password into the server's URL."""
    path = Path(chaos.cluster.environment["KUBECONFIG"])
    document = yaml.safe_load(path.read_text())
    for one in document["clusters"]:
        one["cluster"]["server"] = one["cluster"]["server"].replace("://", f"://me:{canary('password')}@")
    path.write_text(yaml.safe_dump(document))
    return path


UNUSABLE = {
    "a line break in each token": lambda chaos: with_tokens(chaos, "\nx"),
    "a letter that no header may hold in each token": lambda chaos: with_tokens(chaos, "€"),
    "a password in the server's URL": with_a_password_in_the_url,
}


def cp(chaos: Chaos, *command: str) -> "subprocess.CompletedProcess[bytes]":
    """Run one of our commands at the greatest verbosity."""
    return subprocess.run(
        [sys.executable, "-m", "chaostoolkit", "--verbose", "cp", *command],
        cwd=chaos.folder,
        env={**os.environ, **chaos.cluster.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )


def played(chaos: Chaos, *between: Any) -> None:
    """A run at the greatest verbosity, with secrets from kubeconfig and environment."""
    page = chaos.cluster.environment["CONTRACT_PROBER_PAGE"]
    made = experiment([act("start_storm", duration_s=3.0), *between], [act("stop_storm")], [dns_claim()], page)
    secrets = {name: {"type": "env", "key": "CONTRACT_SECRET"} for name in ("KUBERNETES_PASSWORD", "other")}
    made["secrets"] = {"k8s": secrets}
    for activity in [*made["method"], *made["rollbacks"], *made["steady-state-hypothesis"]["probes"]]:
        activity["secrets"] = ["k8s"]
    made["configuration"]["admin_token"] = canary("configuration")
    chaos.cluster.environment["CONTRACT_SECRET"] = canary("environment")
    path = chaos.folder / "experiment.json"
    path.write_text(json.dumps({**made, "configuration": {**made["configuration"], "admin_token": "none"}}))
    options = ["--verbose", "--log-file", "debug.log"]
    run = ["run", "--hypothesis-frequency", "0.3", "--var", f"admin_token={canary('configuration')}", str(path)]
    chaos.finish(chaos.start(*options, *run))


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_scanner_finds_a_secret_in_each_kind_of_file(tmp_path: Path, name: str) -> None:
    """A scanner that finds nothing proves nothing until it has found something."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text(f"before {canary('planted')} after")
    assert leaks(tmp_path, tmp_path / "kubeconfig") == [f"deep/{name}: {canary('planted').encode()!r}"]


def test_a_run_at_debug_level_writes_no_secret_anywhere(chaos: Chaos, tmp_path: Path) -> None:
    """Terminal, log file, journals, timeline, summary, report, undo log, permit, the observer's plan and log."""
    kubeconfig = with_tokens(chaos)
    played(chaos, act("sleep", duration_s=1.0, started=str(chaos.folder / "started")))
    assert (chaos.folder / "debug.log").stat().st_size > 0
    assert list((chaos.folder / "runs").iterdir())
    assert_no_leak(tmp_path, kubeconfig)


def test_a_failing_run_writes_no_secret_anywhere(chaos: Chaos, tmp_path: Path) -> None:
    """Errors are where secrets leak: refused, unreadable and broken answers, and an action that fails."""
    kubeconfig = with_tokens(chaos)
    for status in (401, 500):
        chaos.cluster.api.on("POST", "/", Answer(status))
    chaos.cluster.api.on("GET", "/api/v1/namespaces/chaoslib-cp", Answer(401))
    played(chaos, act("fail", message="it did not work"))
    chaos.cluster.unmark()
    played(chaos)
    assert_no_leak(tmp_path, kubeconfig)


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_credentials_that_cannot_be_used_are_written_nowhere(chaos: Chaos, tmp_path: Path, unusable: str) -> None:
    """A run is refused, and so is every command: what is refused must not be shown in the refusal."""
    kubeconfig = UNUSABLE[unusable](chaos)
    played(chaos, act("sleep", duration_s=1.0, started=str(chaos.folder / "started")))
    for command in (["recover"], ["mark", "--owner", "me"]):
        done = cp(chaos, *command)
        assert done.returncode != 0
        assert CANARY.findall(done.stdout + done.stderr) == []
    assert not (chaos.folder / "started").exists()
    assert chaos.cluster.api.requests == []
    assert_no_leak(tmp_path, kubeconfig)


@pytest.mark.parametrize("command", [["recover"], ["mark", "--owner", "me"], ["status"], ["env"]])
def test_commands_print_no_secret(chaos: Chaos, tmp_path: Path, command: list[str]) -> None:
    """Neither to a terminal nor as JSON."""
    kubeconfig = with_tokens(chaos)
    for options in ([], ["--json"]):
        done = cp(chaos, *command, *options)
        assert CANARY.findall(done.stdout + done.stderr) == []
    assert_no_leak(tmp_path, kubeconfig)


def test_tokens_are_used_and_sent_as_nothing_but_a_bearer_token(chaos: Chaos) -> None:
    """Without this the tests above would pass for a run that never had the secrets."""
    with_tokens(chaos)
    played(chaos)
    sent = [request for request in chaos.cluster.api.requests if "authorization" in request.headers]
    assert {request.headers["authorization"] for request in sent} >= {f"Bearer {canary('token-runner')}"}
    for request in chaos.cluster.api.requests:
        assert not CANARY.search(request.body)
        assert not CANARY.search(json.dumps([request.path, request.query]).encode())
