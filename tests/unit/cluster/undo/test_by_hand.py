"""The commands that recover prints, as a shell takes them: nothing of ours stays, nothing else is touched."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.state import state_root
from chaoslib_cp.testbed.programs import find_programs
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note
from tests.scaffold.meddling import CONFIG_MAP, EDITED, content, meddle, prepare
from tests.scaffold.profiles import PROFILE

pytestmark = pytest.mark.programs

RUN = "20261122T120000Z-openai"


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeObjects]:
    """A marked cluster with a rollout, whose kubeconfig has a blank in its path, and things of others beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with KubeObjects(tmp_path / "my 'kube'") as fake:
        fake.mark()
        settings = fake.configuration(chaoslib_cp_run_dir=f"/runs/{RUN}")
        start_agent_rollout(PROFILE, duration_s=60.0, configuration=settings)
        for name, run in (("another-run", "other"), ("no-run", "")):
            labels = {"chaoslib-cp/run": run} if run else {"app.kubernetes.io/managed-by": "chaoslib-cp"}
            path = f"/api/v1/namespaces/kube-system/configmaps/{name}"
            fake.objects[path] = {"metadata": {"name": name, "namespace": "kube-system", "uid": name, "labels": labels}}
        yield fake


def ours(kube: KubeObjects) -> list[str]:
    """Paths of what the run has made."""
    return [path for path, one in kube.objects.items() if RUN in (one["metadata"].get("labels") or {}).values()]


def type_in(line: str, folder: Path, refused: bool = False, **named: str) -> None:
    """Have a shell run a line with kubectl on its path and nothing else that would help it."""
    programs = find_programs()
    if programs is None:
        pytest.skip("there is no kubectl: `make programs` gets it")
    environment = {"PATH": f"{programs.folder}{os.pathsep}/usr/bin:/bin", "HOME": str(folder), **named}
    ended = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode != 0) is refused, (line, ended.stderr)


def test_the_printed_commands_leave_nothing(kube: KubeObjects, tmp_path: Path) -> None:
    """When recover cannot, each line does one object; a line more than once is no harm; recover then agrees."""
    before = {path for path in kube.objects if path not in ours(kube)}
    kube.fail_next("DELETE", "/", Answer(500), times=99)
    lines = recover(timeout_s=0)["logs"][0]["kubectl"]
    assert len(lines) == len(ours(kube)) == 5
    kube.heal()
    for number, line in enumerate(lines, start=1):
        type_in(line, tmp_path)
        assert len(ours(kube)) == 5 - number
    type_in(lines[0], tmp_path)
    assert set(kube.objects) == before
    report = recover(timeout_s=0)
    assert {item["outcome"] for item in report["logs"][0]["items"]} == {"already gone"}
    assert recover() == {"healed": True, "logs": []}
    note("by-hand", lines=len(lines), residue=0)


@pytest.mark.parametrize("damaged", [0, 2], ids=["its header", "another line"])
def test_the_printed_command_for_a_log_that_nobody_can_read_leaves_nothing(
    kube: KubeObjects, tmp_path: Path, damaged: int
) -> None:
    """Everything that carries the run's label, in one line; which cluster, only the reader knows without a header."""
    path = state_root() / "undo" / f"{RUN}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[damaged] = lines[damaged][:-9] + b"\n"
    path.write_bytes(b"".join(lines))
    [line] = recover(timeout_s=0)["logs"][0]["kubectl"]
    before = {path for path in kube.objects if path not in ours(kube)}
    type_in(line, tmp_path, KUBECONFIG=str(kube.kubeconfig))
    assert set(kube.objects) == before
    note("by-hand", lines=1, residue=0)


@pytest.mark.parametrize("foreign", [False, True])
def test_the_printed_command_for_an_edit_is_the_same_compare_and_swap(
    kube: KubeObjects, tmp_path: Path, foreign: bool
) -> None:
    """It puts back what still is as we made it, byte for byte, and is refused where somebody edited it since."""
    prepare(kube)
    before = {path: content(kube.objects[path]) for path in EDITED}
    clock = ManualClock()
    meddle(kube.settings(chaoslib_cp_run_dir="/runs/meddled"), clock, tuple(EDITED))
    kube.fail_next("PATCH", "/", Answer(500), times=99)
    lines = next(one for one in recover(timeout_s=0, clock=clock)["logs"] if one["run"] == "meddled")["kubectl"]
    kube.heal()
    patches = [line for line in lines if " patch " in line]
    assert len(patches) == len(EDITED)
    if foreign:
        kube.objects[CONFIG_MAP]["data"]["Corefile"] = "theirs"
    for line in patches:
        type_in(line, tmp_path, refused=foreign and " configmap " in line)
    after = {path: content(kube.objects[path]) for path in EDITED}
    assert [path for path in EDITED if after[path] != before[path]] == ([CONFIG_MAP] if foreign else [])
    note("by-hand", lines=len(patches), residue=0)
