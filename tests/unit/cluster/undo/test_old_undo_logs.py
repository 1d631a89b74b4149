"""Undo logs of every version there was are kept in ``tests/golden/undo``, and recover reads and heals them all.

A version that writes another format adds a file there; the others are never changed.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.cluster.undo.objects import object_path
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.engine.undo.entry import DeleteObject, ObserveOnly
from chaoslib_cp.engine.undo.lines import SCHEMA, SCHEMAS
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.state import state_root
from tests.fakes.certificates import Authority
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.places import GOLDEN
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note

LOGS = GOLDEN / "undo"
RUN = "20231114T221320Z-openai"
NAME = "chaoslib-cp-telemetry"
MADE = [
    DeleteObject("ServiceAccount", "kube-system", "telemetry-agent", RUN),
    DeleteObject("ClusterRole", "", NAME, RUN),
    DeleteObject("ClusterRoleBinding", "", NAME, RUN),
    DeleteObject("ConfigMap", "kube-system", NAME, RUN),
    DeleteObject("DaemonSet", "kube-system", NAME, RUN),
]
UNANSWERED = DeleteObject("ConfigMap", "default", "unanswered", RUN)
FACTS = {
    "cluster_uid": CLUSTER_UID,
    "ca_sha256": "b33b55caa57c86a0f912827ee054a313e8381a8bb71101aa4eb6662e3ba460df",
    "server": "https://127.0.0.1:6443",
    "addresses": ["127.0.0.1:6443"],
    "kubeconfig": "/home/sre/.kube/test-cluster",
    "contexts": {"runner_context": "runner", "admin_context": "admin", "break_glass_context": "break-glass"},
}


def write_log(folder: Path) -> Path:
    """What a run leaves that was killed after its administrator had deleted the DaemonSet."""
    clock = ManualClock()
    log = UndoLog.create(folder, RUN, FACTS, clock)
    for number, entry in enumerate(MADE):
        clock.pass_s(0.25)
        log.note(log.intend(entry), uid=f"uid-{number}")
    log.note(4, deadline_epoch_s="1700000060.0")
    log.intend(ObserveOnly("delete pod kube-system/coredns-a"))
    log.done(4, "deleted by the administrator")
    log.intend(UNANSWERED)
    return log.path


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeObjects]:
    """The cluster that the logs are about, under the name that the environment gives it now."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    authority = Authority(tmp_path, certificate=(LOGS / "ca.pem").read_bytes())
    with KubeObjects(tmp_path / "kube", authority=authority) as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig))
        yield fake


def test_there_is_a_log_of_every_version() -> None:
    """Who changes the format keeps a log of it here."""
    assert {path.name for path in LOGS.glob("*.jsonl")} == {f"schema-{schema}.jsonl" for schema in SCHEMAS}


def test_the_present_version_writes_as_it_did(tmp_path: Path) -> None:
    """Byte for byte: a change of the format cannot slip in."""
    assert write_log(tmp_path / "undo").read_bytes() == (LOGS / f"schema-{SCHEMA}.jsonl").read_bytes()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_recover_heals_what_an_older_version_left(kube: KubeObjects, schema: int) -> None:
    """All that was open is taken back, what was closed is not touched, and the log is gone on with."""
    path = state_root() / "undo" / f"{RUN}.jsonl"
    path.parent.mkdir(parents=True, mode=0o700)
    shutil.copyfile(LOGS / f"schema-{schema}.jsonl", path)
    path.chmod(0o600)
    for number, entry in enumerate(MADE):
        labels = {"chaoslib-cp/run": RUN}
        kube.objects[object_path(entry)] = {"metadata": {"name": entry.name, "uid": f"uid-{number}", "labels": labels}}
    theirs = {"metadata": {"name": NAME, "uid": "theirs"}}
    kube.objects[object_path(MADE[4])] = theirs  # made anew by somebody since the administrator deleted ours
    clock = ManualClock()
    clock.pass_s(120)
    report = recover(timeout_s=0, clock=clock)
    assert report["healed"], report
    assert [item["outcome"] for item in report["logs"][0]["items"]] == [
        "was never made",
        "nothing to undo: delete pod kube-system/coredns-a",
        *["deleted"] * 4,
    ]
    assert [path for path, one in kube.objects.items() if "labels" in one["metadata"]] == []
    assert kube.objects[object_path(MADE[4])] == theirs
    assert path.read_bytes().startswith((LOGS / f"schema-{schema}.jsonl").read_bytes())
    assert recover(timeout_s=0, clock=clock) == {"healed": True, "logs": []}
    note("old-log", healed=1)
