"""What recover, the gate and everybody else make of an undo log that is not as we left it, and of bad credentials.

Refused with one line, nothing undone by it, the file as it was, and every other log is healed all the same.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused, UndoFailed
from chaoslib_cp.settings import read_settings
from chaoslib_cp.state import state_root
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete
from tests.scaffold.figures import note

pytestmark = pytest.mark.proof

THINGS = "/api/v1/namespaces/default/configmaps"
KINDS = "job,daemonset,pod,configmap,clusterrolebinding,clusterrole,serviceaccount"


def undo() -> Path:
    """The folder of the undo logs."""
    return state_root() / "undo"


def one_thing(kube: KubeObjects, run: str) -> Path:
    """One object of a run and the run's log, which knows of it and of one whose create was never answered."""
    settings = kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}")
    clock = ManualClock()
    with open_cluster(read_settings(settings)) as cluster:
        log = undo_log_for_change(read_settings(settings), cluster, CLUSTER_UID, clock)
    kube.objects[f"{THINGS}/{run}"] = {"metadata": {"name": run, "uid": f"uid-{run}", "labels": {RUN_LABEL: run}}}
    log.note(log.intend(to_delete("ConfigMap", "default", run, run)), uid=f"uid-{run}")
    log.intend(to_delete("ConfigMap", "default", "never", run))
    return log.path


def things(kube: KubeObjects) -> list[str]:
    """Names of what runs have made and nobody has taken back."""
    return [path.rpartition("/")[2] for path in kube.objects if path.startswith(THINGS)]


def recovered() -> dict[str, Any]:
    """Recover when no unanswered create can land any more."""
    clock = ManualClock()
    clock.pass_s(70)
    return recover(timeout_s=0, clock=clock)


def edit(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Change the lines of a log."""
    return lambda path: void(path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True)))))


def put(content: bytes) -> Callable[[Path], None]:
    """Have something else in its place."""
    return lambda path: void(path.write_bytes(content))


def void(_: object) -> None:
    """Drop a result."""


def directory(path: Path) -> None:
    """Not a file at all."""
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    """The file itself is somewhere else."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def dangling(path: Path) -> None:
    """A link to nothing."""
    path.unlink()
    path.symlink_to("nowhere")


def other_users(path: Path) -> None:
    """Somebody else's file."""
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, -1)


def newer(path: Path) -> None:
    """As a version to come may write it."""
    path.unlink()
    UndoLog.create(path.parent, path.stem, {"schema": 4}, ManualClock())


def older(path: Path) -> None:
    """As a version before this one wrote it."""
    path.unlink()
    UndoLog.create(path.parent, path.stem, {"schema": 2}, ManualClock())


def of_another_run(path: Path) -> None:
    """A log of "bad" whose header says something else."""
    path.unlink()
    log = UndoLog.create(path.parent, "other", {}, ManualClock())
    log.intend(to_delete("ConfigMap", "default", "bad", "other"))
    log.path.rename(path)


def without_a_run(path: Path) -> None:
    """A header that does not say whose log it is."""
    path.unlink()
    UndoLog.create(path.parent, path.stem, {"run": 7}, ManualClock())


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (directory, "is no file"),
    "a link": (link, "it is a link"),
    "a link to nothing": (dangling, "it is a link"),
    "somebody else's": (other_users, "belongs to user 12345"),
    "writable by the group": (lambda path: path.chmod(0o620), "may be written to by others"),
    "writable by everybody": (lambda path: path.chmod(0o602), "may be written to by others"),
    "empty": (put(b""), "has no header"),
    "half a header": (edit(lambda lines: [lines[0][:-10]]), "has no header"),
    "without its header": (edit(lambda lines: lines[1:]), "line 1"),
    "a line is missing": (edit(lambda lines: [lines[0], *lines[2:]]), "line 2"),
    "lines swapped": (edit(lambda lines: [lines[0], lines[2], lines[1], lines[3]]), "line 2"),
    "a line twice": (edit(lambda lines: [*lines, lines[3]]), "line 5"),
    "half a line in the middle": (edit(lambda lines: [lines[0], lines[1][:-20], *lines[2:]]), "line 2 is damaged"),
    "another name in it": (edit(lambda lines: [one.replace(b'"never"', b'"coredns"') for one in lines]), "line 4"),
    "binary": (put(bytes(range(256)) * 40), "line 1 is damaged"),
    "text": (put(b"hello\n"), "line 1 is damaged"),
    "JSON of somebody else": (put(b'{"schema": 1, "type": "header"}\n'), "line 1 is damaged"),
    "JSON without an end": (put(b"[" * 100_000 + b"\n"), "line 1 is damaged"),
    "huge": (put(b"x" * 4_000_001), "over 4000000 bytes"),
    "of a newer version": (newer, "has schema 4, this version knows 3"),
    "of an older version": (older, "has schema 2, this version knows 3"),
    "of another run": (of_another_run, "is that of run other under another name"),
    "of nobody": (without_a_run, "has no header"),
}


