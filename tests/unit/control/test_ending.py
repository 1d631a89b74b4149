"""The end of a run: whatever is left is taken back or named, and the journal never says more than was proved."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp import control
from chaoslib_cp.cluster.undo.leftovers import leftovers, stranded_pods
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.control.ending import HEAL_S, end_run, repair_journal
from chaoslib_cp.control.run import Run
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from chaoslib_cp.report.text import render_text
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.settings import read_settings
from chaoslib_cp.waits import telling
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels
from tests.scaffold.profiles import PROFILE
from tests.scaffold.waiting import until
from tests.unit.made_timeline import event, sample

POD = "/api/v1/namespaces/kube-system/pods/chaoslib-cp-agent-rollout-1-x"
RUN = "20261122T120000Z-t"
BOOTED_S = 40.0  # before the run's end, where a clock counts from the start of the machine


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run that has passed its gate and has a timeline."""
    made = Run({"title": "T", "extensions": []}, ManualClock(), None)
    made.run_dir = tmp_path / "runs" / RUN
    made.run_dir.mkdir(parents=True)
    made.teller = Teller(Timeline(made.run_dir / "timeline.jsonl"), made.clock)
    made.facts = {"run": {"id": RUN, "title": "Tür"}, "versions": {}, "scale": {}}
    made.armed = True
    yield made
    made.close()


@pytest.fixture
def journal() -> dict[str, Any]:
    """As Chaos Toolkit hands it over."""
    return {"status": "completed", "deviated": False, "start": "2026-11-22T12:00:00", "duration": 7.0}


def configured(kube: KubeObjects, run: Run) -> dict[str, Any]:
    """Configuration of the run."""
    return kube.configuration(chaoslib_cp_run_dir=str(run.run_dir), color="blue")


def ended(run: Run, journal: dict[str, Any], kube: KubeObjects) -> None:
    """The end of a run that was opened on this cluster."""
    run.settings = read_settings(configured(kube, run))
    end_run(run, journal, configured(kube, run))


def rolled_out(kube: KubeObjects, run: Run) -> None:
    """Five objects, and no rollback that took them back."""
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=configured(kube, run))


def ours(kube: KubeObjects) -> list[str]:
    """Paths of everything we made."""
    return [path for path, one in kube.objects.items() if "chaoslib-cp/run" in (one["metadata"].get("labels") or {})]


def judged(journal: dict[str, Any]) -> dict[str, Any]:
    """The summary in the journal."""
    return dict(journal["chaoslib_cp"]["summary"])


