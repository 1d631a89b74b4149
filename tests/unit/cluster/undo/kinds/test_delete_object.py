"""Deleting what we made: gone means not found, a conflict is looked at, and what is not ours is left alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.same_cluster import OtherCluster, SameCluster
from chaoslib_cp.cluster.undo.heal import take_back_item
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.delete_object import delete_ours
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import Item, UndoLog, find_logs
from chaoslib_cp.engine.undo.replay import Undone
from chaoslib_cp.errors import TargetRefused, UndoFailed
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels, observed, to_delete

ENTRY = to_delete("DaemonSet", "kube-system", "agent", "r")
PATH = "/apis/apps/v1/namespaces/kube-system/daemonsets/agent"
NOW_S = ManualClock().epoch_s()


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """A cluster with our DaemonSet in it."""
    kube.objects[PATH] = ours("u1")
    return kube


@pytest.fixture
def cluster(kube: KubeObjects) -> Iterator[Cluster]:
    """The same, as the runner."""
    with open_cluster(kube.settings()) as opened:
        yield opened


def ours(uid: str, **carried: str) -> dict[str, Any]:
    """A DaemonSet with our label, or with others."""
    return {
        "kind": "DaemonSet",
        "metadata": {
            "name": "agent",
            "uid": uid,
            "labels": carried or labels("r"),
        },
    }


def item(uid: str = "u1", age_s: float = 0.0) -> Item:
    """The undo entry, with or without its UID."""
    return Item(0, ENTRY, NOW_S - age_s, -age_s, {"uid": uid} if uid else {}, "")


def deleting(*clusters: Cluster, known_uids: tuple[str, ...] = ()) -> Callable[[Item], Undone]:
    """Deleting as these identities, with what a log knows."""
    log = UndoLog.create(
        undo_folder(), f"r-{len(find_logs(undo_folder()))}", {"cluster_uid": CLUSTER_UID}, ManualClock()
    )
    for uid in known_uids:
        log.note(log.intend(ENTRY), uid=uid)
    healer = Healer(log, clusters, ManualClock())
    return lambda item: take_back_item(item, healer)


def test_what_was_deleted_or_is_gone_is_closed(cluster: Cluster, kube: KubeObjects) -> None:
    """With the UID as a precondition, and in the background: pods go by themselves."""
    assert delete_ours(cluster, SameCluster(CLUSTER_UID), item(), 5, ManualClock()) == Undone(True, "deleted")
    [first] = kube.server.requests  # one call that is answered is enough in a storm
    assert delete_ours(cluster, SameCluster(CLUSTER_UID), item(), 5, ManualClock()) == Undone(True, "already gone")
    assert first.json() == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u1"},
    }


def test_without_a_uid_the_label_decides(cluster: Cluster, kube: KubeObjects) -> None:
    """The create was never answered: what carries our run is ours, and is deleted by the UID it has now."""
    assert delete_ours(cluster, SameCluster(CLUSTER_UID), item(uid=""), 5, ManualClock()).words == "deleted"
    assert kube.writes()[0].json()["preconditions"] == {"uid": "u1"}


@pytest.mark.parametrize(
    "found",
    [ours("u2", app="theirs"), {"metadata": {"uid": "u2"}}, {}, ours("u2", **{"chaoslib-cp/run": "other"}), ours("")],
)
def test_an_object_without_our_label_is_somebody_elses(
    cluster: Cluster, kube: KubeObjects, found: dict[str, Any]
) -> None:
    """Nothing is deleted, and there is nothing left to do."""
    kube.objects[PATH] = found
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), item(uid=""), 5, ManualClock())
    assert (undone.closed, undone.words) == (True, "another object has its name, left alone")
    assert kube.writes() == []


@pytest.mark.parametrize(("age_s", "closed"), [(0.0, False), (64.9, False), (65.0, True)])
def test_a_create_that_was_never_answered_may_land_for_65_seconds(
    cluster: Cluster, kube: KubeObjects, age_s: float, closed: bool
) -> None:
    """The server's own limit for a request and the wait before it."""
    del kube.objects[PATH]
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), item(uid="", age_s=age_s), 5, ManualClock())
    assert undone.closed is closed
    assert ("was never made" in undone.words) is closed
    if age_s == 0:
        assert "may land for another 65 s" in undone.words


