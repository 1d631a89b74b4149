"""The undo kind of what a load wrote: all of it goes by its labels, in pieces, and nothing of anybody else's."""

from collections.abc import Iterator

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.kinds.written_by_load import WRITTEN, WrittenByLoad
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.engine.load.patterns.bodies import COLLECTIONS
from chaoslib_cp.engine.undo.log import Item
from chaoslib_cp.errors import UndoFailed
from tests.fakes.api_server import HANG, Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock, UnwaitingClock

OURS = WrittenByLoad("r", "api_overload-1", 1_700_000_100)


def put(kube: KubeObjects, kind: str, count: int, of: WrittenByLoad = OURS) -> None:
    """Let a load have written so many objects of a kind."""
    for number in range(count):
        name = f"{of.fault.replace('_', '-')}-{of.run}-{number}"
        kube.objects[f"{COLLECTIONS[kind]}/{name}"] = {"kind": kind, "metadata": {"name": name, "labels": of.marks}}


def left(kube: KubeObjects) -> list[str]:
    """Paths of what there is in the namespace of loads."""
    return [path for path in kube.objects if "/namespaces/chaoslib-cp-load/" in path]


@pytest.fixture
def healer(kube: KubeObjects) -> Iterator[Healer]:
    """Somebody who may, with the entry on record."""
    settings = kube.settings(chaoslib_cp_run_dir="/runs/r")
    with open_cluster(settings) as cluster:
        log = undo_log_for_change(settings, cluster, CLUSTER_UID, ManualClock())
        log.intend(OURS.entry())
        yield Healer(log, [cluster], UnwaitingClock(), attempt_s=2.0)


def item(healer: Healer) -> Item:
    """The entry."""
    [one] = healer.log.open_items()
    return one


def test_all_of_it_goes_in_pieces_and_is_closed_by_a_second_look(kube: KubeObjects, healer: Healer) -> None:
    """A write that lands late is seen by that look; what another load wrote stays."""
    put(kube, "Event", 1200)
    put(kube, "Lease", 3)
    put(kube, "Lease", 2, of=WrittenByLoad("r", "api_overload-2", 1_700_000_100))
    put(kube, "Event", 2, of=WrittenByLoad("other", "api_overload-1", 1_700_000_100))
    others = left(kube)[-4:]
    first = WRITTEN.take_back(item(healer), healer)
    assert (first.closed, left(kube)) == (False, others)
    put(kube, "Event", 1)
    late = WRITTEN.take_back(item(healer), healer)
    assert (late.closed, left(kube)) == (False, others)
    last = WRITTEN.take_back(item(healer), healer)
    assert (last.closed, last.words) == (True, "deleted, as far as there was anything")
    deletes = [one for one in kube.server.requests if one.method == "DELETE"]
    assert [one.path.rpartition("/")[2] for one in deletes] == ["events", "leases", "events", "events", "events"]
    assert all(one.query["limit"] == "500" and "chaoslib-cp/run=r," in one.query["labelSelector"] for one in deletes)


@pytest.mark.parametrize("answer", [Answer(429), Answer(503), HANG], ids=["429", "503", "hangs"])
def test_it_stays_open_while_the_api_is_unwell_and_says_what_goes_by_itself(
    kube: KubeObjects, healer: Healer, answer: Answer
) -> None:
    """Nothing is called gone that nobody saw going."""
    put(kube, "Event", 3)
    kube.fail_next("DELETE", COLLECTIONS["Event"], answer)
    with pytest.raises(
        UndoFailed, match=r"what api_overload-1 wrote in chaoslib-cp-load was not deleted; Events expire"
    ):
        WRITTEN.take_back(item(healer), healer)
    assert len(left(kube)) == 3


def test_what_is_still_there_is_counted(kube: KubeObjects, healer: Healer) -> None:
    """And how to delete it by hand."""
    [cluster] = healer._order
    assert WRITTEN.still_there(item(healer), cluster, 5.0) == ""
    put(kube, "Event", 501)
    put(kube, "ConfigMap", 1)
    words = "what api_overload-1 wrote in chaoslib-cp-load: 500 or more Events, 1 ConfigMap"
    assert WRITTEN.still_there(item(healer), cluster, 5.0) == words
    assert WRITTEN.by_hand(item(healer), "kubectl --context admin") == [
        "kubectl --context admin --namespace chaoslib-cp-load delete events,leases,configmaps "
        "--selector chaoslib-cp/run=r,chaoslib-cp/fault=api_overload-1 --wait=false"
    ]


def test_it_is_found_without_a_log(kube: KubeObjects) -> None:
    """By its labels, which say when its load had ended, too; the runner need not look."""
    kube.mark()
    put(kube, "Lease", 2)
    put(kube, "Event", 2)
    somebodys = {**OURS.marks, "chaoslib-cp/run": "x", "chaoslib-cp/ends-at-epoch-s": "x"}
    kube.objects[f"{COLLECTIONS['Event']}/x"] = {"metadata": {"name": "x", "labels": somebodys}}
    settings = kube.settings()
    with open_cluster(settings, "break-glass") as cluster:
        assert [found.entry for found in WRITTEN.find(cluster, 5.0, as_runner=False)] == [OURS.entry()]
        assert list(WRITTEN.find(cluster, 5.0, as_runner=True)) == []
    report = recover(settings, timeout_s=30, clock=UnwaitingClock())
    assert report["healed"], report
    assert left(kube) == [f"{COLLECTIONS['Event']}/x"]


def test_whoever_plays_such_a_load_must_be_able_to_take_it_back() -> None:
    """Two verbs on three kinds in one namespace."""
    rights = list(WRITTEN.rights(OURS.entry()))
    assert {right.namespace for right in rights} == {"chaoslib-cp-load"}
    assert {(right.verb, right.group, right.resource) for right in rights} == {
        (verb, group, resource)
        for verb in ("list", "deletecollection")
        for group, resource in (("", "events"), ("coordination.k8s.io", "leases"), ("", "configmaps"))
    }