def test_the_end_of_a_run_is_told(
    kube: KubeObjects, run: Run, journal: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging takes seconds on a busy machine; between its waits is nothing else that would be told."""
    told: list[str] = []
    run.settings = read_settings(configured(kube, run))
    monkeypatch.setattr(control, "_runs", [run])
    with telling(told.append, every_s=0.001):
        control.after_experiment_control({}, journal, configured(kube, run))
    assert any(line.startswith("waiting for the run to be judged") for line in told)


def test_the_run_leaves_summary_report_and_journal(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """What was played, for how long, with what; the three files agree, and no half of one is left."""
    run.outputs = [("roll out", {"parameters": {"duration_s": 60.0}})]
    ended(run, journal, kube)
    assert run.run_dir is not None
    assert sorted(file.name for file in run.run_dir.iterdir()) == [
        "journal.json",
        "report.html",
        "summary.json",
        "timeline.jsonl",
    ]
    assert read_timeline(run.run_dir / "timeline.jsonl")[-1]["event"] == "run_ended"
    summary = json.loads((run.run_dir / "summary.json").read_text(encoding="utf-8"))
    assert summary == judged(journal)
    assert summary["run"] == {"id": RUN, "title": "Tür", "started": "2026-11-22T12:00:00", "duration_s": 7.0}
    assert summary["parameters"]["configuration"]["chaoslib_cp_run_dir"] == str(run.run_dir)
    assert "color" in summary["parameters"]["not_shown"]
    assert summary["parameters"]["activities"] == {"roll out": {"duration_s": 60.0}}
    written = json.loads((run.run_dir / "journal.json").read_text(encoding="utf-8"))
    assert written["chaoslib_cp"]["run_dir"] == str(run.run_dir)
    assert (written["status"], summary["verdict"]) == ("failed", "inconclusive")
    assert (run.run_dir / "report.html").read_text(encoding="utf-8").startswith("<!")
    text = (run.run_dir / "summary.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text.startswith('{\n  "schema"')
    raw = (run.run_dir / "journal.json").read_text(encoding="utf-8")
    assert raw.startswith('{\n  "status"')
    assert '"title": "Tür"' in text
    assert '"title": "Tür"' in raw


@pytest.mark.parametrize("spoil", ["dry", "no folder", "not armed"])
def test_a_run_that_never_began_is_not_judged(kube: KubeObjects, run: Run, journal: dict[str, Any], spoil: str) -> None:
    """Its journal stays as it is, save that a run whose gate was never passed is no success."""
    if spoil == "dry":
        run.experiment = {"dry": type("Dry", (), {"value": "actions"})()}
    elif spoil == "no folder":
        run.run_dir = None
    else:
        run.armed = False
    before = dict(journal)
    ended(run, journal, kube)
    assert journal == {**before, "status": "failed" if spoil == "not armed" else "completed"}


def test_a_signal_is_named_in_the_journal_even_if_the_run_never_began(
    kube: KubeObjects, run: Run, journal: dict[str, Any]
) -> None:
    """Chaos Toolkit says nothing of a signal that we took; what it does say is kept."""
    run.armed = False
    run.latch.signal_name = "SIGHUP"
    ended(run, journal, kube)
    named = {"kind": "signal", "name": "SIGHUP", "reason": "received SIGHUP"}
    assert journal["interruption"] == named
    run.latch.signal_name = "SIGTERM"
    ended(run, journal, kube)
    assert journal["interruption"] == named


@pytest.mark.parametrize("by_action", [True, False])
def test_a_run_that_the_control_stopped_says_so(
    kube: KubeObjects, run: Run, journal: dict[str, Any], by_action: bool
) -> None:
    """An abort is an interruption by us; a failed action is told as what it is."""
    run.latch.reason, run.stopped_by_action = "api_read failing", by_action
    ended(run, journal, kube)
    stopped = {"kind": "control", "name": "chaoslib_cp", "reason": "api_read failing"}
    assert journal.get("interruption") == (None if by_action else stopped)


def test_a_journal_says_failed_when_judging_itself_fails(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Chaos Toolkit swallows the error: "completed" would exit 0."""
    run.facts = {}
    with pytest.raises(KeyError):
        ended(run, journal, kube)
    assert journal["status"] == "failed"


@pytest.mark.parametrize(
    ("reason", "status", "failed", "why"),
    [
        ("signal SIGTERM", "interrupted", [], "interrupted by signal SIGTERM"),
        ("", "interrupted", [], "interrupted by Chaos Toolkit (status interrupted)"),
        ("", "aborted", [], "interrupted by Chaos Toolkit (status aborted)"),
        ("action 'x' failed", "interrupted", ["x: no such node"], "x: no such node"),
    ],
)
def test_what_cut_a_run_short_is_the_first_reason(
    kube: KubeObjects, run: Run, journal: dict[str, Any], reason: str, status: str, failed: list[str], why: str
) -> None:
    """A failed action is told as that, not as the interruption it brought about."""
    run.latch.reason, journal["status"] = reason, status
    run.failed_activities, run.stopped_by_action = failed, bool(failed)
    ended(run, journal, kube)
    assert why in judged(journal)["why"][0]
    assert journal["status"] == status
    assert not any("interrupted" in one for one in judged(journal)["why"][1:])


def test_held_overrules_a_deviation_that_chaos_toolkit_saw() -> None:
    """Its exit code is taken from both fields."""
    journal = {"status": "failed", "deviated": True}
    repair_journal(journal, "failed", "held")
    assert journal == {"status": "completed", "deviated": False}


@pytest.mark.parametrize(("method", "verdict"), [([], "held"), ([{"type": "probe", "name": "look"}], "inconclusive")])
def test_only_what_plays_nothing_may_hold_without_samples(
    kube: KubeObjects, run: Run, journal: dict[str, Any], method: list[Any], verdict: str
) -> None:
    """A preflight check asks once and is done; a method has a time that must have been watched."""
    provider = {"module": "chaoslib_cp.dns.probes", "func": "workload_dns"}
    run.experiment = {
        "title": "T",
        "steady-state-hypothesis": {"probes": [{"name": "dns", "provider": provider}]},
        "method": method,
    }
    asked = {"activity": {"name": "dns"}, "start": "2026-11-22T12:00:01", "status": "succeeded", "tolerance_met": True}
    journal["steady_states"] = {"before": {"probes": [asked]}, "after": {"probes": [asked]}}
    ended(run, journal, kube)
    assert judged(journal)["verdict"] == verdict


def test_an_uninterrupted_run_is_not_called_interrupted(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Completed, failed: Chaos Toolkit's own words for other things."""
    ended(run, journal, kube)
    assert not any("interrupted" in one for one in judged(journal)["why"])


def test_what_no_rollback_took_back_is_taken_back_now(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """After SIGUSR2 Chaos Toolkit plays no rollbacks."""
    rolled_out(kube, run)
    ended(run, journal, kube)
    assert ours(kube) == []
    assert open_logs() == []
    assert judged(journal)["healed"] is True


def test_what_cannot_be_taken_back_is_named_at_once(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Nobody is taking it away, so waiting would not help."""
    rolled_out(kube, run)
    kube.fail_next("DELETE", "/apis/apps", Answer(403), times=999)
    clock = run.clock
    assert isinstance(clock, ManualClock)
    ended(run, journal, kube)
    assert judged(journal)["left_behind"] == [
        "DaemonSet kube-system/chaoslib-cp-agent-rollout-1",
        "the undo log has open entries",
    ]
    assert judged(journal)["healed"] is False
    assert clock.monotonic_s() == pytest.approx(60.0)


def test_pods_get_the_time_they_need_to_go(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Kubelets and controllers end them after the objects are gone; a person is told what is awaited."""
    rolled_out(kube, run)
    kube.objects[POD] = {"metadata": {"name": "chaoslib-cp-agent-rollout-1-x", "uid": "x", "labels": labels(RUN)}}
    asked = 0

    def go_at_the_fourth_look(request: Any) -> None:
        nonlocal asked
        asked += request.path.endswith("/pods") and request.method == "GET"
        if asked == 4:
            until(lambda: waiting in told, "what is awaited")
            kube.objects.pop(POD, None)

    kube.before_request = go_at_the_fourth_look
    clock = run.clock
    assert isinstance(clock, ManualClock)
    told: list[str] = []
    waiting = "waiting for the rest of this run to go (Pod kube-system/chaoslib-cp-agent-rollout-1-x)"
    with telling(lambda line: told.append(line.partition(",")[0]), every_s=0.01, clock=clock):
        ended(run, journal, kube)
    assert judged(journal)["left_behind"] == []
    assert clock.slept_s == [1.0] * 3


def test_a_pod_that_never_goes_is_left_behind(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """After a while the run is over all the same, and not called healed."""
    rolled_out(kube, run)
    kube.objects[POD] = {"metadata": {"name": "chaoslib-cp-agent-rollout-1-x", "uid": "x", "labels": labels(RUN)}}
    ended(run, journal, kube)
    assert judged(journal)["left_behind"] == ["Pod kube-system/chaoslib-cp-agent-rollout-1-x"]
    assert run.clock.monotonic_s() == HEAL_S


def test_when_nobody_can_look_the_run_is_not_healed(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Nothing seen is not the same as nothing there."""
    rolled_out(kube, run)
    kube.fail_next("GET", "/", Answer(429), times=9999)
    run.failed_rollbacks = ["stop: it failed"]
    ended(run, journal, kube)
    left = judged(journal)["left_behind"]
    assert left[0] == "stop: it failed"
    assert left[1].startswith("could not look: ")


class Watching:
    """An observer that has not ended; what it samples is up to the clock."""

    running = True

    def stop(self) -> int:
        """End."""
        return 0


class Sampling(ManualClock):
    """Each sleep brings one sample of workload DNS, which is good again from a given moment on."""

    def __init__(self, path: Path, good_from_s: float) -> None:
        super().__init__()
        self._timeline = Timeline(path)
        self._good_from_s = good_from_s

    def take_sample(self) -> None:
        """One now."""
        good = self.monotonic_s() - BOOTED_S >= self._good_from_s
        made = sample("dns_cached", 0.0, "ok" if good else "timeout")
        self._timeline.append({**made, "at_s": self.epoch_s()})

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        super().sleep(duration_s)
        self.take_sample()


def broken_dns(run: Run, good_from_s: float) -> Sampling:
    """The run has broken workload DNS, and is still watched."""
    assert run.run_dir is not None
    clock = Sampling(run.run_dir / "timeline.jsonl", good_from_s)
    clock.pass_s(BOOTED_S)
    run.clock = clock
    run._observer = Watching()  # type: ignore[assignment]  # a peer without a process
    timeline = Timeline(run.run_dir / "timeline.jsonl")
    timeline.append({**event("activity_started", 0.0, name="x", phase="method"), "at_s": clock.epoch_s()})
    for _ in range(3):
        clock.take_sample()
    return clock


def test_what_has_not_recovered_is_not_healed(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Nothing of ours is left, and workload DNS fails all the same: awaited for a few samples, then told."""
    clock = broken_dns(run, good_from_s=1e9)
    ended(run, journal, kube)
    summary = judged(journal)
    assert (summary["healed"], summary["left_behind"]) == (False, [])
    assert summary["not_recovered"] == ["workload DNS had not recovered when the run ended"]
    assert "not healed: workload DNS had not recovered when the run ended" in summary["why"]
    # 5.4 s until news of the attempt under way, 2.5 s for five more samples, and a look each second
    assert clock.slept_s == [1.0] * 8
    assert run.run_dir is not None
    assert "  NOT HEALED: workload DNS had not recovered when the run ended" in render_text(summary, run.run_dir)
    assert "Not healed:</strong> workload DNS" in (run.run_dir / "report.html").read_text(encoding="utf-8")


def test_a_recovery_after_the_rollbacks_is_seen(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """The observer stays until three good samples were taken, and no longer."""
    clock = broken_dns(run, good_from_s=2.0)
    ended(run, journal, kube)
    assert (judged(journal)["healed"], judged(journal)["not_recovered"]) == (True, [])
    assert clock.slept_s == [1.0] * 4


def test_where_nothing_is_broken_nothing_is_awaited(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """The observer is ended at once."""
    run._observer = Watching()  # type: ignore[assignment]  # a peer without a process
    ended(run, journal, kube)
    assert isinstance(run.clock, ManualClock)
    assert run.clock.slept_s == []


def test_without_an_observer_nothing_is_awaited(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """It has ended: nobody would see the recovery."""
    clock = broken_dns(run, good_from_s=2.0)
    run._observer = None
    ended(run, journal, kube)
    assert clock.slept_s == []
    assert judged(journal)["healed"] is False


NODES = "/api/v1/nodes"
STRANDED = (
    "Pod kube-system/chaoslib-cp-agent-rollout-1-x is still listed, for node ghost has no kubelet that answers "
    "({why}); it does nothing, and goes with that node, or by hand: kubectl --namespace kube-system delete pod "
    "chaoslib-cp-agent-rollout-1-x --force"
)
DEAD_NODES: dict[str, tuple[dict[str, Any], str]] = {
    "no kubelet ever": ({}, "no kubelet has ever said that it is Ready"),
    "silent": (
        {"conditions": [{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]},
        "Ready is Unknown: Kubelet stopped posting node status",
    ),
    "broken": (
        {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]},
        "Ready is False: Kub",
    ),
}
NEVER_BEGAN: dict[str, dict[str, Any]] = {
    "pending": {"phase": "Pending"},
    "creating": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
}
BEGAN = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}


def on_ghost(kube: KubeObjects, run: Run, status: dict[str, Any], is_dying: bool = True, left_s: float = 50.0) -> None:
    """An agent's pod on a node that has no kubelet."""
    end = {"chaoslib-cp/ends-at-epoch-s": f"{run.clock.epoch_s() + left_s:.0f}"}
    dying = {"deletionTimestamp": "2026-11-27T04:00:00Z"} if is_dying else {}
    name = "chaoslib-cp-agent-rollout-1"
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": "of it", "controller": True}
    mine = {"labels": labels(RUN), "annotations": end, "ownerReferences": [owner]}
    metadata = {"name": f"{name}-x", "uid": "x", **mine, **dying}
    kube.objects[POD] = {"metadata": metadata, "spec": {"nodeName": "ghost"}, "status": status}


@pytest.mark.parametrize(
    ("node", "status", "is_dying"),
    [("no kubelet ever", "pending", True), ("silent", "creating", True), ("broken", "pending", False)],
)
def test_a_pod_that_only_a_dead_node_keeps_is_told_and_healed_all_the_same(
    kube: KubeObjects,
    run: Run,
    journal: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    node: str,
    status: str,
    is_dying: bool,
) -> None:
    """It never did anything and never will; `recover` says the same, both name the node, and nobody waits for it."""
    node_status, why = DEAD_NODES[node]
    rolled_out(kube, run)
    kube.objects[f"{NODES}/ghost"] = {"metadata": {"name": "ghost"}, "status": node_status}
    on_ghost(kube, run, NEVER_BEGAN[status], is_dying)
    began_s = run.clock.monotonic_s()
    ended(run, journal, kube)
    assert run.clock.monotonic_s() == began_s
    summary = judged(journal)
    assert (summary["left_behind"], summary["healed"]) == ([], True)
    [words] = summary["stranded"]
    assert words.startswith(STRANDED.partition("{why}")[0] + why)
    assert words.endswith(STRANDED.partition("{why}")[2])
    assert words in caplog.messages
    assert f"  note: {words}" in render_text(summary, Path("runs/x"))
    said = recover(run.settings, clock=run.clock)
    assert said["healed"] is True
    assert [item["outcome"] for log in said["logs"] for item in log["items"]] == [words]


def test_a_pod_that_had_begun_on_a_node_that_died_is_waited_for_until_its_own_end(
    kube: KubeObjects, run: Run, journal: dict[str, Any]
) -> None:
    """Its load may go on without a kubelet; both say so, and name the node. After its end it is stranded."""
    rolled_out(kube, run)
    kube.objects[f"{NODES}/ghost"] = {"metadata": {"name": "ghost"}, "status": {}}
    ended(run, journal, kube)
    on_ghost(kube, run, BEGAN)
    assert leftovers(run.settings, run.clock) == ["Pod kube-system/chaoslib-cp-agent-rollout-1-x on node ghost"]
    assert stranded_pods(run.settings, run.clock) == []
    on_ghost(kube, run, BEGAN, left_s=-1)
    said = recover(run.settings, clock=run.clock)
    assert said["healed"] is True
    [item] = [item for log in said["logs"] for item in log["items"]]
    assert (item["object"], "node ghost" in item["outcome"]) == ("Pod kube-system/chaoslib-cp-agent-rollout-1-x", True)


def test_recover_waits_for_pods_that_are_still_ending(kube: KubeObjects, run: Run, journal: dict[str, Any]) -> None:
    """Nothing is open any more, and 42 agents are still there: that is not "nothing to undo"."""
    rolled_out(kube, run)
    ended(run, journal, kube)
    on_ghost(kube, run, BEGAN)
    still = recover(run.settings, timeout_s=3.0, clock=run.clock)
    [item] = still["logs"][0]["items"]
    assert (still["healed"], item["closed"]) == (False, False)
    assert item["object"] == "1 pods, first Pod kube-system/chaoslib-cp-agent-rollout-1-x on node ghost"
    assert item["outcome"].startswith("still listed; they end by themselves within")
    looks = 0

    def go_at_the_third_look(request: Any) -> None:
        nonlocal looks
        looks += request.path.endswith("/pods") and request.method == "GET"
        if looks == 3:
            kube.objects.pop(POD, None)

    kube.before_request = go_at_the_third_look
    gone = recover(run.settings, clock=run.clock)
    assert (gone["healed"], gone["logs"][0]["items"][0]["outcome"]) == (True, "ended")
