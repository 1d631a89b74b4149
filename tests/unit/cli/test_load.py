"""`chaos cp load`: what it prints, what it knows of the server, and how it ends."""

import itertools
import json
import operator
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from chaoslib_cp.cluster.undo.recover import open_logs
from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import OVERLOAD
from tests.scaffold.waiting import until

SHORT = ("--nodes", "20", "--duration-s", "1.5")


@pytest.fixture
def profile(kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile in a file, and a cluster that the environment names."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(OVERLOAD))
    return path


def load(*arguments: str) -> tuple[int, str, str]:
    """Run it; returns exit code, standard output and standard error."""
    result = CliRunner().invoke(cp, ["load", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def metrics(kube: KubeObjects, *served: tuple[float, float]) -> None:
    """Serve /metrics with these starts and CPU seconds, one after the other."""
    pages = [
        f"# HELP x\nprocess_cpu_seconds_total {cpu_s}\nprocess_start_time_seconds {start}\n" for start, cpu_s in served
    ]
    kube.server.on("GET", "/metrics", *(Answer(body=page.encode()) for page in pages))


def test_it_tells_what_was_offered_what_came_back_and_what_it_cost(kube: KubeObjects, profile: Path) -> None:
    """Server CPU is that of /metrics, and amplification the ratio of the two."""
    metrics(kube, (7.0, 100.0), (7.0, 130.0))
    exit_code, stdout, stderr = load(str(profile), *SHORT, "--json")
    result = json.loads(stdout)
    assert (exit_code, stderr) == (0, "")
    assert result["server_cpu_s"] == 30.0
    assert result["amplification"] == pytest.approx(30.0 / result["client_cpu_s"], abs=0.06)
    assert result["due"] == result["tries"] == sum(result["outcomes"].values())
    assert result["outcomes"]["ok"] == sum(
        one.path == "/api/v1/pods" for one in kube.server.requests if one.method == "GET"
    )
    ahead = itertools.accumulate(map(operator.sub, result["per_second"]["begun"], result["per_second"]["due"]))
    assert {one > 0 for one in ahead} == {False}, "nothing before its time"
    assert max(result["per_second"]["due"]) <= 21, "20 a second, and one that jitter moved"
    assert sum(result["per_second"]["begun"]) == result["due"]
    assert open_logs() == []
    assert len([one for one in kube.server.requests if one.path == "/metrics"]) == 2


def test_a_person_reads_a_line_for_each(kube: KubeObjects, profile: Path) -> None:
    """Where nobody may read /metrics, and where a server was restarted, that is what it says."""
    exit_code, stdout, _ = load(str(profile), *SHORT)
    assert exit_code == 0
    heads = [
        "load",
        "offered",
        "answered",
        "outcomes",
        "latency",
        "received",
        "client CPU",
        "server CPU",
        "amplification",
    ]
    lines = stdout.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [*heads, "details"]
    assert max(map(len, lines)) <= 200
    assert "not known: the load's identity cannot read /metrics and the observer cannot read /metrics" in stdout
    metrics(kube, (7.0, 100.0), (8.0, 2.0))
    _, stdout, _ = load(str(profile), *SHORT)
    assert "not known: a server was restarted meanwhile" in stdout


def test_a_load_that_is_not_let_in_is_no_success(kube: KubeObjects, profile: Path) -> None:
    """Rights that went away after the start: the figures are there, and the exit code says that they are none."""
    kube.server.on("GET", "/api/v1/pods", Answer(403))
    exit_code, stdout, stderr = load(str(profile), *SHORT, "--json")
    assert exit_code == 1
    assert set(json.loads(stdout)["outcomes"]) <= {"http_403", "aborted"}
    assert (
        "The load was not delivered: agents could not authenticate: 100 % of their answers were 401 or 403." in stderr
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2", "nothing was sent; correct the file"),
        ("- 1\n", "must be a JSON object"),
        ("schema: 1\nrequests: []\n", "requests must list 1 to"),
        ("schema: 1\nrequests: [{path: /x, period_s: .nan}]\n", "period_s must be a number, not nan"),
    ],
)
def test_a_file_that_is_no_profile_is_one_line(kube: KubeObjects, profile: Path, text: str, words: str) -> None:
    """Before the cluster is asked anything."""
    file = profile.with_suffix(".yaml")
    file.write_text(text)
    exit_code, stdout, stderr = load(str(file))
    assert (exit_code, stdout) == (1, "")
    assert words in stderr
    assert len(stderr.splitlines()) == 1
    assert kube.server.requests == []


def test_a_cluster_without_a_mark_is_not_loaded(kube: KubeObjects, profile: Path) -> None:
    """Neither is its CPU time read."""
    del kube.objects[MARKER_PATH]
    exit_code, _, stderr = load(str(profile))
    assert exit_code == 1
    assert "not marked" in stderr
    assert not [one for one in kube.server.requests if one.path in ("/metrics", "/api/v1/pods")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_load(kube: KubeObjects, profile: Path, number: signal.Signals) -> None:
    """Ctrl-C is how a person stops it: nothing goes on, and nothing is on record."""
    asked: list[Request] = []
    kube.before_request = lambda one: asked.append(one) if (one.method, one.path) == ("GET", "/api/v1/pods") else None
    words = [sys.executable, "-c", "from chaoslib_cp.cli import cp; cp()", "load", str(profile), "--duration-s", "60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)) as command:
        until(lambda: asked, "the load has begun")
        command.send_signal(number)
        command.communicate(timeout=20)
    assert command.returncode != 0
    assert open_logs() == []
    assert all("ended" in line for line in _outcomes())


def _outcomes() -> list[str]:
    folder = Path(os.environ["XDG_STATE_HOME"]) / "chaoslib-cp" / "undo"
    lines = [json.loads(line) for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return [line["outcome"] for line in lines if line["type"] == "done"]
