"""`chaos cp recover` and testbeds: what ended with its testbed is closed, and what is elsewhere is named."""

import fcntl
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.undo.by_hand import kubectl_lines, kubectl_lines_without_log
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.kubeconfig import REACHED_FROM
from chaoslib_cp.testbed.instance import SUPERVISOR_MODULE, Instance
from tests.fakes import process_1
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete


@pytest.fixture(autouse=True)
def _outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with a state folder of his own, outside of any testbed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("CHAOSLIB_CP_TESTBED", "KUBECONFIG", "KUBERNETES_HOST", "CHAOSTOOLKIT_IN_POD"):
        monkeypatch.delenv(name, raising=False)


def leave(run: str, name: str, testbed: str = "gone") -> UndoLog:
    """What a run left open in the cluster of a testbed that is not running."""
    facts = {"cluster_uid": f"uid-of-{testbed}", "kubeconfig": str(Instance(testbed).kubeconfig)}
    log = UndoLog.create(undo_folder(), run, facts, ManualClock())
    log.intend(to_delete("ConfigMap", "kube-system", name, run))
    return log


def recover(*options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cp, ["recover", *options])


def test_each_run_of_an_ended_testbed_is_closed_under_its_own_name() -> None:
    """Two runs in one cluster: each report has its own log and its own objects."""
    logs = {"first": leave("first", "a"), "second": leave("second", "b")}
    done = recover("--json")
    assert done.exit_code == 0, done.stderr
    reports = {report["run"]: report for report in json.loads(done.stdout)["logs"]}
    assert {run: report["path"] for run, report in reports.items()} == {run: str(log.path) for run, log in logs.items()}
    assert [item["object"] for item in reports["first"]["items"]] == ["ConfigMap kube-system/a"]
    assert [item["object"] for item in reports["second"]["items"]] == ["ConfigMap kube-system/b"]
    assert open_logs() == []
    assert recover().stdout == "healed: nothing to undo\n"


@pytest.mark.parametrize("how", ["by its undo log", "by KUBECONFIG"])
def test_a_testbed_that_is_up_elsewhere_is_not_called_healed(
    how: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its home folder is shared with another machine or container: no process of it is seen, and its cluster lives."""
    if how == "by its undo log":
        leave("first", "a")
    else:
        monkeypatch.setenv("KUBECONFIG", str(Instance("gone").kubeconfig))
    instance = Instance("gone")
    instance.folder.mkdir(parents=True)
    instance.plan_file.write_text("{}")
    instance.write_state({"phase": "ready"})
    with instance.plan_file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = recover()
    assert done.exit_code == 1
    assert f"testbed gone is up on a machine or in a container that shares {instance.folder}" in capfd.readouterr().err
    assert "testbed gone: recovery inside ended with 1 and no report" in done.stdout
    assert open_logs() == (["first"] if how == "by its undo log" else [])


def test_inside_a_testbed_what_is_left_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be reached from there; "nothing to undo" alone would be taken for all of it."""
    leave("elsewhere", "a")
    process_1.started_as([SUPERVISOR_MODULE, str(Instance("mine").folder)], tmp_path, monkeypatch)
    done = recover()
    assert (done.exit_code, done.stdout) == (0, "healed: nothing to undo in testbed mine\n")
    assert "left alone, for they are about other clusters than testbed mine: elsewhere; run" in done.stderr
    assert open_logs() == ["elsewhere"]


@pytest.mark.parametrize("is_left", [True, False], ids=["the machine went", "it was taken down"])
def test_the_variables_of_a_testbed_lead_nowhere_once_it_has_ended(
    is_left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were typed outside with `eval "$(chaos cp env)"`: nothing is asked from here, where nothing can answer."""
    leave("first", "a")
    if is_left:
        Instance("gone").folder.mkdir(parents=True)
        (Instance("gone").folder / "kubeconfig").write_text("{}")
    monkeypatch.setenv("CHAOSLIB_CP_TESTBED", "gone")
    monkeypatch.setenv("KUBECONFIG", str(Instance("gone").kubeconfig))
    done = recover()
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert done.stdout.splitlines()[0] == "first: ConfigMap kube-system/a: gone with the cluster of testbed gone"
    assert recover().stdout == "healed: nothing to undo\n"


def test_a_cluster_that_was_named_and_not_looked_into_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a lost log made may be in it."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    done = recover()
    assert done.exit_code == 1
    assert "could not look for objects without an undo log" in done.stdout
    assert "no undo log is open, but the cluster that KUBECONFIG names may hold something of ours" in done.stderr
    assert "still open" not in done.stderr


def test_commands_for_a_testbed_can_be_typed_where_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside they begin with the way in; inside that is not needed."""
    log, mine = leave("first", "a", "mine"), Instance("mine")
    mine.folder.mkdir(parents=True)
    mine.kubeconfig.write_text(json.dumps({"extensions": [{"name": REACHED_FROM, "extension": mine.reached_from}]}))
    kubectl = f"kubectl --kubeconfig {mine.kubeconfig} --context break-glass"
    for way in ("chaos cp exec --name mine -- ", ""):
        lines = [*kubectl_lines(log), *kubectl_lines_without_log(log.path)]
        assert [line.partition(kubectl)[0] for line in lines] == [way, way]
        process_1.started_as([SUPERVISOR_MODULE, str(mine.folder)], tmp_path, monkeypatch)


def test_the_last_line_says_healed_or_what_is_left(tmp_path: Path) -> None:
    """On standard output when it is healed, as the error when it is not; never both."""
    leave("first", "a")
    done = recover()
    assert done.stdout.splitlines() == [
        "first: ConfigMap kube-system/a: gone with the cluster of testbed gone",
        "healed: nothing is open any more",
    ]
    facts = {"cluster_uid": "uid", "kubeconfig": str(tmp_path / "no-such-file")}
    log = UndoLog.create(undo_folder(), "second", facts, ManualClock())
    log.intend(to_delete("ConfigMap", "kube-system", "b", "second"))
    done = recover()
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("Error: NOT healed, still open after this attempt: second; their")
    assert "healed:" not in done.stdout
