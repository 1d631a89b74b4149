"""The table of undo kinds: each is whole, and one that nobody knows costs nothing but its own entries."""

from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo import kinds
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.fields import Field
from chaoslib_cp.cluster.undo.kinds.driver import ChangedSetting
from chaoslib_cp.cluster.undo.kinds.kind import PARTS, UndoKind
from chaoslib_cp.cluster.undo.kinds.process import OurProcess
from chaoslib_cp.cluster.undo.kinds.restore_object import EditedObject
from chaoslib_cp.cluster.undo.kinds.written_by_load import WrittenByLoad
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.rights import require_undo_rights
from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import UndoFailed
from chaoslib_cp.settings import Settings
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels, to_delete

NOTE = Entry("paint", "painting-1", "the wall of the cluster", {"colour": "red"})
EDIT = EditedObject(
    "ConfigMap", "kube-system", "x", "u", "7", "r", f"chaoslib-cp-undo-{'0' * 16}", (Field(("data", "a"), "b", "c"),)
).entry("a-1").facts  # fmt: skip
BAD_EDITS: tuple[dict[str, Any], ...] = (
    {"object_kind": "Secret"},
    {"object_kind": "ClusterRole"},
    {"name": "../../secrets/x"},
    {"namespace": "a/b"},
    {"uid": ""},
    {"record": "coredns"},
    {"record": "../x"},
    {"more": "x"},
    {"fields": []},
    {"fields": "data"},
    {"fields": [{"path": ["status", "a"], "before": [1], "ours": [2]}]},
    {"fields": [{"path": [], "before": [1], "ours": [2]}]},
    {"fields": [{"path": ["data", 0], "before": [1], "ours": [2]}]},
    {"fields": [{"path": ["data", "a"], "before": [1, 2], "ours": [2]}]},
    {"fields": [{"path": ["data", "a"], "ours": [2]}]},
)
SETTING = ChangedSetting("testbed", "api_server_cpu_cores", 0.4, 0.1, "u", "r", "x").entry("a-1").facts
BAD_SETTINGS: tuple[dict[str, Any], ...] = (
    {"setting": "memory"},
    {"before": None},
    {"ours": [1]},
    {"ours": True},
    {"cluster_uid": ""},
    {"infrastructure": 7},
    {"more": "x"},
)
LOAD = OurProcess(4711, "1", "here", 4e9).entry("a-1", "load").facts
BAD_PROCESSES: tuple[dict[str, Any], ...] = (
    {"pid": 1},
    {"pid": -1},
    {"pid": True},
    {"started": 1},
    {"ends_at_epoch_s": "x"},
    {"more": "x"},
)
WROTE = WrittenByLoad("r", "a-1", 1_700_000_000).entry().facts
BAD_WRITES: tuple[dict[str, Any], ...] = (
    {"run": "a,b=c"},
    {"run": ""},
    {"fault": "a-2"},
    {"ends_at_epoch_s": "x"},
    {"ends_at_epoch_s": True},
    {"namespace": "kube-system"},
)
WHOLE = """
from chaoslib_cp.engine.undo.replay import Undone

class Paint:
    name = "paint"
    def check(self, entry): pass
    def take_back(self, item, healer): return Undone(True, "scraped off")
    def still_there(self, item, cluster, timeout_s): return "" if item.done else "paint"
    def by_hand(self, item, kubectl): return ["scrape"]
    def rights(self, entry): return ()
    def find(self, cluster, timeout_s, as_runner): return iter(())

UNDO_KINDS = (Paint(),)
"""


@pytest.fixture
def log(kube: KubeObjects) -> UndoLog:
    """A run that made a ConfigMap and painted the wall."""
    settings = settings_of(kube)
    metadata = {"name": "ours", "namespace": "kube-system", "labels": labels("r")}
    with open_cluster(settings) as cluster:
        made = undo_log_for_change(settings, cluster, CLUSTER_UID, ManualClock())
        create(cluster, made, {"kind": "ConfigMap", "metadata": metadata})
    made.intend(NOTE)
    return made


def settings_of(kube: KubeObjects) -> Settings:
    """What the run was told."""
    return kube.settings(chaoslib_cp_run_dir="/runs/r")


def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Declare a module of somebody else's."""
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CHAOSLIB_CP_EXTENSIONS", name)


def ours(kube: KubeObjects) -> list[str]:
    """Paths of what carries our label."""
    return [path for path, one in kube.objects.items() if "chaoslib-cp/run" in (one["metadata"].get("labels") or {})]


def test_every_kind_of_ours_has_every_part() -> None:
    """Whoever asks a kind for one of them gets an answer."""
    for kind in kinds.undo_kinds().values():
        assert [part for part in PARTS if not hasattr(kind, part)] == []
        assert [part for part in PARTS if part not in UndoKind.__protocol_attrs__] == []  # type: ignore[attr-defined]
    assert set(PARTS) == UndoKind.__protocol_attrs__  # type: ignore[attr-defined]
    assert kinds.problems() == []


