"""Every way a `chaos run` can end, with each rollback strategy: afterwards nothing of ours is left.

Where Chaos Toolkit itself cannot act any more (SIGKILL), or plays no rollbacks and our control was left out of the
file, one `chaos cp recover` heals; everywhere else the run has healed before it ends.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import LINES
from tests.contract.experiments import Activity, act
from tests.contract.rehearsal import DEVIATED, PAUSING, Stage, rehearsing
from tests.scaffold import part
from tests.scaffold.figures import note

pytestmark = [pytest.mark.contract, pytest.mark.proof]

STRATEGIES = ("always", "default", "deviated")
Process = subprocess.Popen[bytes]


def then(*activities: Activity) -> Callable[[Stage], None]:
    """Play more in the method."""

    def spoil(stage: Stage) -> None:
        stage.made["method"] += activities

    return spoil


def linger(stage: Stage) -> None:
    """An action that takes its time."""
    stage.made["method"].append(act("sleep", duration_s=30.0, started=str(stage.file("in-action"))))


def pause(stage: Stage) -> None:
    """A pause before the last activity."""
    stage.made["method"].append({**act("mark", path=str(stage.file("after"))), "pauses": {"before": 30}})


def slow_rollback(stage: Stage) -> None:
    """Something slow that is rolled back before ours."""
    slow = act("sleep", duration_s=2.0, started=str(stage.file("in-rollback")))
    stage.made["rollbacks"].insert(0, slow)


def broken_rollback(stage: Stage) -> None:
    """Something that fails when it is rolled back, before ours."""
    stage.made["rollbacks"].insert(0, act("fail"))


def break_claim(stage: Stage) -> None:
    """The claim is false from the middle of the method on."""
    stage.made["method"].append(act("mark", path=str(stage.file("broken"))))


def dawdle_in_claim(stage: Stage) -> None:
    """The claim is false at the end, which a slow round beside the method is the last to find."""
    files = {"broken": str(stage.file("broken")), "dawdling": str(stage.file("dawdling"))}
    claim = stage.made["steady-state-hypothesis"]["probes"][0]
    claim["provider"] |= {"func": "dawdles_beside", "arguments": {**files, "duration_s": 6.0}}
    stage.made["method"] += [act("mark", path=files["broken"]), act("await_file", path=files["dawdling"])]


def raise_in_claim(stage: Stage) -> None:
    """The probe of the claim raises from the middle of the method on."""
    stage.made["method"].append(act("mark", path=str(stage.file("raise"))))


def without_control(stage: Stage) -> None:
    """Somebody forgot the control."""
    del stage.made["controls"]


def unmark(stage: Stage) -> None:
    """The owner's mark is gone."""
    stage.kube.objects = {path: one for path, one in stage.kube.objects.items() if "test-cluster" not in path}


def in_background(stage: Stage) -> None:
    """The rollout is played in the background."""
    stage.made["method"][0]["background"] = True


def both(*spoilers: Callable[[Stage], None]) -> Callable[[Stage], None]:
    """One after the other."""

    def spoil(stage: Stage) -> None:
        for one in spoilers:
            one(stage)

    return spoil


LOGGED = {"pause": PAUSING, "last round": DEVIATED}


def send(where: str, *numbers: signal.Signals) -> Callable[[Stage, Process], None]:
    """Send signals once the run is in its action, pause or rollback, or waits for its last round."""

    def during(stage: Stage, process: Process) -> None:
        if where in LOGGED:
            stage.until_logged(LOGGED[where])
        else:
            stage.chaos.until_played(stage.file(f"in-{where}"))
        for number in numbers:
            os.kill(process.pid, number)

    return during


def nothing(_stage: Stage, _process: Process) -> None:
    """The run ends by itself."""


