"""Edits of what is not ours: on record twice before they are made, put back byte for byte, never over others' edits."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.edit import Edit, edit
from chaoslib_cp.cluster.undo.fields import ABSENT
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recorded import MOST_BYTES
from chaoslib_cp.cluster.undo.recover import keep, open_logs, recover
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import RESET, Answer, Request
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock

COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
COREFILE = "/api/v1/namespaces/kube-system/configmaps/coredns"
RECORDS = "/api/v1/namespaces/chaoslib-cp/configmaps"
SCALE = Edit("Deployment", "kube-system", "coredns", {("spec", "replicas"): 0})
Fields = dict[tuple[str, ...], Any]
OVERLAPPING: tuple[Fields, ...] = ({("spec", "replicas"): 9}, {("spec",): {}})
REPLICAS = "spec.replicas was 2, we set 0, it is"


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """CoreDNS, as somebody else runs it."""
    kube.objects[COREDNS] = {
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "uid": "u1", "resourceVersion": "7"},
        "spec": {"replicas": 2, "paused": False},
    }
    kube.objects[COREFILE] = {
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system", "uid": "u2", "resourceVersion": "8"},
        "data": {"Corefile": '.:53 {\n  "é" && <x>\n}\n', "a/b~c": "x"},
    }
    return kube


@pytest.fixture
def settings(kube: KubeObjects) -> Settings:
    """What the run was told."""
    return kube.settings(chaoslib_cp_run_dir="/runs/r")


@pytest.fixture
def cluster(settings: Settings) -> Iterator[Cluster]:
    """As the runner."""
    with open_cluster(settings) as opened:
        yield opened


@pytest.fixture
def log(cluster: Cluster, settings: Settings) -> UndoLog:
    """The run's log."""
    return undo_log_for_change(settings, cluster, CLUSTER_UID, ManualClock())


@pytest.fixture
def scaled(cluster: Cluster, log: UndoLog) -> ManualClock:
    """CoreDNS has no replicas any more."""
    clock = ManualClock()
    edit(cluster, log, log.next_fault("scale"), SCALE, clock)
    return clock


def theirs(kube: KubeObjects) -> dict[str, Any]:
    """What is not ours, without versions, as bytes: what counts is the content."""
    kept = copy.deepcopy({path: one for path, one in kube.objects.items() if not path.startswith(RECORDS)})
    for one in kept.values():
        one["metadata"].pop("resourceVersion", None)
    return {path: json.dumps(one) for path, one in kept.items()}


def outcomes(clock: ManualClock, timeout_s: float = 0) -> dict[str, str]:
    """What recover says of each entry."""
    logs = recover(timeout_s=timeout_s, clock=clock)["logs"]
    return {item["object"]: item["outcome"] for one in logs for item in one["items"]}


def test_an_edit_is_put_back_byte_for_byte(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, settings: Settings
) -> None:
    """Numbers, texts with any characters, keys with slashes, what was taken away and what was added."""
    before = theirs(kube)
    fault = log.next_fault("poison")
    data: Fields = {("data", "Corefile"): "lies", ("data", "a/b~c"): ABSENT, ("data", "new"): "n"}
    edit(cluster, log, fault, Edit("ConfigMap", "kube-system", "coredns", data), ManualClock())
    edit(cluster, log, fault, SCALE, ManualClock())
    assert kube.objects[COREFILE]["data"] == {"Corefile": "lies", "new": "n"}
    assert kube.objects[COREDNS]["spec"]["replicas"] == 0
    assert (
        leftovers(settings)[-2:]
        == [
            "ConfigMap kube-system/coredns: data.Corefile, data.a/b~c, data.new",
            "Deployment kube-system/coredns: spec.replicas",
        ]
        or len(leftovers(settings)) == 4
    )
    done = take_back(settings, 5, ManualClock(), kind="poison")
    assert (done.details["undone"], done.faults) == (4, (fault,))
    assert {path: json.loads(one) for path, one in theirs(kube).items()} == {
        path: json.loads(one) for path, one in before.items()
    }
    assert leftovers(settings) == []
    assert [path for path in kube.objects if path.startswith(RECORDS)] == []


