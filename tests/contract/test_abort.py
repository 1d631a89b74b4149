"""Runs that must stop by themselves: the peer steps from healthy to failing, slow, silent or dead, on both lines.

When a breach is visible is worked out here from the timeline, in other words than the library's.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.control.abort import LOOK_EVERY_S
from chaoslib_cp.observe.timeline import TIMELINE_FILE, read_timeline
from tests.contract.cluster import READ_PATH
from tests.contract.conftest import LINES, Chaos
from tests.contract.experiments import Activity, act, dns_claim, experiment
from tests.contract.rehearsal import PAUSING, Stage, rehearsing
from tests.fakes.api_server import HANG, Answer, Request
from tests.scaffold import part
from tests.scaffold.figures import note

pytestmark = pytest.mark.contract

ALWAYS = 1_000_000
REACTION_S = 1.0
"""For a busy machine; also what the prober's page may be late."""
ROLLED_BACK_S = 5.0

Line = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One way in which a run goes wrong.

    Attributes:
        rule: What the experiment says, if anything.
        where: What is being played then: an action, a pause before or a pause after one.
        happens: What goes wrong.
        said: Begin of what the run says.
        visible_s: When the timeline shows it: takes lines and the time at which it happened, epoch seconds.
    """

    rule: Line | None
    where: str
    happens: Callable[[Stage], None]
    said: str
    visible_s: Callable[[list[Line], float], float]


def reads_hang(stage: Stage) -> None:
    """The API answers nobody any more, ourselves included."""
    for method in ("GET", "POST", "DELETE"):
        stage.kube.fail_next(method, "/", HANG, times=ALWAYS)


def reads_fail(stage: Stage) -> None:
    """Small reads are answered 503."""
    stage.kube.fail_next("GET", READ_PATH, Answer(503), times=ALWAYS, who="observer")


def reads_are_slow(stage: Stage) -> None:
    """Small reads take 0.7 s."""
    stage.kube.fail_next("GET", READ_PATH, Answer(delay_s=0.7), times=ALWAYS, who="observer")


def dns_fails(stage: Stage) -> None:
    """Workloads no longer resolve names."""
    stage.chaos.cluster.dns_outcome = "servfail"


def prober_is_silent(stage: Stage) -> None:
    """The prober's page no longer answers."""
    stage.chaos.cluster.prober.on("GET", "/", HANG)


def observer_is_killed(stage: Stage) -> None:
    """The observer dies without a word."""
    [started] = [line for line in timeline(stage) if line.get("event") == "observer_started"]
    os.kill(started["pid"], signal.SIGKILL)


def first_window(vantage: str, bad: Callable[[Line], bool], window_s: float = 3.0) -> Callable[..., float]:
    """When more than half of at least three samples of a window, since the method began, had ended badly."""

    def visible_s(lines: list[Line], happened_s: float) -> float:
        began_s = min(line["at_s"] for line in lines if line.get("event") == "activity_started")
        ended = sorted((line["at_s"] + line["latency_s"], bad(line)) for line in samples(lines, vantage))
        for end_s, _ in ended:
            window = [is_bad for at_s, is_bad in ended if max(began_s, end_s - window_s) <= at_s <= end_s]
            if end_s >= happened_s and len(window) >= 3 and sum(window) > len(window) / 2:
                return float(end_s)
        raise AssertionError(f"no breach of {vantage} in the timeline")

    return visible_s


def samples(lines: list[Line], vantage: str) -> list[Line]:
    """The samples of one vantage point."""
    return [line for line in lines if line["kind"] == "sample" and line["vantage"] == vantage]


def failed(line: Line) -> bool:
    """A sample that failed."""
    return not line["ok"]


def blind_since_last(vantage: str, blind_s: float) -> Callable[..., float]:
    """When nothing had come for that long; counted from the first activity, if nothing ever came."""

    def visible_s(lines: list[Line], _: float) -> float:
        began_s = min(line["at_s"] for line in lines if line.get("event") == "activity_started")
        seen_s = [line["at_s"] + line["latency_s"] for line in samples(lines, vantage)]
        return float(max([began_s, *seen_s]) + blind_s)

    return visible_s


ERRORS = {"max_error_ratio": 0.5, "window_s": 3}
CASES = {
    "the API hangs": Case(
        {"vantage": "api_read", **ERRORS}, "action", reads_hang, "abort rule api_read max_error_ratio 0.5: it was",
        first_window("api_read", failed),
    ),
    "reads fail in a pause": Case(
        {"vantage": "api_read", **ERRORS}, "pause", reads_fail, "abort rule api_read max_error_ratio 0.5: it was",
        first_window("api_read", failed),
    ),
    "reads are slow before a pause": Case(
        {"vantage": "api_read", "max_latency_p50_s": 0.5, "window_s": 3}, "pause after", reads_are_slow,
        "abort rule api_read max_latency_p50_s 0.5: it was 0.7",
        first_window("api_read", lambda line: line["latency_s"] > 0.5),
    ),
    "workload DNS fails": Case(
        {"vantage": "dns_cached", **ERRORS}, "action", dns_fails, "abort rule dns_cached max_error_ratio 0.5: it was",
        first_window("dns_cached", failed),
    ),
    "the prober is silent": Case(
        {"vantage": "dns_cached", "blind_s": 6}, "action", prober_is_silent,
        "abort rule dns_cached blind_s 6: no valid sample", blind_since_last("dns_cached", 6.0),
    ),
    "the observer is killed": Case(
        None, "action", observer_is_killed, "the observer's death: nobody watches", lambda _, happened_s: happened_s,
    ),
}  # fmt: skip


