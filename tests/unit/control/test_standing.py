"""A fault of which nothing begins: told in the log and in the timeline while the run is played, and in its results."""

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.control import standing
from chaoslib_cp.control.standing import StandingWatch
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.errors import TargetUnreachable
from chaoslib_cp.fault import Delivers, FaultKind, Injected, Standing
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from chaoslib_cp.results.deliveries import judge_deliveries
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.recording import record
from chaoslib_cp.results.story import tell
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import PROFILE
from tests.scaffold.waiting import until
from tests.unit.made_timeline import sample

MADE = Injected("storm-1", "storm", "a storm", Delivers("clouds", wanted=3))


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    """Writes a timeline."""
    made = Teller(Timeline(tmp_path / "timeline.jsonl"), SystemClock())
    yield made
    made.close()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandingWatch]:
    """A watch that looks often."""
    for name in ("FIRST_LOOK_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(standing, name, 0.01)
    monkeypatch.setattr(standing, "SILENT_AFTER_S", 0.05)
    made = StandingWatch()
    yield made
    made.stop()


def troubles(tmp_path: Path) -> list[str]:
    """What was told."""
    lines = read_timeline(tmp_path / "timeline.jsonl")
    return [line["words"] for line in lines if line.get("event") == "fault_trouble"]


def extension(monkeypatch: pytest.MonkeyPatch, *answers: Standing | Exception) -> list[str]:
    """An extension whose faults answer that, one after the other; returns the faults that were asked about."""
    asked, left = [], list(answers)

    def look(_: Settings, fault: str) -> Standing:
        asked.append(fault)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    module: Any = types.ModuleType("clouds")
    module.FAULTS = (FaultKind("storm", "a storm", "clouds:start", standing="clouds:look"),)
    module.look = look
    monkeypatch.setitem(__import__("sys").modules, "clouds", module)
    monkeypatch.setenv("CHAOSLIB_CP_EXTENSIONS", "clouds")
    return asked


def test_agents_that_do_not_start_are_told_with_the_reason(
    kube: KubeObjects, tmp_path: Path, watch: StandingWatch, teller: Teller, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, in the story, and as what was not delivered."""
    kube.add_nodes(3)
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/standing-2")
    output = start_agent_rollout(PROFILE, duration_s=60.0, configuration=configuration)
    activity = {"type": "action", "name": "roll out"}
    teller.activity_started(activity, "method")
    teller.activity_ended(activity, "method", {"status": "succeeded", "output": output})
    daemonset = "/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"
    labels = kube.objects[daemonset]["spec"]["template"]["metadata"]["labels"]
    state = {"waiting": {"reason": "CreateContainerError", "message": "no such image"}}
    kube.objects["/api/v1/namespaces/kube-system/pods/x"] = {
        "metadata": {"name": "x", "labels": labels},
        "status": {"containerStatuses": [{"state": state}]},
    }
    watch.follow(output, read_settings(configuration), teller)
    words = "0 of 3 agents run: CreateContainerError: no such image"
    until(lambda: troubles(tmp_path) == [words], "the reason is told")
    watch.stop()
    assert f"agent rollout: {words}" in caplog.messages
    recording = record(read_timeline(tmp_path / "timeline.jsonl"))
    faults = find_faults(recording)
    assert faults is not None
    assert [one.shortfall for one in judge_deliveries(recording, faults)] == [words]
    told = sample("agent_load", 0.0, fault="agent_rollout-1", counts={"agents_began": 0, "agents_wanted": 3})
    farm = record([*read_timeline(tmp_path / "timeline.jsonl"), {**told, "at_s": faults.began_s}])
    [shortfall] = [one.shortfall for one in judge_deliveries(farm, find_faults(farm))]
    assert shortfall == f"only 0 of 3 agents began; {words}", "where somebody counts them"
    assert words in [moment.what for moment in tell(recording, faults)]


def test_a_reason_is_told_once_and_a_new_one_again(
    tmp_path: Path, watch: StandingWatch, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the pull fails, then the kubelet backs off; a look that failed says nothing."""
    trouble, other = Standing(trouble="a"), Standing(trouble="b")
    asked = extension(monkeypatch, trouble, trouble, TargetUnreachable("no"), other, Standing(has_begun=True))
    watch.follow(MADE.as_dict(), Settings(), teller)
    until(lambda: len(asked) == 5, "it has begun")
    watch.stop()
    assert troubles(tmp_path) == ["0 of 3 clouds run: a", "0 of 3 clouds run: b"]
    assert set(asked) == {"storm-1"}


def test_silence_is_told_after_a_while(
    tmp_path: Path, watch: StandingWatch, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pod and no event: its controller does not work, or is starved."""
    asked = extension(monkeypatch, Standing(has_parts=False))
    watch.follow(MADE.as_dict(), Settings(), teller)
    until(lambda: bool(troubles(tmp_path)), "silence is told")
    known = len(asked)
    assert known > 5
    until(lambda: len(asked) > known + 5, "it is looked at again")
    watch.stop()
    [words] = troubles(tmp_path)
    assert words.startswith("0 of 3 clouds run: no pod was made within")


def test_a_mistake_in_somebodys_kind_does_not_end_the_run(
    tmp_path: Path,
    watch: StandingWatch,
    teller: Teller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is named, and nobody looks again."""
    extension(monkeypatch, ValueError("oops"))
    watch.follow(MADE.as_dict(), Settings(), teller)
    until(lambda: any("nobody can tell how it stands" in one for one in caplog.messages), "it is named")
    assert troubles(tmp_path) == []


@pytest.mark.parametrize("output", [None, {"ok": True}, Injected("x-1", "x", "x").as_dict()])
def test_what_tells_nothing_of_itself_is_left_alone(watch: StandingWatch, teller: Teller, output: object) -> None:
    """Probes, and faults that are over at once."""
    watch.follow(output, Settings(), teller)
    watch.stop()
