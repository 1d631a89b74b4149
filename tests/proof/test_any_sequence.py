"""Any sequence of rollouts, removals, kills, a sick API and other people: nothing lost, nothing foreign touched.

Hypothesis draws the sequences.
"""

import copy
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import urllib3
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.undo.kinds.delete_object import our_object
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.rollout.start import start
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import RESET, Answer
from tests.fakes.kube_objects import REVIEWS, KubeObjects
from tests.scaffold import part
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note
from tests.scaffold.profiles import PLAN

pytestmark = pytest.mark.proof

SEQUENCES = part.amount("any sequence: sequences")
STEPS = 8
SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not part.is_whole(),
    suppress_health_check=list(HealthCheck),
)
DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/chaoslib-cp-agent-rollout-1"
# Calls about rights, and those about each kind of object.
ANYWHERE = st.sampled_from(["/", "/api/v1/", "/apis/rbac", "/apis/apps"])
# The API server's default --request-timeout: how long a write that nobody waits for may take to land.
LANDS_WITHIN_S = 60.0


class Killed(BaseException):
    """What SIGKILL is to a process: nothing of ours catches it."""


@contextmanager
def killed_at(nth_write: int, after: bool) -> Iterator[None]:
    """End what runs in the block at its nth write to the API, before or after the write; 0 for never."""
    real: Callable[..., Any] = urllib3.PoolManager.request
    writes = 0

    def request(pool: urllib3.PoolManager, method: str, url: str, **named: Any) -> Any:
        nonlocal writes
        writes += method != "GET" and REVIEWS not in url
        is_last = method != "GET" and writes == nth_write
        if is_last and not after:
            raise Killed
        answer = real(pool, method, url, **named)
        if is_last:
            answer.close()  # as the kernel does for a dead process
            raise Killed
        return answer

    # dead, or ended with one clear line
    with mock.patch.object(urllib3.PoolManager, "request", request), suppress(Killed, ControlPlaneError):
        yield


class World:
    """One cluster for all sequences: making certificates takes longer than playing one."""

    def __init__(self, folder: Path, kube: KubeObjects) -> None:
        self.folder = folder
        self.kube = kube
        self.clean = copy.deepcopy(kube.objects)

    def begin_again(self) -> None:
        """Make everything as it was in the beginning."""
        self.kube.heal()
        self.kube.objects = copy.deepcopy(self.clean)
        self.kube.late.clear()
        shutil.rmtree(self.folder / "state", ignore_errors=True)