def test_an_entry_of_a_kind_that_nobody_knows_stays_open_and_is_named(kube: KubeObjects, log: UndoLog) -> None:
    """One clear line with what to do; everything else in the log is undone."""
    report = recover(timeout_s=0, clock=ManualClock())
    assert report["healed"] is False
    [one] = report["logs"]
    assert {item["object"]: item["closed"] for item in one["items"]} == {
        "the wall of the cluster": False,
        "ConfigMap kube-system/ours": True,
    }
    assert one["items"][0]["outcome"] == (
        "entry 1 (the wall of the cluster) is of kind paint, which no module here knows; it was left alone; set "
        "CHAOSLIB_CP_EXTENSIONS to the module that declares it, or use the version that wrote it"
    )
    assert (ours(kube), one["kubectl"], open_logs()) == ([], [], ["r"])
    assert leftovers(settings_of(kube)) == ["the wall of the cluster"]
    assert [item.entry for item in log.open_items()] == [NOTE]


def test_a_module_that_is_missing_at_recover_time_is_named(
    kube: KubeObjects, log: UndoLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With why it cannot be imported; once it is there, its entries are undone."""
    monkeypatch.setenv("CHAOSLIB_CP_EXTENSIONS", "painters_gone")
    [one] = recover(timeout_s=0, clock=ManualClock())["logs"]
    assert "(extension painters_gone cannot be imported: there is no module painters_gone" in one["items"][0]["outcome"]
    assert ours(kube) == []
    extension(tmp_path, monkeypatch, "painters", WHOLE)
    assert leftovers(settings_of(kube)) == ["paint"]
    report = recover(timeout_s=0, clock=ManualClock())
    assert [item["outcome"] for item in report["logs"][0]["items"]] == ["scraped off"]
    assert (report["healed"], log.open_items()) == (True, [])


@pytest.mark.parametrize("part", PARTS)
def test_a_kind_that_lacks_a_part_is_not_used_and_the_part_is_named(
    kube: KubeObjects, log: UndoLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Before a change is made by it, and where it should be undone."""
    extension(tmp_path, monkeypatch, f"painters_{part}", WHOLE.replace(f"    def {part}(", "    def _no(").replace(
        f"    {part} = ", "    _no = "))  # fmt: skip
    [problem] = kinds.problems()
    assert f"lacks {part}; what is of it cannot be undone; add that" in problem
    with open_cluster(settings_of(kube)) as cluster, pytest.raises(UndoFailed, match=f"lacks {part}"):
        require_undo_rights(cluster, [NOTE])
    [one] = recover(timeout_s=0, clock=ManualClock())["logs"]
    assert f"lacks {part}" in one["items"][0]["outcome"]
    assert (ours(kube), len(log.open_items())) == ([], 1)


def test_no_extension_takes_the_place_of_a_kind_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is taken."""
    extension(tmp_path, monkeypatch, "usurpers", WHOLE.replace('"paint"', '"delete_object"'))
    assert type(kinds.undo_kinds()["delete_object"]).__name__ == "DeleteObject"
    assert kinds.problems() == ["undo kind 'delete_object' of an extension has a name of ours; give it another one"]


def test_a_kind_that_breaks_costs_its_own_entries_and_no_others(
    kube: KubeObjects, log: UndoLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever somebody's code raises."""
    extension(
        tmp_path, monkeypatch, "clumsy", WHOLE.replace('return Undone(True, "scraped off")', 'raise KeyError("x")')
    )
    [one] = recover(timeout_s=0, clock=ManualClock())["logs"]
    assert one["items"][0]["outcome"].startswith("the wall of the cluster: unforeseen KeyError at ")
    assert (ours(kube), one["kubectl"], [item.entry for item in log.open_items()]) == ([], ["scrape"], [NOTE])


@pytest.mark.parametrize(
    "entry",
    [
        Entry("delete_object", "a-1", "x", {}),
        Entry("delete_object", "a-1", "x", {"object_kind": "DaemonSet", "namespace": "a", "name": "b"}),
        Entry("delete_object", "a-1", "x", {**to_delete("DaemonSet", "a", "b", "r").facts, "name": "../../nodes/x"}),
        Entry("delete_object", "a-1", "x", {**to_delete("DaemonSet", "a", "b", "r").facts, "object_kind": "Secret"}),
        Entry(
            "delete_object", "a-1", "x", {**to_delete("DaemonSet", "a", "b", "r").facts, "object_kind": "Deployment"}
        ),
        Entry("delete_object", "a-1", "x", {**to_delete("DaemonSet", "a", "b", "r").facts, "run": "$(reboot)"}),
        *(Entry("restore_object", "a-1", "x", {**EDIT, **bad}) for bad in BAD_EDITS),
        Entry("restore_object", "a-1", "x", {"fields": []}),
        *(Entry("driver", "a-1", "x", {**SETTING, **bad}) for bad in BAD_SETTINGS),
        Entry("driver", "a-1", "x", {}),
        *(Entry("process", "a-1", "x", {**LOAD, **bad}) for bad in BAD_PROCESSES),
        Entry("process", "a-1", "x", {}),
        *(Entry("written_by_load", "a-1", "x", {**WROTE, **bad}) for bad in BAD_WRITES),
        Entry("written_by_load", "a-1", "x", {}),
    ],
)
def test_facts_that_a_kind_never_writes_steer_nothing(entry: Entry) -> None:
    """No path, no kind that we never make, no text that a shell would run."""
    with pytest.raises(UndoFailed, match="the log was edited"):
        kinds.kind_of(entry)