def test_what_was_is_on_record_twice_before_it_is_changed(kube: KubeObjects, cluster: Cluster, log: UndoLog) -> None:
    """On disk and in the cluster; the record is made first and taken away last."""
    seen: list[str] = []

    def look(request: Request) -> None:
        if request.method == "PATCH" and "dryRun" not in request.query:
            entry = json.loads(next(one for path, one in kube.objects.items() if RECORDS in path)["data"]["entry.json"])
            [mine, record] = log.open_items()
            seen.extend((mine.entry.kind, record.entry.kind))
            assert entry["facts"] == mine.entry.facts
            assert entry["facts"]["fields"] == [{"path": ["spec", "replicas"], "before": [2], "ours": [0]}]

    kube.before_request = look
    edit(cluster, log, log.next_fault("scale"), SCALE, ManualClock())
    assert seen == ["restore_object", "delete_object"]
    [patch] = [one for one in kube.server.requests if one.method == "PATCH" and "dryRun" not in one.query]
    assert patch.json() == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    ]


def test_the_record_is_kept_until_the_change_is_taken_back(kube: KubeObjects, scaled: ManualClock) -> None:
    """Whatever keeps the change from being taken back, a lost log can still be written again."""
    kube.fail_next("PATCH", "/", Answer(503), times=2)
    said = outcomes(scaled)
    [record] = [words for name, words in said.items() if name.startswith("ConfigMap chaoslib-cp/")]
    assert record == "kept as the record of Deployment kube-system/coredns: spec.replicas until that is taken back"
    assert set(outcomes(scaled).values()) == {"restored", "deleted"}


