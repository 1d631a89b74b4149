"""One cluster that cannot be healed, whatever is wrong with it, keeps no other from healing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.undo.by_hand import kubectl_lines
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete

OTHER_UID = "22222222-3333-4444-5555-666666666666"
THINGS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[KubeObjects]:
    """A second cluster, which is well."""
    with KubeObjects(tmp_path / "other", uid=OTHER_UID) as fake:
        yield fake


def one_thing(kube: KubeObjects, run: str, uid: str) -> UndoLog:
    """One object of a run, and the run's log."""
    settings = kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}")
    with open_cluster(read_settings(settings)) as cluster:
        log = undo_log_for_change(read_settings(settings), cluster, uid, ManualClock())
    kube.objects[f"{THINGS}/{run}"] = {"metadata": {"name": run, "uid": f"uid-{run}", "labels": {RUN_LABEL: run}}}
    log.note(log.intend(to_delete("ConfigMap", "default", run, run)), uid=f"uid-{run}")
    return log


def changed(**keys: object) -> Callable[[KubeObjects], None]:
    """Spoil the kubeconfig."""

    def change(kube: KubeObjects) -> None:
        document = {**yaml.safe_load(kube.kubeconfig.read_text()), **keys}
        kube.kubeconfig.write_text(yaml.safe_dump(document))

    return change


def answering(kube: KubeObjects) -> None:
    """Have somebody answer who is no API server."""
    kube.fail_next("DELETE", THINGS, Answer(404), times=99)
    kube.fail_next("GET", "/api/v1/namespaces/kube-system", Answer(200, {}, b'{"metadata": "canary"}'), times=99)


BAD: dict[str, tuple[Callable[[KubeObjects], None], str]] = {
    "contexts": (changed(contexts=["runner"]), "contexts is not a list of mappings; nothing was changed"),
    "extensions": (changed(extensions=5), "extensions is not a list of mappings; nothing was changed"),
    "server": (changed(clusters=[{"name": "fake", "cluster": {"server": 5}}]), "'fake' has no server that is text"),
    "answers": (answering, "unforeseen AttributeError at chaoslib_cp/cluster/door/same_cluster.py:"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_the_other_cluster_is_healed_and_the_bad_one_is_named(
    kube: KubeObjects, other: KubeObjects, case: str, names: tuple[str, str]
) -> None:
    """Whichever comes first; the bad one stays open, with its commands, and nothing it holds is repeated."""
    spoil, says = BAD[case]
    log = one_thing(kube, names[0], CLUSTER_UID)
    one_thing(other, names[1], OTHER_UID)
    spoil(kube)
    report = recover(timeout_s=0, clock=ManualClock())
    assert f"{THINGS}/{names[1]}" not in other.objects
    assert report["healed"] is False
    by_run = {one["run"]: one for one in report["logs"]}
    assert [item["closed"] for item in by_run[names[1]]["items"]] == [True]
    bad = by_run[names[0]]
    said = bad["problems"] or [item["outcome"] for item in bad["items"] if not item["closed"]]
    assert says in said[0]
    assert "canary" not in str(report)
    assert bad["kubectl"] == kubectl_lines(log) != []
    assert open_logs() == [names[0]]


def test_an_error_that_nobody_foresaw_says_what_is_left_and_what_to_do(kube: KubeObjects) -> None:
    """In one line."""
    one_thing(kube, "r", CLUSTER_UID)
    answering(kube)
    [log] = recover(timeout_s=0, clock=ManualClock())["logs"]
    [item] = log["items"]
    assert item["outcome"].endswith("worth a report; it stays on record")
    assert "\n" not in item["outcome"]
    assert item["closed"] is False


@pytest.mark.usefixtures("other")
def test_a_look_for_lost_logs_that_fails_costs_no_report_of_the_others(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was healed by the logs is told, and that nobody knows what else is there."""
    one_thing(kube, "r", CLUSTER_UID)
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    kube.fail_next("GET", "/api/v1/configmaps", Answer(200, {}, b'{"items": "canary"}'), times=99)
    report = recover(timeout_s=0, clock=ManualClock())
    healed, lost = report["logs"]
    assert report["healed"] is False
    assert [item["closed"] for item in healed["items"]] == [True]
    assert (lost["run"], lost["path"]) == ("(no undo log)", "")
    [problem] = lost["problems"]
    assert problem.startswith(
        "could not look for objects without an undo log: unforeseen TypeError at "
        "chaoslib_cp/cluster/undo/kinds/delete_object.py:"
    )
    assert "; nothing was undone by it; name a context" in problem
