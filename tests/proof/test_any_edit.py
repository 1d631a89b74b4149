"""Any sequence of edits, stops, kills, a sick API and other people's edits: what was there before us comes back.

Hypothesis draws the sequences; the fault is one that only tests have (tests/scaffold/meddling.py).
"""

import copy
import itertools
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chaoslib_cp.cluster.undo.fields import is_same, value_at
from chaoslib_cp.cluster.undo.kinds.restore_object import edited_object
from chaoslib_cp.cluster.undo.recover import keep, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import Item, UndoLog, find_logs
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import RESET, Answer
from tests.fakes.kube_objects import KubeObjects
from tests.proof.test_any_sequence import LANDS_WITHIN_S, World, killed_at
from tests.scaffold import part
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note
from tests.scaffold.meddling import CONFIG_MAP, DEPLOYMENT, EDITED, RECORDS, meddle, prepare, stop

pytestmark = pytest.mark.proof

SEQUENCES = part.amount("any edit: sequences")
SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=8,
    deadline=None,
    derandomize=not part.is_whole(),
    suppress_health_check=list(HealthCheck),
)
PATHS = (DEPLOYMENT, CONFIG_MAP)
ANYWHERE = st.sampled_from(["/", "/api/v1/", "/apis/apps", RECORDS])
METHODS = st.sampled_from(["GET", "POST", "DELETE", "PATCH"])
Field = tuple[str, tuple[str, ...]]
FIELDS: tuple[Field, ...] = tuple((path, field) for path in PATHS for field in EDITED[path].fields)