def test_a_lost_log_is_written_again_from_the_record(
    kube: KubeObjects, log: UndoLog, scaled: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is gone; the cluster knows what was, and by which fault."""
    log.path.unlink()
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    scaled.pass_s(3600 + 601)
    report = recover(timeout_s=0, clock=scaled)
    assert report["healed"], report
    assert {item["fault"] for item in report["logs"][0]["items"]} == {"scale-1"}
    assert kube.objects[COREDNS]["spec"] == {"replicas": 2, "paused": False}
    assert [path for path in kube.objects if path.startswith(RECORDS)] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.update({"entry.json": "[]"}),
        lambda data: data.clear(),
        lambda data: data.update({"entry.json": data["entry.json"].replace("chaoslib-cp-undo-", "chaoslib-cp-undo-x")}),
        lambda data: data.update({"entry.json": data["entry.json"].replace('"run": "r"', '"run": "q"')}),
    ],
)
def test_a_record_that_we_never_write_is_not_believed(
    kube: KubeObjects, log: UndoLog, scaled: ManualClock, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], None]
) -> None:
    """Somebody edited it: nothing is restored by it."""
    log.path.unlink()
    spoil(next(one for path, one in kube.objects.items() if path.startswith(RECORDS))["data"])
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    scaled.pass_s(3600 + 601)
    recover(timeout_s=0, clock=scaled)
    assert kube.objects[COREDNS]["spec"]["replicas"] == 0


def test_a_foreign_edit_is_never_overwritten_and_shown(
    kube: KubeObjects, log: UndoLog, scaled: ManualClock, settings: Settings
) -> None:
    """It stays open, with the difference and what to do; set back by hand, recover closes it."""
    kube.objects[COREDNS]["spec"]["replicas"] = 5
    for _ in range(2):
        words = outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"]
        assert words == (
            "Deployment kube-system/coredns was edited by somebody else since, which is never overwritten: "
            f"{REPLICAS} 5 now; set it as it was, then run `chaos cp recover`; or keep it as it is: "
            "`chaos cp recover --keep r:1`"
        )
    assert (kube.objects[COREDNS]["spec"]["replicas"], open_logs(), len(log.open_items())) == (5, ["r"], 2)
    assert "spec.replicas" not in str(leftovers(settings))
    kube.objects[COREDNS]["spec"]["replicas"] = 2
    assert outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"] == "is as before"
    assert (log.open_items(), open_logs()) == ([], [])


def test_a_foreign_edit_can_be_kept(kube: KubeObjects, log: UndoLog, scaled: ManualClock) -> None:
    """By its number; then the record goes, too."""
    kube.objects[COREDNS]["spec"]["replicas"] = 5
    for run, number, says in (
        ("q", 1, "no open undo log of a run 'q'"),
        ("r", 7, r"run r has no open entry 7; nothing was closed; open are 0 \(ConfigMap .*\), 1 \(Deployment "),
    ):
        with pytest.raises(ProfileInvalid, match=says):
            keep(run, number, scaled)
    assert keep("r", 1, scaled) == "Deployment kube-system/coredns: spec.replicas"
    assert recover(timeout_s=0, clock=scaled)["healed"] is True
    assert (kube.objects[COREDNS]["spec"]["replicas"], log.open_items()) == (5, [])


def test_other_fields_and_other_versions_are_nobodys_business(kube: KubeObjects, scaled: ManualClock) -> None:
    """Controllers write the status all the time, and somebody may edit what we did not."""
    kube.objects[COREDNS]["spec"]["paused"] = True
    kube.objects[COREDNS]["metadata"]["resourceVersion"] = "99"
    assert outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"] == "restored"
    assert kube.objects[COREDNS]["spec"] == {"replicas": 2, "paused": True}


def test_an_edit_between_look_and_restore_is_not_lost(kube: KubeObjects, scaled: ManualClock) -> None:
    """The patch is refused by the server, and looked at anew."""

    def edit_meanwhile(request: Request) -> None:
        if request.method == "PATCH":
            kube.objects[COREDNS]["spec"]["replicas"] = 5
            kube.objects[COREDNS]["metadata"]["resourceVersion"] = "99"

    kube.before_request = edit_meanwhile
    said = outcomes(scaled, timeout_s=2)["Deployment kube-system/coredns: spec.replicas"]
    assert f"{REPLICAS} 5 now" in said
    assert kube.objects[COREDNS]["spec"]["replicas"] == 5


def test_an_object_that_is_gone_or_made_anew_needs_nothing(kube: KubeObjects, scaled: ManualClock) -> None:
    """Unless it was made from a copy of what we had made of it."""
    anew = copy.deepcopy(kube.objects[COREDNS])
    anew["metadata"]["uid"] = "u9"
    kube.objects[COREDNS] = anew
    said = outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"]
    assert "was made anew since, and spec.replicas in it is as we had set it: left alone; " in said
    assert anew["spec"]["replicas"] == 0
    anew["spec"]["replicas"] = 3
    assert "made anew, with nothing of ours" in outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"]


def test_an_object_that_is_gone_needs_nothing(kube: KubeObjects, scaled: ManualClock) -> None:
    """Somebody deleted it."""
    del kube.objects[COREDNS]
    assert "that was edited is gone" in outcomes(scaled)["Deployment kube-system/coredns: spec.replicas"]


def test_a_patch_that_was_never_answered_may_land_for_65_seconds(
    kube: KubeObjects, cluster: Cluster, log: UndoLog
) -> None:
    """While the object has the version that it is for; it is restored when it did land."""
    clock = ManualClock()
    kube.fail_next("PATCH", COREDNS, json_dry(kube), times=1, after_the_write=True)
    kube.fail_next("PATCH", COREDNS, RESET, lands_late=True)
    with pytest.raises(CallFailed):
        edit(cluster, log, log.next_fault("scale"), SCALE, clock)
    said = outcomes(clock)["Deployment kube-system/coredns: spec.replicas"]
    assert "is as before, but its patch was never answered and may land for another 65 s" in said
    kube.land_late()
    assert kube.objects[COREDNS]["spec"]["replicas"] == 0
    assert outcomes(clock)["Deployment kube-system/coredns: spec.replicas"] == "restored"
    assert kube.objects[COREDNS]["spec"]["replicas"] == 2


def json_dry(kube: KubeObjects) -> Answer:
    """What the server answers to the patch that changes nothing."""
    shown = copy.deepcopy(kube.objects[COREDNS])
    shown["spec"]["replicas"] = 0
    return Answer(200, {}, json.dumps(shown).encode())


@pytest.mark.parametrize("changed", ["version", "time"])
def test_a_patch_that_cannot_land_any_more_is_none(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, changed: str
) -> None:
    """The object has another version, or the server gave up long ago."""
    clock = ManualClock()
    kube.fail_next("PATCH", COREDNS, json_dry(kube), times=1)
    kube.fail_next("PATCH", COREDNS, RESET)
    with pytest.raises(CallFailed):
        edit(cluster, log, log.next_fault("scale"), SCALE, clock)
    if changed == "version":
        kube.objects[COREDNS]["metadata"]["resourceVersion"] = "8"
    else:
        clock.pass_s(65)
    assert outcomes(clock)["Deployment kube-system/coredns: spec.replicas"] == "is as before"


def test_two_edits_of_one_field_are_refused(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, settings: Settings, scaled: ManualClock
) -> None:
    """Within one run or from another; of the field, of what it stands in or of what stands in it."""
    other = undo_log_for_change(kube.settings(chaoslib_cp_run_dir="/runs/q"), cluster, CLUSTER_UID, scaled)
    before = len(kube.writes())
    for into in (log, other):
        for fields in OVERLAPPING:
            wanted = Edit("Deployment", "kube-system", "coredns", fields)
            with pytest.raises(
                TargetRefused, match=r"^spec.* of Deployment kube-system/coredns is edited by fault scale-1 of"
            ):
                edit(cluster, into, into.next_fault("scale"), wanted, scaled)
    assert (len(kube.writes()), len(log.open_items()), other.items()) == (before, 2, [])
    paused = Edit("Deployment", "kube-system", "coredns", {("spec", "paused"): True})
    edit(cluster, log, log.next_fault("scale"), paused, scaled)
    take_back(settings, 0, scaled)
    edit(cluster, log, log.next_fault("scale"), SCALE, scaled)


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        (Edit("Secret", "kube-system", "x", {("data", "x"): ""}), ProfileInvalid, "a Secret is never edited; nothing"),
        (Edit("ClusterRole", "", "x", {("rules",): []}), ProfileInvalid, "edit one of ConfigMap, DaemonSet, "),
        (Edit("ConfigMap", "kube-system", "none", {("data", "x"): ""}), TargetRefused, "there is no ConfigMap kube-s"),
        (Edit("Deployment", "kube-system", "coredns", {}), ProfileInvalid, "no field of Deployment .* is named"),
        (Edit("Deployment", "kube-system", "coredns", {("status", "x"): 1}), ProfileInvalid, "status.x of .* never"),
        (
            Edit("Deployment", "kube-system", "coredns", {("spec", "a", "b"): 1}),
            TargetRefused,
            "has no spec.a to set b",
        ),
        (Edit("Deployment", "kube-system", "coredns", {("spec", "replicas"): 2}), TargetRefused, "is as asked already"),
        (Edit("ConfigMap", "kube-system", "coredns", {("data", "x"): "y" * MOST_BYTES}), TargetRefused, "200000 bytes"),
    ],
)
def test_what_cannot_be_edited_is_refused_before_anything_is_changed(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, wanted: Edit, error: type[Exception], says: str
) -> None:
    """In one line; nothing is on record."""
    with pytest.raises(error, match=says) as refused:
        edit(cluster, log, log.next_fault("scale"), wanted, ManualClock())
    assert "nothing was changed" in str(refused.value)
    assert (kube.writes(), log.items()) == ([], [])


@pytest.mark.parametrize("right", [("patch", "deployments"), ("get", "deployments"), ("delete", "configmaps")])
def test_a_right_that_is_missing_is_told_before_anything_is_changed(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, right: tuple[str, str]
) -> None:
    """What cannot be taken back is not done."""
    kube.denied = {right}
    with pytest.raises(TargetRefused, match=f"may not {right[0]} .*could not be taken back; nothing was changed"):
        edit(cluster, log, log.next_fault("scale"), SCALE, ManualClock())
    assert (kube.writes(), log.items()) == ([], [])


def test_an_object_that_changes_all_the_time_is_tried_three_times(
    kube: KubeObjects, cluster: Cluster, log: UndoLog
) -> None:
    """Each time from a new look; what was made for the attempts is taken away again."""
    patches = 0

    def change(request: Request) -> None:
        nonlocal patches
        if request.method == "PATCH" and "dryRun" not in request.query:
            patches += 1
            kube.objects[COREDNS]["metadata"]["resourceVersion"] = str(100 + patches)

    kube.before_request = change
    with pytest.raises(
        TargetRefused, match="is edited by somebody at this moment; nothing was changed by it; try again"
    ):
        edit(cluster, log, log.next_fault("scale"), SCALE, ManualClock())
    assert (patches, log.open_items()) == (3, [])
    assert kube.objects[COREDNS]["spec"]["replicas"] == 2
    assert [path for path in kube.objects if path.startswith(RECORDS)] == []
