"""Removing the agent as the administrator: what each attempt says, when the delete landed, and who ended the storm."""

from pathlib import Path

import pytest
import yaml

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.fault import Ended
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import HANG, Answer, json_answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels

DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/agent"


@pytest.fixture
def log(kube: KubeObjects) -> UndoLog:
    """The log of a run that has rolled the agent out."""
    return made(kube)


def made(kube: KubeObjects, ends_in_s: float = 60.0) -> UndoLog:
    """The same, with this end."""
    ends_at = {"chaoslib-cp/ends-at-epoch-s": str(ManualClock().epoch_s() + ends_in_s)}
    metadata = {"name": "agent", "namespace": "kube-system", "labels": labels("r"), "annotations": ends_at}
    with open_cluster(settings(kube)) as cluster:
        log = undo_log_for_change(settings(kube), cluster, CLUSTER_UID, ManualClock())
        create(cluster, log, {"kind": "DaemonSet", "metadata": metadata})
    return log


def settings(kube: KubeObjects) -> Settings:
    """Configuration of the run."""
    return kube.settings(chaoslib_cp_run_dir="/runs/r")


def removed(kube: KubeObjects, clock: ManualClock | None = None, timeout_s: float = 60.0) -> Ended:
    """Remove it."""
    return remove_as_admin(settings(kube), timeout_s, 0.3, clock or ManualClock())


@pytest.mark.usefixtures("log")
def test_the_result_of_a_delete_at_once(kube: KubeObjects) -> None:
    """Every key that reports and experiments read."""
    result = removed(kube)
    at_s = ManualClock().epoch_s()
    assert (result.faults, result.by) == (("agent_rollout-1",), "delete landed")
    assert (result.at_epoch_s, result.after_epoch_s) == (at_s, at_s)
    assert result.details == {
        "landed": True, "waited_s": 0.0, "identity": "admin", "attempt_count": 1, "outcomes": {"ok": 1},
        "attempts": [{"at_epoch_s": at_s, "outcome": "ok", "how": "deleted", "latency_s": 0.0}],
    }  # fmt: skip


@pytest.mark.usefixtures("log")
def test_each_outcome_by_its_name(kube: KubeObjects) -> None:
    """Turned away, not allowed for now, no usable answer, still held by a finalizer: then gone."""
    held = json_answer({"kind": "DaemonSet", "metadata": {"uid": "uid-1"}})
    for answer in (Answer(429), Answer(403), Answer(503), HANG, held):
        kube.fail_next("DELETE", DAEMONSET, answer)
    clock = ManualClock()
    result = removed(kube, clock)
    assert [(one["outcome"], one["how"]) for one in result.details["attempts"][:4]] == [
        ("http_429", "http_429"),
        ("http_403", "not allowed"),
        ("unknown", "http_5xx"),
        ("unknown", "timeout"),
    ]
    assert result.details["attempts"][4]["outcome"] == "unknown"
    assert "finalizer" in result.details["attempts"][4]["how"]
    assert result.details["attempts"][5]["outcome"] == "ok"
    assert result.details["outcomes"] == {"http_429": 1, "http_403": 1, "unknown": 3, "ok": 1}
    assert [one["at_epoch_s"] - ManualClock().epoch_s() for one in result.details["attempts"]] == pytest.approx(
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    )
    assert set(clock.slept_s[:4]) == {0.2}


@pytest.mark.usefixtures("log")
def test_a_delete_that_was_answered_landed_with_that_attempt(kube: KubeObjects) -> None:
    """Unanswered ones before it did not land: the object was there until now."""
    kube.fail_next("DELETE", DAEMONSET, Answer(503), times=2)
    clock = ManualClock()
    clock.pass_s(40)
    result = removed(kube, clock)
    assert result.after_epoch_s == result.details["attempts"][2]["at_epoch_s"]
    assert result.details["waited_s"] == pytest.approx(2.0)


@pytest.mark.usefixtures("log")
def test_a_delete_has_landed_when_it_is_answered(kube: KubeObjects) -> None:
    """Not when it was sent: in a storm that is seconds earlier."""
    clock = ManualClock()
    kube.before_request = lambda request: clock.pass_s(0.25 if request.method == "DELETE" else 0.0)
    result = removed(kube, clock)
    assert (result.details["attempts"][0]["latency_s"], result.details["waited_s"]) == (0.25, 0.25)
    assert result.at_epoch_s == result.details["attempts"][0]["at_epoch_s"] + 0.25