def content(path: Path) -> bytes | None:
    """What is in a file; None for what is no file."""
    return path.read_bytes() if path.is_file() else None


@pytest.mark.parametrize("case", BAD)
def test_a_bad_log_is_refused_by_all_and_keeps_nothing_else_from_healing(kube: KubeObjects, case: str) -> None:
    """One line that says what and why; by hand is shown; the file is as it was; the others are healed."""
    spoil, says = BAD[case]
    path, good = one_thing(kube, "bad"), one_thing(kube, "good")
    spoil(path)
    before = content(path)
    report = recovered()
    [bad] = [log for log in report["logs"] if log["path"] == str(path)]
    [problem] = bad["problems"]
    assert says in problem
    assert "\n" not in problem
    assert "nothing was undone" in problem
    assert (bad["items"], report["healed"], open_logs()) == ([], False, ["bad"])
    [by_hand] = bad["kubectl"]
    assert f"delete {KINDS} --all-namespaces --selector {RUN_LABEL}=" in by_hand
    assert UndoLog.read(good, ManualClock()).open_items() == []
    assert things(kube) == ["bad"]
    with pytest.raises(TargetRefused, match="nothing was changed; run `chaos cp recover`"):
        check_gate(kube.settings(chaoslib_cp_run_dir="/runs/next"), ManualClock())
    assert content(path) == before
    note("bad-log", lost=0)


def linked_folder(folder: Path) -> None:
    """The folder itself is somewhere else."""
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def file_folder(folder: Path) -> None:
    """A file has its name."""
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("none\n")


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (linked_folder, "is a link or no folder; nothing was undone; put a folder of yours there"),
    "a file": (file_folder, "is a link or no folder; nothing was undone; put a folder of yours there"),
    "writable by everybody": (lambda folder: folder.chmod(0o777), "look into it, then chmod 700 it"),
    "somebody else's": (other_users, "belongs to user 12345; nothing was undone; use it as that user"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_others_could_have_planted_is_refused_by_all(kube: KubeObjects, case: str) -> None:
    """Nothing in it is believed, and an unreadable folder is not an empty one."""
    spoil, says = FOLDERS[case]
    one_thing(kube, "bad")
    spoil(undo())
    for ask in (recovered, open_logs):
        with pytest.raises(UndoFailed, match=says):
            ask()
    with pytest.raises(TargetRefused, match=says):
        check_gate(kube.settings(chaoslib_cp_run_dir="/runs/next"), ManualClock())
    assert kube.writes() == []


def pipe(path: Path) -> None:
    """Opening it must not wait for somebody at the other end."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda: pipe(undo() / "bad.jsonl"), "undo log .*bad.jsonl is no file; nothing was undone; move it away"),
        (lambda: newer(undo() / "bad.jsonl"), "schema 4, .*run recover of the version that wrote it, or undo by hand"),
        (lambda: put(b"x\n")(undo() / "bad.jsonl"), "bad.jsonl line 1 is damaged; nothing was undone; restore"),
        (lambda: linked_folder(undo()), "Error: undo folder .* is a link or no folder"),
        (lambda: file_folder(undo()), "Error: undo folder .* is a link or no folder"),
    ],
    ids=["a pipe", "a newer version", "damaged", "a linked folder", "no folder"],
)
def test_the_command_says_so_and_exits_with_1(kube: KubeObjects, spoil: Callable[[], None], says: str) -> None:
    """`chaos cp recover` as a person starts it: never a traceback, never a success, never a wait."""
    one_thing(kube, "bad")
    spoil()
    code = "from chaoslib_cp.cli import cp; cp(['recover'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert re.search(says, ended.stdout + ended.stderr)
    assert ended.stderr.count("\n") == 1
    assert kube.writes() == []


@pytest.mark.parametrize("expired", ["its certificate", "its token"])
def test_when_the_runners_credentials_have_expired_break_glass_heals(kube: KubeObjects, expired: str) -> None:
    """A certificate of a day, a token of an hour: both may be over when somebody comes to recover."""
    one_thing(kube, "good")
    if expired == "its certificate":
        kube.expire("runner")
    else:
        for method in ("GET", "DELETE"):
            kube.fail_next(method, "/", Answer(401), times=99, who="runner")
    assert recovered()["healed"]
    assert things(kube) == []


def test_when_nobodys_credentials_are_valid_any_more_each_is_named(kube: KubeObjects) -> None:
    """One line for each object, with why each identity failed; all stays on record, with the commands."""
    path = one_thing(kube, "good")
    kube.fail_next("GET", "/", Answer(401), times=99)
    kube.fail_next("DELETE", "/", Answer(401), times=99)
    report = recovered()
    assert not report["healed"]
    for item in report["logs"][0]["items"]:
        assert "\n" not in item["outcome"]
        for who in ("runner", "break-glass"):
            assert re.search(rf"{who} \({who}\) could not .*: 401 .* expired .*renew them", item["outcome"])
    assert len(report["logs"][0]["kubectl"]) == len(UndoLog.read(path, ManualClock()).open_items()) == 2