class AnyEdit(RuleBasedStateMachine):
    """Two runs that edit the same fields, and somebody else who does, too."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.begin_again()
        self.kube = self.world.kube
        self.environment = mock.patch.dict(os.environ, {"XDG_STATE_HOME": str(self.world.folder / "state")})
        self.environment.start()
        os.environ.pop("KUBECONFIG", None)
        self.clock = ManualClock()
        self.late_until_s = 0.0
        self.values = itertools.count(1)
        # what somebody else wrote last
        self.theirs: dict[Field, Any] = {
            field: copy.deepcopy(value_at(self.world.clean[field[0]], field[1])) for field in FIELDS
        }

    def settings_of(self, run: str) -> Settings:
        """What a run was told."""
        return self.kube.settings(chaoslib_cp_run_dir=f"/runs/{run}")

    @rule(run=st.sampled_from("ab"), path=st.sampled_from(PATHS), nth_write=st.integers(0, 4), after=st.booleans())
    def edit(self, run: str, path: str, nth_write: int, after: bool) -> None:
        """Begin, to the end or to a kill."""
        with killed_at(nth_write, after):
            meddle(self.settings_of(run), self.clock, (path,))

    @rule(run=st.sampled_from("ab"), nth_write=st.integers(0, 4), after=st.booleans())
    def stop(self, run: str, nth_write: int, after: bool) -> None:
        """Roll back, to the end or to a kill."""
        with killed_at(nth_write, after):
            stop(self.settings_of(run), self.clock)

    @rule(nth_write=st.integers(0, 4), after=st.booleans())
    def recover(self, nth_write: int, after: bool) -> None:
        """Heal, to the end or to a kill."""
        with killed_at(nth_write, after):
            recover(timeout_s=20.0, clock=self.clock)

    @rule(method=METHODS, path=ANYWHERE, status=st.sampled_from([401, 403, 409, 422, 429]), times=st.integers(1, 4))
    def api_refuses(self, method: str, path: str, status: int, times: int) -> None:
        """The next calls are turned away."""
        self.kube.fail_next(method, path, Answer(status), times)

    @rule(
        method=METHODS,
        path=ANYWHERE,
        answer=st.sampled_from([Answer(500), Answer(504), RESET]),
        times=st.integers(1, 4),
        after_the_write=st.booleans(),
    )
    def api_breaks(self, method: str, path: str, answer: Answer, times: int, after_the_write: bool) -> None:
        """The next calls get no usable answer."""
        self.kube.fail_next(method, path, answer, times, after_the_write)

    @rule(path=st.sampled_from(PATHS), times=st.integers(1, 2))
    def write_lands_late(self, path: str, times: int) -> None:
        """The next patch is answered by a reset and lands when nobody waits for it any more."""
        self.kube.fail_next("PATCH", path, RESET, times, lands_late=True)
        self.late_until_s = self.clock.monotonic_s() + LANDS_WITHIN_S

    @rule()
    def late_write_lands(self) -> None:
        """As late as the API server lets it."""
        if self.clock.monotonic_s() < self.late_until_s:
            self.kube.land_late()

    @rule()
    def api_heals(self) -> None:
        """All is well again."""
        self.kube.heal()

    @rule(duration_s=st.sampled_from([1.0, 30.0, 70.0, 5 * 3600.0]))
    def time_passes(self, duration_s: float) -> None:
        """What is late can land no longer."""
        self.clock.pass_s(duration_s)
        if self.clock.monotonic_s() >= self.late_until_s:
            self.kube.late.clear()

    @rule(field=st.sampled_from(FIELDS))
    def somebody_edits_it(self, field: Field) -> None:
        """To a value that nobody wrote before."""
        self._write(field, f"theirs-{next(self.values)}")

    @rule(field=st.sampled_from(FIELDS))
    def somebody_puts_it_back(self, field: Field) -> None:
        """By hand, to what it was before everything."""
        self._write(field, value_at(self.world.clean[field[0]], field[1]))

    @rule(path=st.sampled_from(PATHS))
    def a_controller_writes(self, path: str) -> None:
        """Something else of the object: another version."""
        self._write((path, ("metadata", "annotations")), {"seen": str(next(self.values))}, counts=False)

    def _write(self, field: Field, value: Any, counts: bool = True) -> None:
        path, (*folders, key) = field
        found = copy.deepcopy(self.kube.objects[path])
        value_at(found, folders)[key] = value
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        self.kube.objects[path] = found
        if counts:
            self.theirs[field] = value

    def open_edits(self) -> list[tuple[str, Item]]:
        """Entries of edits that are open, by run."""
        logs = [UndoLog.read(path, self.clock) for path in find_logs(undo_folder())]
        return [(log.run, item) for log in logs for item in log.open_items() if item.entry.kind == "restore_object"]

    @invariant()
    def what_is_not_theirs_is_on_record(self) -> None:
        """A field is as somebody else wrote it last, or ours with that on record as what was before."""
        for path, field in FIELDS:
            now, theirs = value_at(self.kube.objects[path], field), self.theirs[path, field]
            if not is_same(now, theirs):
                backups = [
                    one.before
                    for _, item in self.open_edits()
                    for one in edited_object(item.entry).fields
                    if (edited_object(item.entry).path, one.path) == (path, field)
                ]
                assert any(is_same(before, theirs) for before in backups), (path, field, now, theirs)

    def teardown(self) -> None:
        """A healthy API and one recover: everything is as somebody else wrote it last."""
        try:
            self.kube.heal()
            self.clock.pass_s(70)
            recover(timeout_s=60.0, clock=self.clock)
            for path, field in FIELDS:
                assert is_same(value_at(self.kube.objects[path], field), self.theirs[path, field])
            for run, item in self.open_edits():  # what was edited over ours waits for a word
                keep(run, item.number, self.clock)
            assert recover(timeout_s=60.0, clock=self.clock)["healed"]
            assert not [path for path in self.kube.objects if path.startswith(RECORDS)]
            assert recover(timeout_s=60.0, clock=self.clock) == {"healed": True, "logs": []}
        finally:
            self.environment.stop()


def test_any_sequence_of_edits_comes_to_what_somebody_else_wrote_last(tmp_path: Path) -> None:
    """As many as were asked for."""
    with KubeObjects(tmp_path / "kube") as kube:
        kube.mark()
        prepare(kube)
        AnyEdit.world = World(tmp_path, kube)
        run_state_machine_as_test(AnyEdit, settings=SETTINGS)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    note("any-edit", sequences=SEQUENCES, lost=0)