@pytest.mark.parametrize(
    ("after", "closed", "words"),
    [
        (None, True, "already gone"),
        (ours("u2"), True, "ours is gone, another object has its name, left alone"),
        ({}, True, "ours is gone, another object has its name, left alone"),
        (ours("u1"), False, "is still there, and the API server refuses to delete it for a conflict"),
    ],
)
def test_a_conflict_is_looked_at_before_it_is_believed(
    cluster: Cluster, kube: KubeObjects, after: dict[str, Any] | None, closed: bool, words: str
) -> None:
    """409 may mean another UID, or any other refusal."""
    kube.fail_next("DELETE", PATH, Answer(409))
    if after is None:
        del kube.objects[PATH]
    else:
        kube.objects[PATH] = after
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), item(), 5, ManualClock())
    assert undone.closed is closed
    assert words in undone.words


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_object_that_is_still_ending_is_not_gone(cluster: Cluster, kube: KubeObjects, is_gone: bool) -> None:
    """A finalizer or a grace period holds it: the server answers with the object itself."""
    kube.fail_next("DELETE", PATH, json_answer(ours("u1")), after_the_write=is_gone)
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), item(), 5, ManualClock())
    assert undone.closed is is_gone


def test_what_is_no_object_is_never_deleted(cluster: Cluster, kube: KubeObjects) -> None:
    """An entry that the cluster repairs by itself needs nothing."""
    restart = Item(0, observed("restart DNS"), NOW_S, 0.0, {}, "")
    with pytest.raises(UndoFailed, match="restart DNS does not say which object to delete"):
        delete_ours(cluster, SameCluster(CLUSTER_UID), restart, 5, ManualClock())
    assert deleting(cluster)(restart) == Undone(True, "nothing to undo: restart DNS")
    assert kube.server.requests == []


@pytest.mark.parametrize(("answer", "raised"), [(Answer(403), TargetRefused), (Answer(500), CallFailed)])
def test_a_delete_that_failed_is_an_error(
    cluster: Cluster, kube: KubeObjects, answer: Answer, raised: type[Exception]
) -> None:
    """It is never taken for done."""
    kube.fail_next("DELETE", PATH, answer)
    with pytest.raises(raised):
        delete_ours(cluster, SameCluster(CLUSTER_UID), item(), 5, ManualClock())


@pytest.mark.parametrize("answer", [Answer(403), Answer(429)])
def test_the_identity_that_got_through_goes_first_from_then_on(kube: KubeObjects, answer: Answer) -> None:
    """In a storm each failed attempt costs its whole time."""
    kube.fail_next("DELETE", "/", answer, times=9, who="runner")
    with (
        open_cluster(kube.settings()) as runner,
        open_cluster(kube.settings(), "break-glass") as glass,
    ):
        delete = deleting(runner, glass)
        assert delete(item()).closed
        kube.objects[PATH] = ours("u1")
        assert delete(item()).closed
        kube.objects[PATH] = ours("u1")
        kube.fail_next("DELETE", "/", answer, times=9)
        with pytest.raises(UndoFailed):
            delete(item())
    tried = [str(request.peer_name).removeprefix("user-") for request in kube.writes()]
    assert tried == ["runner", "break-glass", "break-glass", "break-glass", "runner"]


def test_when_nobody_gets_through_every_reason_is_told(cluster: Cluster, kube: KubeObjects) -> None:
    """By identity, in the order in which they were tried."""
    kube.fail_next("DELETE", "/", Answer(403), times=9)
    delete = deleting(cluster, cluster)
    with pytest.raises(UndoFailed, match=r"^DaemonSet kube-system/agent was not deleted: .*403.* \| .*403"):
        delete(item())
    with pytest.raises(UndoFailed, match="no identity could be opened"):
        deleting()(item())


SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.mark.parametrize("uid", ["other", "", None])
@pytest.mark.parametrize("there", ["nothing", "another", "ours"])
def test_what_another_cluster_lacks_is_not_gone(
    cluster: Cluster, kube: KubeObjects, there: str, uid: str | None
) -> None:
    """Clusters may share address and authority: the UID of the one that answers decides; without one, nobody knows."""
    kube.objects[SYSTEM]["metadata"]["uid"] = uid
    if there == "nothing":
        del kube.objects[PATH]
    elif there == "another":
        kube.objects[PATH] = ours("u2", app="theirs")
    known = item() if there != "ours" else item(uid="")
    with pytest.raises(OtherCluster, match=r"is cluster (other|without a UID), the undo log is about cluster 1111"):
        delete_ours(cluster, SameCluster(CLUSTER_UID), known, 5, ManualClock())
    assert (PATH in kube.objects) is (there != "nothing")


def test_a_log_that_names_no_cluster_closes_nothing_that_is_missing(cluster: Cluster, kube: KubeObjects) -> None:
    """It could be any cluster's; even one without a UID is not the same as none."""
    del kube.objects[PATH]
    kube.objects[SYSTEM]["metadata"]["uid"] = ""
    with pytest.raises(OtherCluster, match="about cluster of no name"):
        delete_ours(cluster, SameCluster(""), item(), 5, ManualClock())