class AnySequence(RuleBasedStateMachine):
    """Two runs, one after the other or over each other, on one cluster."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.begin_again()
        self.kube = self.world.kube
        self.environment = mock.patch.dict(os.environ, {"XDG_STATE_HOME": str(self.world.folder / "state")})
        self.environment.start()
        os.environ.pop("KUBECONFIG", None)
        self.clock = ManualClock()
        self.foreign: dict[str, Any] = copy.deepcopy(self.world.clean)
        self.late_until_s = 0.0

    def settings_of(self, run: str) -> dict[str, Any]:
        """Configuration of a run."""
        return self.kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}")

    @rule(run=st.sampled_from("ab"), nth_write=st.integers(0, 6), after=st.booleans())
    def roll_out(self, run: str, nth_write: int, after: bool) -> None:
        """Start, to the end or to a kill."""
        with killed_at(nth_write, after):
            start(PLAN, read_settings(self.settings_of(run)), self.clock)

    @rule(run=st.sampled_from("ab"), nth_write=st.integers(0, 6), after=st.booleans())
    def stop(self, run: str, nth_write: int, after: bool) -> None:
        """Roll back, to the end or to a kill."""
        with killed_at(nth_write, after):
            take_back(read_settings(self.settings_of(run)), 20.0, self.clock)

    @rule(run=st.sampled_from("ab"), nth_write=st.integers(0, 2), after=st.booleans())
    def remove(self, run: str, nth_write: int, after: bool) -> None:
        """Delete the agent as the administrator."""
        with killed_at(nth_write, after):
            remove_as_admin(read_settings(self.settings_of(run)), 20.0, 5.0, self.clock)

    @rule(nth_write=st.integers(0, 6), after=st.booleans())
    def recover(self, nth_write: int, after: bool) -> None:
        """Heal, to the end or to a kill."""
        with killed_at(nth_write, after):
            recover(timeout_s=20.0, clock=self.clock)

    @rule(
        method=st.sampled_from(["GET", "POST", "DELETE"]),
        path=ANYWHERE,
        answer=st.sampled_from([Answer(401), Answer(403), Answer(409), Answer(429)]),
        times=st.integers(1, 4),
    )
    def api_refuses(self, method: str, path: str, answer: Answer, times: int) -> None:
        """The next calls are turned away."""
        self.kube.fail_next(method, path, answer, times)

    @rule(
        method=st.sampled_from(["GET", "POST", "DELETE"]),
        path=ANYWHERE,
        answer=st.sampled_from([Answer(500), Answer(503), Answer(504), RESET]),
        times=st.integers(1, 4),
        after_the_write=st.booleans(),
    )
    def api_breaks(self, method: str, path: str, answer: Answer, times: int, after_the_write: bool) -> None:
        """The next calls get no usable answer; whether they were carried out is anybody's guess."""
        self.kube.fail_next(method, path, answer, times, after_the_write)

    @rule(path=ANYWHERE.filter(lambda path: path != "/"))
    def create_lands_late(self, path: str) -> None:
        """The next create is answered by a reset and lands when nobody waits for it any more."""
        self.kube.fail_next("POST", path, RESET, lands_late=True)
        self.late_until_s = self.clock.monotonic_s() + LANDS_WITHIN_S

    @rule()
    def late_create_lands(self) -> None:
        """As late as the API server lets it."""
        if self.clock.monotonic_s() < self.late_until_s:
            self.kube.land_late()

    @rule()
    def api_heals(self) -> None:
        """All is well again."""
        self.kube.heal()

    @rule(duration_s=st.sampled_from([1.0, 30.0, 70.0, 5 * 3600.0]))
    def time_passes(self, duration_s: float) -> None:
        """Permits and deadlines pass with it."""
        self.clock.pass_s(duration_s)
        if self.clock.monotonic_s() >= self.late_until_s:
            self.kube.late.clear()

    @rule(path=st.sampled_from([DAEMONSET, CONFIG_MAP]))
    def somebody_takes_our_name(self, path: str) -> None:
        """They delete ours, if it is there, and make their own under its name."""
        theirs = {"metadata": {"name": path.rpartition("/")[2], "uid": f"theirs-{len(self.foreign)}"}}
        self.kube.objects[path] = theirs
        self.foreign[path] = copy.deepcopy(theirs)

    @rule(path=st.sampled_from([DAEMONSET, CONFIG_MAP]))
    def somebody_deletes_it(self, path: str) -> None:
        """Ours or theirs."""
        self.kube.objects.pop(path, None)
        self.foreign.pop(path, None)

    @invariant()
    def all_that_is_ours_is_on_record(self) -> None:
        """Whatever exists with our label has an open entry in some log on disk."""
        on_record = {
            our_object(item.entry).path
            for path in find_logs(undo_folder())
            for item in UndoLog.read(path, self.clock).open_items()
            if item.entry.kind == "delete_object"
        }
        assert self.ours() <= on_record

    @invariant()
    def nothing_foreign_is_touched(self) -> None:
        """Everybody else's objects are as they were."""
        theirs = {path: one for path, one in self.kube.objects.items() if path not in self.ours()}
        assert theirs == self.foreign

    def ours(self) -> set[str]:
        """Paths of what carries our label."""
        return {path for path, one in self.kube.objects.items() if RUN_LABEL in (one["metadata"].get("labels") or {})}

    def teardown(self) -> None:
        """A healthy API and one recover leave nothing; another has nothing to do."""
        try:
            self.kube.heal()
            self.clock.pass_s(70)
            report = recover(timeout_s=60.0, clock=self.clock)
            assert report["healed"], report
            assert self.ours() == set()
            self.nothing_foreign_is_touched()
            assert recover(timeout_s=60.0, clock=self.clock) == {"healed": True, "logs": []}
        finally:
            self.environment.stop()


def test_any_sequence_heals(tmp_path: Path) -> None:
    """As many as were asked for."""
    with KubeObjects(tmp_path / "kube") as kube:
        kube.mark()
        AnySequence.world = World(tmp_path, kube)
        run_state_machine_as_test(AnySequence, settings=SETTINGS)
    note("sequence", sequences=SEQUENCES, broken=0)


def test_a_create_that_lands_after_the_object_of_an_earlier_one_is_gone_is_taken_back(tmp_path: Path) -> None:
    """Found by such a sequence: two creates of one run, and only the first one's object had been seen."""
    with KubeObjects(tmp_path / "kube") as kube:
        kube.mark()
        AnySequence.world = World(tmp_path, kube)
        sequence = AnySequence()
        sequence.roll_out("a", 2, False)
        sequence.create_lands_late("/api/v1/")
        sequence.roll_out("a", 3, False)
        sequence.late_create_lands()
        sequence.all_that_is_ours_is_on_record()
        sequence.teardown()
