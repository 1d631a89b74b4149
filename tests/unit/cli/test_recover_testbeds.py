"""`chaos cp recover` and testbeds: what ended with its testbed is closed, and what is elsewhere is named."""

import fcntl
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.testbed.instance import Instance
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


def test_the_log_of_a_testbed_that_is_up_elsewhere_stays_open(capfd: pytest.CaptureFixture[str]) -> None:
    """Its home folder is shared with another machine or container: no process of it is seen, and its cluster lives."""
    leave("first", "a")
    instance = Instance("gone")
    instance.folder.mkdir(parents=True)
    instance.plan_file.write_text("{}")
    instance.write_state({"phase": "ready"})
    with instance.plan_file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = recover()
    assert done.exit_code == 1
    assert f"testbed gone is up on a machine or in a container that shares {instance.folder}" in capfd.readouterr().err
    assert open_logs() == ["first"]


def test_inside_a_testbed_what_is_left_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be reached from there; "nothing to undo" alone would be taken for all of it."""
    leave("elsewhere", "a")
    monkeypatch.setenv("CHAOSLIB_CP_TESTBED", "mine")
    done = recover()
    assert (done.exit_code, done.stdout) == (0, "healed: nothing to undo in testbed mine\n")
    assert "left alone, for they are about other clusters than testbed mine: elsewhere; run" in done.stderr
    assert open_logs() == ["elsewhere"]


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
