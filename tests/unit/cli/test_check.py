"""`chaos cp check`: what it prints, and how it ends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import POD, WholeCluster, whole_cluster
from tests.places import ROOT

LOOKS = ROOT / "probes" / "api-and-dns.json"


@pytest.fixture
def whole(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeCluster]:
    """A cluster in which all is well, and which the environment names."""
    with whole_cluster(kube) as made:
        monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
        yield made


def check(*arguments: str) -> tuple[int, str, str]:
    """Run it; returns exit code, standard output and standard error."""
    result = CliRunner().invoke(cp, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_a_line_for_each_finding_and_0_when_nothing_is_wrong(whole: WholeCluster) -> None:
    """A warning alone is no reason to stop."""
    whole.server_ahead_s = 5.0
    exit_code, stdout, _ = check(str(LOOKS))
    lines = stdout.splitlines()
    assert exit_code == 0
    assert re.sub(" +", " ", lines[0]) == "ok experiment file: nothing in it would be refused"
    assert [line.split()[1] for line in lines if line.startswith("warning")] == ["clocks"]
    assert [line for line in lines if not line.startswith(("ok", "warning"))] == []
    assert max(map(len, lines)) <= 200


def test_what_is_wrong_is_exit_code_1_and_as_json_whole(whole: WholeCluster) -> None:
    """A program reads the same."""
    del whole.kube.objects[POD]
    exit_code, stdout, _ = check("--json")
    assert exit_code == 1
    wrong = [one for one in json.loads(stdout) if one["level"] == "wrong"]
    assert [(one["check"], one["on"]) for one in wrong] == [("prober", "DaemonSet chaoslib-cp/workload-prober")]
    assert wrong[0]["fix"].startswith("kubectl --namespace chaoslib-cp describe")


def test_a_file_and_its_variables_say_which_contexts_are_meant(whole: WholeCluster, tmp_path: Path) -> None:
    """As the run would read them, from YAML as well; a name that the file does not have is what a run refuses, too."""
    whole.kube.rename_context("admin", "boss")
    experiment = json.loads(LOOKS.read_text(encoding="utf-8"))
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    assert check(str(tmp_path / "e.yaml"))[0] == 1
    assert check(str(tmp_path / "e.yaml"), "--var", "admin_context=boss")[0] == 0
    exit_code, stdout, _ = check(str(tmp_path / "e.yaml"), "--var", "admin_context=boss", "--var", "admin_contxt=boss")
    assert (exit_code, stdout.count("\nwrong")) == (1, 0)
    assert "does not declare admin_contxt, so nobody would read it" in stdout.splitlines()[0]
    assert check("--var", "admin_context=boss")[0] == 0
    assert check("--var", "admin_context")[0] == 2


def test_what_a_run_would_refuse_of_the_file_is_told(whole: WholeCluster) -> None:
    """The shipped experiment crashes containers, which needs somebody who can."""
    exit_code, stdout, _ = check(str(ROOT / "experiments" / "openai-2024-12-11.json"))
    assert exit_code == 1
    [line] = [line for line in stdout.splitlines() if line.startswith("wrong")]
    assert "needs an infrastructure driver" in line
    assert whole.kube.writes() == []


def shipped(**changed: object) -> str:
    """The shipped experiment with other keys."""
    file = ROOT / "experiments" / "openai-2024-12-11.json"
    return json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changed})


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "5", "{}", shipped(method="x"), shipped(configuration=5), shipped(secrets=5), shipped(controls=5)],
    ids=["cut", "list", "number", "empty", "method", "configuration", "secrets", "controls"],
)
def test_a_file_that_is_no_experiment_is_one_line(tmp_path: Path, text: str) -> None:
    """Nothing is asked."""
    (tmp_path / "e.json").write_text(text, encoding="utf-8")
    exit_code, stdout, stderr = check(str(tmp_path / "e.json"))
    assert (exit_code, stdout, len(stderr.splitlines())) == (1, "", 1)
    assert "nothing was asked" in stderr
