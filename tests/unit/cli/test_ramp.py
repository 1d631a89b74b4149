"""`chaos cp ramp`: the ladder as a table and as JSON, and what the exit code says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.undo.recover import open_logs
from tests.fakes.api_server import RESET
from tests.fakes.kube_objects import KubeObjects
from tests.unit.apiserver.ramp.test_ramp import PODS, PROFILE

QUICK = ("--first-nodes", "2", "--step-nodes", "2", "--max-nodes", "4", "--dwell-s", "0.5", "--go-on-at-restart")


@pytest.fixture
def profile(kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A profile in a file, and a cluster that the environment names."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(PROFILE))
    return str(path)


def ramp(*arguments: str) -> tuple[int, str, str]:
    """Run it; returns exit code, standard output and standard error."""
    result = CliRunner().invoke(cp, ["ramp", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_person_reads_the_ladder_as_a_table(profile: str) -> None:
    """Each dwell is a row, told on the way as well; a cap that was reached is no failure, and a lower bound."""
    exit_code, stdout, stderr = ramp(profile, *QUICK, "--until", "client_p99_s=20")
    lines = stdout.splitlines()
    assert exit_code == 0
    assert lines[0].split()[:4] == ["phase", "nodes", "offered/s", "answered/s"]
    assert [line.split()[:2] for line in lines[1:3]] == [["climb", "2"], ["climb", "4"]]
    assert max(map(len, lines)) <= 200
    assert "at least 4 virtual nodes" in stdout
    assert "climb, 2 virtual nodes: answered" in stderr
    assert open_logs() == []


def test_no_capacity_is_no_success(kube: KubeObjects, profile: str) -> None:
    """The result is there all the same, as JSON."""
    kube.server.on("GET", PODS, RESET)
    exit_code, stdout, _ = ramp(profile, *QUICK, "--json")
    found = json.loads(stdout)["ramp"]
    assert (exit_code, found["capacity_nodes"], found["is_backed_off"]) == (1, None, True)
    assert len(found["ladder"]) == 1


@pytest.mark.parametrize("line", ["p99=1", "client_p99_s", "client_p99_s=1h"])
def test_a_line_that_is_none_is_one_line(kube: KubeObjects, profile: str, line: str) -> None:
    """Before the cluster is asked anything."""
    exit_code, stdout, stderr = ramp(profile, "--until", line)
    assert (exit_code, stdout, len(stderr.splitlines())) == (1, "", 1)
    assert "nothing was changed" in stderr
    assert kube.server.requests == []