@pytest.mark.parametrize(("answer", "raised"), [(Answer(503), CallFailed), (Answer(403), TargetRefused)])
def test_while_nobody_can_tell_the_cluster_a_delete_is_sent_and_a_missing_object_closes_nothing(
    cluster: Cluster, kube: KubeObjects, answer: Answer, raised: type[Exception]
) -> None:
    """The UID in the delete keeps it from harm; that nothing is there proves nothing."""
    kube.fail_next("GET", SYSTEM, answer, times=9)
    same = SameCluster(CLUSTER_UID)
    assert delete_ours(cluster, same, item(), 5, ManualClock()).closed
    assert PATH not in kube.objects
    with pytest.raises(raised):
        delete_ours(cluster, same, item(), 5, ManualClock())
    kube.heal()
    assert delete_ours(cluster, same, item(), 5, ManualClock()) == Undone(True, "already gone")


SENT: dict[str, Any] = {
    "kind": "DaemonSet",
    "metadata": {"name": "agent", "labels": labels("r"), "annotations": {"end": "1"}},
    "spec": {"list": [{"a": 1}], "empty": {}},
}


def sent_item() -> Item:
    """The entry of a create that was never answered, with what was sent."""
    return Item(0, to_delete("DaemonSet", "kube-system", "agent", "r", sent=SENT), NOW_S - 70, -70.0, {}, "")


def landed(**metadata: Any) -> dict[str, Any]:
    """What the server has made of it, with defaults of its own."""
    spec = {"list": [{"a": 1, "default": True}], "default": 5}
    return {**SENT, "metadata": {**SENT["metadata"], "uid": "u1", "resourceVersion": "7", **metadata}, "spec": spec}


def test_what_was_sent_is_known_again_under_the_servers_defaults(cluster: Cluster, kube: KubeObjects) -> None:
    """It is deleted as it was looked at: by UID and version."""
    kube.objects[PATH] = landed()
    assert delete_ours(cluster, SameCluster(CLUSTER_UID), sent_item(), 5, ManualClock()).words == "deleted"
    assert kube.writes()[0].json()["preconditions"] == {"uid": "u1", "resourceVersion": "7"}


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (landed(annotations={"end": "2"}), "has the label of this run but not the content that was sent"),
        ({**landed(), "spec": {"list": []}}, "has the label of this run but not the content that was sent"),
        ({**landed(), "spec": {"list": [{"a": 2}]}}, "has the label of this run but not the content that was sent"),
        ({**landed(), "spec": None}, "has the label of this run but not the content that was sent"),
        (landed(labels={}), "has the content that was sent but not the label of this run"),
        (landed(labels=None), "has the content that was sent but not the label of this run"),
    ],
)
def test_when_nobody_can_tell_whose_it_is_it_is_left_alone_and_open(
    cluster: Cluster, kube: KubeObjects, found: dict[str, Any], says: str
) -> None:
    """An edit of ours, or somebody else's copy: the line that shows it is said."""
    kube.objects[PATH] = found
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), sent_item(), 5, ManualClock())
    assert undone.closed is False
    assert says in undone.words
    assert "(`kubectl --namespace kube-system get daemonset agent --output yaml`)" in undone.words
    assert kube.writes() == []


@pytest.mark.parametrize(
    "found",
    [landed(labels={"chaoslib-cp/run": "other"}), landed(labels={}, annotations={}), {"metadata": {"uid": "u2"}}],
)
def test_what_is_plainly_another_object_is_no_doubt(cluster: Cluster, kube: KubeObjects, found: dict[str, Any]) -> None:
    """Another run's, or with nothing of ours in it."""
    kube.objects[PATH] = found
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), sent_item(), 5, ManualClock())
    assert undone == Undone(True, "another object has its name, left alone")


def test_an_edit_between_look_and_delete_is_not_lost(cluster: Cluster, kube: KubeObjects) -> None:
    """The version that was looked at is the one that is deleted, or none."""
    kube.objects[PATH] = landed()

    def edit(request: Request) -> None:
        if request.method == "DELETE":
            kube.objects[PATH]["metadata"]["resourceVersion"] = "8"

    kube.before_request = edit
    undone = delete_ours(cluster, SameCluster(CLUSTER_UID), sent_item(), 5, ManualClock())
    assert undone.closed is False
    assert "refuses to delete it for a conflict" in undone.words
    assert PATH in kube.objects


def test_an_object_of_another_entry_is_not_what_an_unanswered_create_made(cluster: Cluster, kube: KubeObjects) -> None:
    """The run was killed and began again: its second create may land after the first one's object is gone."""
    kube.objects[PATH] = ours("u1")
    delete = deleting(cluster, known_uids=("u1",))
    undone = delete(item(uid=""))
    assert (undone.closed, kube.writes()) == (False, [])
    assert "may land for another 65 s" in undone.words
    assert delete(item(uid="u1")).closed
    assert not delete(item(uid="")).closed
    kube.objects[PATH] = ours("u2")
    assert delete(item(uid="")) == Undone(True, "deleted")
    assert PATH not in kube.objects