@pytest.mark.usefixtures("log")
def test_the_last_pause_is_cut_short(kube: KubeObjects) -> None:
    """Half a second is left, and one more attempt fits in."""
    kube.fail_next("DELETE", DAEMONSET, Answer(429), times=99)
    result = removed(kube, timeout_s=1.5)
    assert [one["at_epoch_s"] - ManualClock().epoch_s() for one in result.details["attempts"]] == pytest.approx(
        [0, 1, 1.5]
    )
    assert result.details["waited_s"] == pytest.approx(1.5)


@pytest.mark.usefixtures("log")
def test_an_object_found_gone_may_have_gone_with_any_unanswered_delete(kube: KubeObjects) -> None:
    """From the first of them on; attempts that were turned away deleted nothing."""
    for answer, landed in ((Answer(429), False), (Answer(503), False), (Answer(429), False), (Answer(503), True)):
        kube.fail_next("DELETE", DAEMONSET, answer, after_the_write=landed)
    result = removed(kube)
    assert result.details["attempts"][-1]["how"] == "already gone"
    assert result.after_epoch_s == result.details["attempts"][1]["at_epoch_s"]
    assert result.at_epoch_s == result.details["attempts"][4]["at_epoch_s"]


def test_a_second_removal_has_nothing_to_do(kube: KubeObjects, log: UndoLog) -> None:
    """The delete landed, and that is on record."""
    result = removed(kube)
    assert (result.by, result.details["landed"]) == ("delete landed", True)
    assert [item.done for item in log.items()] == ["deleted by the administrator"]
    again = removed(kube)
    assert (again.faults, again.by, again.at_epoch_s, again.after_epoch_s) == ((), "nothing to remove", None, None)
    assert again.details == {
        "landed": False, "waited_s": 0.0, "identity": "admin", "attempt_count": 0, "outcomes": {}, "attempts": [],
    }  # fmt: skip


@pytest.mark.parametrize(("timeout_s", "attempts", "shown"), [(19.0, 20, 20), (20.0, 21, 20), (0.0, 1, 1)])
def test_time_is_up_and_a_long_list_is_cut_in_its_middle(
    kube: KubeObjects, log: UndoLog, timeout_s: float, attempts: int, shown: int
) -> None:
    """The entry stays open; the first ten and the last ten are shown."""
    kube.fail_next("DELETE", DAEMONSET, Answer(429), times=99)
    clock = ManualClock()
    result = removed(kube, clock, timeout_s)
    assert (result.by, result.details["landed"], result.at_epoch_s) == ("timeout", False, None)
    assert (result.details["attempt_count"], len(result.details["attempts"])) == (attempts, shown)
    seconds = [round(one["at_epoch_s"] - ManualClock().epoch_s()) for one in result.details["attempts"]]
    assert seconds == [*range(10), *range(attempts - 10, attempts)][-shown:]
    assert result.details["waited_s"] == pytest.approx(timeout_s)
    assert len(log.open_items()) == 1


def test_the_administrator_is_reached_by_the_addresses_on_record(
    kube: KubeObjects, log: UndoLog, tmp_path: Path
) -> None:
    """The name of the server may not resolve any more; another cluster of that name is not touched."""
    text = kube.kubeconfig.read_text()
    document = yaml.safe_load(text)
    document["clusters"][0]["cluster"] |= {"server": "https://gone.invalid", "tls-server-name": "localhost"}
    kube.kubeconfig.write_text(yaml.safe_dump(document))
    assert removed(kube).details["landed"]
    assert not log.open_items()
    kube.kubeconfig.write_text(text)
    with KubeObjects(tmp_path / "other") as other:
        log.intend(log.items()[0].entry)
        with pytest.raises(TargetRefused, match=r"context admin leads to .* not the cluster of run r"):
            remove_as_admin(other.settings(chaoslib_cp_run_dir="/runs/r"), 1.0, 0.3, ManualClock())
        assert other.server.requests == []