# name -> what is changed in the experiment or cluster, and what is done to the run
ENDINGS: dict[str, tuple[Callable[[Stage], None], Callable[[Stage, Process], None]]] = {
    "normal": (then(), nothing),
    "claim broken": (break_claim, nothing),
    "claim raises": (raise_in_claim, nothing),
    "action fails": (then(act("fail")), nothing),
    "first rollback fails": (broken_rollback, nothing),
    "mark missing": (unmark, nothing),
    "in the background": (in_background, nothing),
    "control missing": (without_control, nothing),
    "control missing, SIGTERM": (both(without_control, linger), send("action", signal.SIGTERM)),
    "control missing, SIGHUP": (both(without_control, linger), send("action", signal.SIGHUP)),
    "SIGINT in action": (linger, send("action", signal.SIGINT)),
    "SIGTERM in action": (linger, send("action", signal.SIGTERM)),
    "SIGHUP in action": (linger, send("action", signal.SIGHUP)),
    "SIGINT twice": (linger, send("action", signal.SIGINT, signal.SIGINT)),
    "SIGINT in pause": (pause, send("pause", signal.SIGINT)),
    "SIGTERM in pause": (pause, send("pause", signal.SIGTERM)),
    "SIGHUP in pause": (pause, send("pause", signal.SIGHUP)),
    "SIGUSR1 in action": (linger, send("action", signal.SIGUSR1)),
    "SIGUSR2 in pause": (pause, send("pause", signal.SIGUSR2)),
    "SIGINT in the last round": (dawdle_in_claim, send("last round", signal.SIGINT)),
    "SIGTERM in the last round": (dawdle_in_claim, send("last round", signal.SIGTERM)),
    "SIGHUP twice in the last round": (dawdle_in_claim, send("last round", signal.SIGHUP, signal.SIGHUP)),
    "SIGINT in rollback": (slow_rollback, send("rollback", signal.SIGINT)),
    "SIGTERM in rollback": (slow_rollback, send("rollback", signal.SIGTERM)),
    "SIGHUP in rollback": (slow_rollback, send("rollback", signal.SIGHUP)),
    "SIGKILL in action": (linger, send("action", signal.SIGKILL)),
    "SIGKILL in pause": (pause, send("pause", signal.SIGKILL)),
    "SIGKILL in rollback": (slow_rollback, send("rollback", signal.SIGKILL)),
}
# Endings after which nothing of Chaos Toolkit or ours is left that could act.
NEEDS_RECOVER = ("SIGKILL", "control missing")
# Refused before anything was changed, under any strategy; all are without `rollbacks: always`.
NOTHING_INJECTED = ("mark missing", "in the background")
ON_BOTH_LINES = [(line, name, "always") for line in LINES for name in ENDINGS]
ON_THE_NEW_LINE = [("new line", name, strategy) for strategy in STRATEGIES[1:] for name in ENDINGS]
PLAYED = part.of(ON_BOTH_LINES + ON_THE_NEW_LINE, "endings")


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A marked cluster that keeps objects, and `chaos` of one line."""
    line, name, strategy = request.param
    with rehearsing(line, tmp_path) as made:
        made.made["runtime"]["rollbacks"]["strategy"] = strategy
        ENDINGS[name][0](made)
        yield made


@pytest.mark.parametrize(
    ("stage", "name", "strategy"),
    [(one, one[1], one[2]) for one in PLAYED],
    indirect=["stage"],
    ids=["-".join(one).replace(" ", "-") for one in PLAYED],
)
def test_every_ending_heals(stage: Stage, name: str, strategy: str) -> None:
    """Nothing is left, and no exit code says success for a run that proved nothing."""
    process = stage.chaos.start_run(stage.made)
    is_refused = strategy != "always" and "control missing" not in name
    if not is_refused:
        ENDINGS[name][1](stage, process)
    done = stage.chaos.finish(process)
    if "control missing" not in name:
        assert done.exit_code != 0, done.log
    if name.startswith(NEEDS_RECOVER):
        recovered = stage.chaos.finish(stage.chaos.start("cp", "recover"))
        assert recovered.exit_code == 0, recovered.log
    elif name.endswith("in the last round") and not is_refused:
        assert done.journal["rollbacks"], done.log
        assert done.summary["why"][0].startswith("interrupted by signal SIG"), done.log
    assert stage.ours() == [], done.log
    again = stage.chaos.finish(stage.chaos.start("cp", "recover"))
    assert again.exit_code == 0, again.log
    assert again.log.rstrip().endswith("nothing to undo"), again.log
    injected = list((stage.chaos.folder.parent / "state").rglob("undo/*.jsonl")) != []
    assert injected == (not is_refused and name not in NOTHING_INJECTED), done.log
    note("ending", healed=int(injected), refused=int(not injected))
