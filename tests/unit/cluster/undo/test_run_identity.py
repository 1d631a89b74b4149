"""The name of a run, its undo log, and the objects it makes: the same in folder, label, path and kubectl line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import ENDS_AT, LIBRARY_NAMESPACE, OWNER_LABELS, ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.kinds.delete_object import of_manifest
from chaoslib_cp.cluster.undo.objects import created_kinds, object_path
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change, undo_log_of_run
from chaoslib_cp.cluster.undo.rights import require_undo_rights
from chaoslib_cp.cluster.undo.run import is_part_of, undo_folder, undo_log_facts
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, UndoFailed
from chaoslib_cp.settings import Settings, read_settings
from chaoslib_cp.state import state_root
from tests.fakes.api_server import HANG, Answer, json_answer
from tests.fakes.kube_objects import CLUSTER_UID, REVIEWS, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels, observed, to_delete

CONFIG_MAP = {
    "kind": "ConfigMap", "metadata": {"name": "ours", "namespace": "kube-system", "labels": labels("r")},
}  # fmt: skip
ROLE = {"kind": "ClusterRole", "metadata": {"name": "ours", "labels": labels("r")}}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def cluster(kube: KubeObjects) -> Iterator[Cluster]:
    """The same, opened as the runner."""
    with open_cluster(kube.settings()) as opened:
        yield opened


def of(folder: str | None) -> dict[str, Any]:
    """Configuration of a run in a folder."""
    return {"chaoslib_cp_run_dir": folder}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/runs/20261122T120000Z-openai", "20261122T120000Z-openai"),
        ("/runs/a b/x: ü_1.2", "x---_1.2"),
        ("/runs/-_.x-_.", "x"),
        ("/runs/" + "x" * 62 + "-y", "x" * 62),
        ("/runs/" + "x" * 70, "x" * 63),
        ("/runs/üü", "adhoc"),
        ("/runs/X1-X", "X1-X"),
        ("", "adhoc"),
        (None, "adhoc"),
    ],
)
def test_a_run_is_named_after_its_folder_as_a_label_allows(folder: str | None, name: str) -> None:
    """Letters, digits and -_. in the middle, 63 at most; without a control it has no folder."""
    assert read_settings(of(folder)).run == name
    assert read_settings(of(folder)).run_dir == (Path(folder) if folder else None)
    assert read_settings().run == "adhoc"


def test_labels_are_those_of_earlier_versions() -> None:
    """What they left in a cluster is found by them; manifests and documentation name them too."""
    assert (RUN_LABEL, ROLE_LABEL, ENDS_AT) == ("chaoslib-cp/run", "chaoslib-cp/role", "chaoslib-cp/ends-at-epoch-s")
    assert OWNER_LABELS == {"app.kubernetes.io/managed-by": "chaoslib-cp"}
    assert LIBRARY_NAMESPACE == "chaoslib-cp"


def test_a_log_says_how_its_cluster_is_found_again(kube: KubeObjects, cluster: Cluster) -> None:
    """Golden: `recover` of other versions reads it."""
    assert undo_log_facts(cluster, CLUSTER_UID, Settings()) == {
        "cluster_uid": CLUSTER_UID,
        "ca_sha256": cluster.ca_sha256,
        "server": f"https://127.0.0.1:{kube.server.port}",
        "addresses": [f"127.0.0.1:{kube.server.port}"],
        "kubeconfig": str(kube.kubeconfig),
        "contexts": {"runner_context": "runner", "admin_context": "admin", "break_glass_context": "break-glass"},
    }
    named = {"admin_context": "a", "break_glass_context": "b"}
    assert undo_log_facts(cluster, CLUSTER_UID, read_settings(named))["contexts"] == {
        **named,
        "runner_context": "runner",
    }


def test_the_context_of_another_identity_is_not_taken_for_the_runners(kube: KubeObjects) -> None:
    """A lost log is rebuilt as break-glass; the runner keeps its usual name."""
    kube.rename_context("runner", "mine")
    with open_cluster(kube.settings(runner_context="mine")) as runner:
        assert undo_log_facts(runner, "u", Settings())["contexts"]["runner_context"] == "mine"
    with open_cluster(kube.settings(), "break-glass") as other:
        assert undo_log_facts(other, "u", Settings())["contexts"]["runner_context"] == "runner"


def test_a_run_has_one_log_and_without_a_control_each_use_one_of_its_own(cluster: Cluster) -> None:
    """The open one is gone on with; a finished one keeps its name, so nobody can move what another process opened."""
    clock = ManualClock()
    assert undo_log_of_run(read_settings(), clock) is None
    first = undo_log_for_change(read_settings(), cluster, CLUSTER_UID, clock)
    assert first.path == state_root() / "undo" / "adhoc-11111111-1.jsonl"
    number = first.intend(observed("x"))
    assert undo_log_for_change(read_settings(), cluster, CLUSTER_UID, clock).path == first.path
    first.done(number, "done")
    second = undo_log_for_change(read_settings(), cluster, CLUSTER_UID, clock)
    assert (second.path.name, second.items()) == ("adhoc-11111111-2.jsonl", [])
    assert sorted(path.name for path in undo_folder().iterdir()) == [first.path.name, second.path.name]
    controlled = undo_log_for_change(read_settings(of("/runs/r")), cluster, CLUSTER_UID, clock)
    controlled.done(controlled.intend(observed("x")), "done")
    assert undo_log_for_change(read_settings(of("/runs/r")), cluster, CLUSTER_UID, clock).items() == controlled.items()


@pytest.mark.parametrize(
    ("log_run", "run", "is_part"),
    [
        ("r", "r", True),
        ("r-1", "r", False),
        ("adhoc-1111", "adhoc-1111", True),
        ("adhoc-1111-2", "adhoc-1111", True),
        ("adhoc-11112-2", "adhoc-1111", False),
        ("adhoc", "adhoc-1111", False),
        ("adhocs-1", "adhocs", False),
    ],
)
def test_a_numbered_log_is_part_of_a_use_without_a_control_and_of_no_run(log_run: str, run: str, is_part: bool) -> None:
    """Runs may be named alike."""
    assert is_part_of(log_run, run) is is_part


@pytest.mark.parametrize(
    ("uid", "name"),
    [(CLUSTER_UID, "adhoc-11111111"), ("a/../b-c", "adhoc-abc"), ("", "adhoc-unknown"), ("ab", "adhoc-ab")],
)
def test_without_a_control_a_run_is_named_after_its_cluster(uid: str, name: str) -> None:
    """Its UID in short, fit for a file name; under a control the folder names it, whichever cluster it is."""
    assert read_settings().run_on(uid) == name
    assert read_settings(of("/runs/r")).run_on(uid) == "r"


@pytest.mark.parametrize("key", ["cluster_uid", "ca_sha256"])
@pytest.mark.parametrize("folder", ["/runs/r", None])
def test_a_log_of_another_cluster_is_not_gone_on_with(cluster: Cluster, key: str, folder: str | None) -> None:
    """What is noted there would be looked for in that cluster, not found, and called gone."""
    name = "r" if folder else "adhoc-11111111-1"
    facts = {**undo_log_facts(cluster, CLUSTER_UID, Settings()), key: "of another"}
    theirs = UndoLog.create(undo_folder(), name, facts, ManualClock())
    theirs.intend(observed("x"))
    before = theirs.path.read_text()
    with pytest.raises(TargetRefused, match=r"^undo log .* is about cluster .*; nothing was changed; start a new run"):
        undo_log_for_change(read_settings(of(folder)), cluster, CLUSTER_UID, ManualClock())
    assert theirs.path.read_text() == before


def test_a_finished_use_of_another_cluster_does_not_keep_this_one_from_its_log(cluster: Cluster) -> None:
    """Nothing is open in it."""
    facts = {**undo_log_facts(cluster, CLUSTER_UID, Settings()), "ca_sha256": "of another"}
    UndoLog.create(undo_folder(), "adhoc-11111111-1", facts, ManualClock())
    assert undo_log_for_change(read_settings(), cluster, CLUSTER_UID, ManualClock()).run == "adhoc-11111111-2"


def test_each_kind_lies_where_the_api_server_has_it() -> None:
    """Cluster-scoped kinds have no namespace in their path, and what we do not make has no path at all."""
    assert {kind: object_path(kind, "n", "x") for kind in created_kinds()} == {
        "ServiceAccount": "/api/v1/namespaces/n/serviceaccounts/x",
        "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles/x",
        "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/x",
        "ConfigMap": "/api/v1/namespaces/n/configmaps/x",
        "Pod": "/api/v1/namespaces/n/pods/x",
        "DaemonSet": "/apis/apps/v1/namespaces/n/daemonsets/x",
        "Job": "/apis/batch/v1/namespaces/n/jobs/x",
    }
    with pytest.raises(UndoFailed, match="not a kind we create"):
        object_path("Secret", "n", "x")


@pytest.fixture
def log() -> UndoLog:
    """The run's log."""
    return UndoLog.create(undo_folder(), "r", {}, ManualClock())


