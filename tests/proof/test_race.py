"""However many start on one cluster at the same moment, one plays and the others change nothing, dead or alive."""

import multiprocessing
import os
import select
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.control.run import Run
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.state import state_root
from tests.fakes.api_server import Request
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.entries import to_delete
from tests.scaffold.figures import note
from tests.scaffold.profiles import PROFILE
from tests.scaffold.waiting import until

pytestmark = pytest.mark.proof

ALWAYS = {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}}
AS_MANY = [2, 10, 50]
WAIT_S = 90.0
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["chaosk8s", "kubernetes.client", __name__])


def play(environment: dict[str, str], folder: str, name: str, settings: dict[str, Any]) -> None:
    """Start as the control does when told to go; whoever is let in rolls out and stays until it is killed."""
    os.environ.clear()  # the server of forks may have been started by another test, in its environment
    os.environ.update(environment)
    os.chdir(folder)
    Path(f"ready-{name}").touch()
    until(Path("go").exists, "the signal to go", WAIT_S)
    run = Run({"title": name, "method": []}, SystemClock(), None)
    run.runtime = ALWAYS
    try:
        run.open(settings, None)
    except InterruptExecution as refused:
        run.close()
        say(f"refused-{name}", str(refused))
        return
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=settings)
    say(f"playing-{name}", "")
    time.sleep(WAIT_S)


def say(name: str, words: str) -> None:
    """Leave a file that has its whole content as soon as it is there."""
    Path(f".{name}").write_text(words)
    Path(f".{name}").rename(name)


def children(pid: int | None) -> list[int]:
    """What a process has started; nothing when it has ended."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Starters:
    """Processes that start at the same moment, in a folder of their own."""

    def __init__(self, folder: Path, kube: KubeObjects) -> None:
        self.folder = folder
        self._settings = kube.configuration()
        self._processes: dict[str, ForkServerProcess] = {}

    def race(self, count: int) -> tuple[list[str], list[str]]:
        """Let them go; return who plays, and the reasons of all others."""
        for old in [*self.folder.glob("*-starter-*"), *self.folder.glob("go")]:
            old.unlink()
        for number in range(count):
            name = f"starter-{number}"
            words = (dict(os.environ), str(self.folder), name, self._settings)
            self._processes[name] = _FORK.Process(target=play, args=words)
            self._processes[name].start()
        until(lambda: len(list(self.folder.glob("ready-*"))) == count, "all to be ready", WAIT_S)
        (self.folder / "go").touch()
        until(
            lambda: len([*self.folder.glob("refused-*"), *self.folder.glob("playing-*")]) == count, "all start", WAIT_S
        )
        playing = [path.name.removeprefix("playing-") for path in self.folder.glob("playing-*")]
        return playing, [path.read_text() for path in self.folder.glob("refused-*")]

    def kill(self, name: str) -> None:
        """End the one who plays, as nobody can ask it to."""
        process = self._processes[name]
        observers = [os.pidfd_open(pid) for pid in children(process.pid)]
        process.kill()
        process.join(10)
        for observer in observers:  # ends by itself when the one it works for is gone
            assert select.select([observer], [], [], 30)[0]
            os.close(observer)

    def end(self) -> None:
        """Leave no process."""
        for name in self._processes:
            self.kill(name)


@pytest.fixture
def starters(tmp_path: Path, kube: KubeObjects) -> Iterator[Starters]:
    """Nobody has started yet."""
    folder = tmp_path / "work"
    folder.mkdir()
    made = Starters(folder, kube)
    yield made
    made.end()


def ours(kube: KubeObjects) -> list[str]:
    """Paths of everything we made."""
    return [path for path, one in kube.objects.items() if "chaoslib-cp/run" in (one["metadata"].get("labels") or {})]


@pytest.mark.parametrize("count", AS_MANY)
def test_exactly_one_wins_and_the_losers_change_nothing(kube: KubeObjects, starters: Starters, count: int) -> None:
    """One run folder, one undo log, the writes of one rollout; each loser is told why."""
    playing, reasons = starters.race(count)
    assert len(playing) == 1, reasons
    assert len(reasons) == count - 1
    for reason in reasons:
        assert "nothing was changed" in reason
        assert "another run (process" in reason or "is playing run" in reason
    assert len(ours(kube)) == len(kube.writes()) == 5
    assert len(list((state_root() / "undo").iterdir())) == 1
    assert len(list((starters.folder / "runs").iterdir())) == 1
    note("race", starters=count, winners=len(playing))


def test_after_a_kill_nobody_wins_until_recover_has_healed(kube: KubeObjects, starters: Starters) -> None:
    """The kernel frees the lock of the dead; the undo log does not let anybody in before it is closed."""
    [winner], _ = starters.race(2)
    starters.kill(winner)
    playing, reasons = starters.race(3)
    assert playing == []
    assert len(reasons) == 3
    assert all("left 5 things in this cluster" in reason and "run `chaos cp recover`" in reason for reason in reasons)
    assert len(kube.writes()) == 5
    assert recover()["healed"]
    assert ours(kube) == []
    assert len(starters.race(2)[0]) == 1


def test_who_passed_the_gate_before_another_run_died_is_refused_with_the_lock_in_hand(
    kube: KubeObjects, starters: Starters
) -> None:
    """Between our look at the undo logs and our lock another run began, and was killed."""

    def another_run(request: Request) -> None:
        if "/services/" in request.path and not (state_root() / "undo").exists():
            log = UndoLog.create(state_root() / "undo", "died", {"cluster_uid": CLUSTER_UID}, SystemClock())
            log.intend(to_delete("DaemonSet", "kube-system", "chaoslib-cp-agent-rollout-1", "died"))

    kube.before_request = another_run
    playing, [reason] = starters.race(1)
    assert playing == []
    assert "run died left 1 things in this cluster" in reason
    assert kube.writes() == []