@dataclass
class Calls:
    """What the run itself asked the cluster, with the time."""

    by_runner_s: list[float] = field(default_factory=list)

    def note(self, request: Request) -> None:
        """Keep the control's and the actions' calls.

        The observer asks under other names. The look at agents that never begin (control/standing.py) goes on beside
        everything; nothing waits for it.
        """
        is_look = request.method == "GET" and any(kind in request.path for kind in ("/daemonsets/", "/pods", "/events"))
        if request.peer_name == "user-runner" and not is_look:
            self.by_runner_s.append(time.time())  # noqa: TID251 - the cluster's own clock

    def between(self, first_s: float, last_s: float) -> int:
        """How many came in that time."""
        return sum(first_s <= at_s < last_s for at_s in self.by_runner_s)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A healthy cluster whose small reads work, sampled often."""
    with rehearsing(request.param, tmp_path) as made:
        made.made["configuration"]["observe_deadlines_s"] = {"api_read": 1.0}
        yield made


def timeline(stage: Stage) -> list[Line]:
    """The lines of the one run."""
    [run_dir] = (stage.chaos.folder / "runs").iterdir()
    return read_timeline(run_dir / TIMELINE_FILE)


def lasting(stage: Stage, where: str) -> Activity:
    """An action that takes or makes 40 s."""
    started = str(stage.file("in-action"))
    if where == "action":
        return act("sleep", duration_s=40.0, started=started)
    if where == "pause":
        return {**act("mark", path=str(stage.file("after"))), "pauses": {"before": 40}}
    return {**act("sleep", duration_s=15.0, started=started), "pauses": {"after": 40}}


@pytest.mark.proof
@pytest.mark.parametrize(
    ("stage", "name"),
    part.of(itertools.product(LINES, CASES), "abort"),
    indirect=["stage"],
    ids=lambda name: name.replace(" ", "-"),
)
def test_a_run_stops_within_two_looks_of_a_breach(stage: Stage, name: str) -> None:
    """Without asking the API, with its rollbacks, with nothing left and nothing new started, and never as success."""
    case = CASES[name]
    calls = Calls()
    stage.kube.before_request = calls.note
    stage.made["extensions"][0]["abort_when"] = [case.rule] if case.rule else []
    stage.made["method"] += [lasting(stage, case.where), act("mark", path=str(stage.file("later")))]
    process = stage.chaos.start_run(stage.made)
    if case.where == "pause":
        stage.until_logged(PAUSING)
    else:
        stage.chaos.until_played(stage.file("in-action"))
    happened_s = time.time()  # noqa: TID251 - to compare with the timeline
    case.happens(stage)
    stage.until_logged("nothing new is injected, rolling back now")
    stage.kube.heal()
    done = stage.chaos.finish(process)
    lines = timeline(stage)
    [aborted] = [line for line in lines if line.get("event") == "run_aborted"]
    rolled_back_s = min(
        line["at_s"] for line in lines if line.get("event") == "activity_started" and line.get("phase") == "rollback"
    )
    visible_s = case.visible_s(lines, happened_s)
    asked = calls.between(visible_s, rolled_back_s)
    assert done.exit_code == 1, done.log
    assert done.summary["verdict"] == "inconclusive"
    assert done.summary["why"][0] == f"interrupted by {aborted['reason']}"
    assert aborted["reason"].startswith(case.said)
    assert "the run ABORTS itself; rollbacks follow" in [moment["what"] for moment in done.summary["story"]]
    assert done.journal["status"] == "interrupted"
    assert done.journal["interruption"]["reason"] == aborted["reason"]
    assert aborted["at_s"] - visible_s < 2 * LOOK_EVERY_S + REACTION_S, done.log
    assert rolled_back_s - visible_s < ROLLED_BACK_S, done.log
    assert asked == 0
    assert not stage.file("later").exists()
    assert not stage.file("after").exists()
    assert stage.ours() == []
    assert [run["status"] for run in done.journal["rollbacks"]] == ["succeeded"], done.log
    note("abort", decided_s=aborted["at_s"] - visible_s, rolled_back_s=rolled_back_s - visible_s, calls=asked)


def test_a_healthy_run_with_rules_is_not_aborted(chaos: Chaos) -> None:
    """A storm that breaks small reads for a while, and no rule about them: the run is held, as without rules."""
    page = chaos.cluster.environment["CONTRACT_PROBER_PAGE"]
    pause = act("sleep", duration_s=6.0, started=str(chaos.folder / "started"))
    made = experiment([act("start_storm", duration_s=4.0), pause], [act("stop_storm")], [dns_claim()], page)
    made["extensions"][0]["abort_when"] = [
        {"vantage": "dns_cached", "max_error_ratio": 0.5, "window_s": 3},
        {"vantage": "dns_cached", "blind_s": 6},
        {"vantage": "api_livez", "max_latency_p95_s": 4.0},
        {"vantage": "api_read", "blind_s": 6},
    ]
    done = chaos.run(made)
    assert (done.exit_code, done.summary["verdict"]) == (0, "held"), done.log


def test_a_rule_that_means_nothing_is_refused_before_anything(chaos: Chaos) -> None:
    """The cluster is not asked for anything."""
    made = experiment([], [], [dns_claim()], chaos.cluster.environment["CONTRACT_PROBER_PAGE"])
    made["extensions"][0]["abort_when"] = [{"vantage": "dns", "blind_s": 15}]
    done = chaos.run(made)
    assert done.exit_code == 1
    assert "abort_when[0].vantage is 'dns', which nobody samples" in done.log
    assert chaos.cluster.api.requests == []