@pytest.mark.parametrize(("manifest", "namespace"), [(CONFIG_MAP, "kube-system"), (ROLE, "")])
def test_what_was_created_is_on_record_with_its_uid(
    cluster: Cluster, kube: KubeObjects, log: UndoLog, manifest: dict[str, Any], namespace: str
) -> None:
    """So that undo deletes this object and no other of its name."""
    log.intend(observed("before"))
    assert create(cluster, log, manifest) == 1
    item = log.items()[1]
    assert item.entry == to_delete(manifest["kind"], namespace, "ours", "r", sent=manifest)
    assert item.uid == kube.objects[object_path(manifest["kind"], namespace, "ours")]["metadata"]["uid"]
    assert not item.done


@pytest.mark.parametrize(
    ("answer", "raised", "done"),
    [
        (Answer(403), TargetRefused, "never made: TargetRefused"),
        (Answer(422), ProfileInvalid, "never made: ProfileInvalid"),
        (Answer(429), CallFailed, "never made: http_429"),
        (HANG, CallFailed, ""),
        (Answer(500), CallFailed, ""),
    ],
)
def test_a_create_that_failed_is_closed_only_if_it_cannot_have_landed(
    cluster: Cluster, kube: KubeObjects, log: UndoLog, answer: Answer, raised: type[Exception], done: str
) -> None:
    """Without an answer, or with one of a server that may have stored it, the entry stays open."""
    kube.fail_next("POST", "/api/v1", answer)
    with pytest.raises(raised):
        create(cluster, log, CONFIG_MAP, timeout_s=0.3)
    assert [item.done for item in log.items()] == [done]


def test_a_created_object_that_shows_no_uid_is_found_by_its_label_later(
    cluster: Cluster, kube: KubeObjects, log: UndoLog
) -> None:
    """An empty UID on record is none."""
    kube.server.on("POST", "/api/v1", json_answer({"kind": "ConfigMap"}, 201))
    create(cluster, log, CONFIG_MAP)
    assert log.items()[0].uid == ""


def test_rights_are_asked_for_each_kind_once_and_refused_with_its_place(cluster: Cluster, kube: KubeObjects) -> None:
    """Get and delete: undo looks whether an object is ours, then deletes it."""
    require_undo_rights(cluster, map(of_manifest, [CONFIG_MAP, CONFIG_MAP, ROLE]))
    reviews = [request.json() for request in kube.server.requests if request.path == REVIEWS]
    assert {one["apiVersion"] for one in reviews} == {"authorization.k8s.io/v1"}
    assert {one["kind"] for one in reviews} == {"SelfSubjectAccessReview"}
    system = {"namespace": "kube-system", "group": "", "name": "ours"}
    rbac = {"namespace": "", "group": "rbac.authorization.k8s.io", "name": "ours"}
    assert [one["spec"]["resourceAttributes"] for one in reviews] == [
        {"verb": "get", "resource": "configmaps", **system},
        {"verb": "delete", "resource": "configmaps", **system},
        {"verb": "get", "resource": "clusterroles", **rbac},
        {"verb": "delete", "resource": "clusterroles", **rbac},
    ]
    kube.denied = {("delete", "configmaps"), ("get", "clusterroles")}
    with pytest.raises(TargetRefused, match=r"^runner \(runner\) may not delete ConfigMap ours in kube-system, so"):
        require_undo_rights(cluster, [of_manifest(CONFIG_MAP)])
    with pytest.raises(TargetRefused, match=r"may not get ClusterRole ours, so"):
        require_undo_rights(cluster, [of_manifest(ROLE)])


@pytest.mark.parametrize("answer", [json_answer({}, 201), json_answer({"status": {"allowed": "yes"}}, 201)])
def test_an_unclear_answer_about_rights_is_a_no(cluster: Cluster, kube: KubeObjects, answer: Answer) -> None:
    """Only a plain yes counts."""
    kube.server.on("POST", REVIEWS, answer)
    with pytest.raises(TargetRefused, match="may not get"):
        require_undo_rights(cluster, [of_manifest(CONFIG_MAP)])


def test_rights_that_cannot_be_asked_for_are_not_assumed(cluster: Cluster, kube: KubeObjects) -> None:
    """Nothing is made then."""
    kube.fail_next("POST", REVIEWS, Answer(503))
    with pytest.raises(CallFailed):
        require_undo_rights(cluster, [of_manifest(CONFIG_MAP)])
