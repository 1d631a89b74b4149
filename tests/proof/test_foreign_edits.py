"""Somebody else edits what we edit, in the gaps between two of our calls: no edit of theirs is ever lost.

The fault is one that only tests have (tests/scaffold/meddling.py).
"""

import copy
import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.undo.fields import is_same, value_at
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import RESET, Request
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold import part
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note
from tests.scaffold.meddling import EDITED, RECORDS, content, meddle, prepare, stop

pytestmark = pytest.mark.proof

STRIDE = part.amount("foreign edits: calls from one edit to the next")
INTERLEAVINGS = part.amount("foreign edits: interleavings, at least")
Found = dict[str, Any]
WAS: dict[str, Found] = {}
"""What is edited, as it is before everything."""


def fields(path: str) -> list[tuple[str, ...]]:
    """The fields that we edit of an object."""
    return list(EDITED[path].fields)


def set_field(kube: KubeObjects, path: str) -> None:
    """To a value of theirs, whatever it is now."""
    if path in kube.objects:
        *folders, key = fields(path)[0]
        written(kube, path)
        value_at(kube.objects[path], folders)[key] = "theirs"


def set_every_field(kube: KubeObjects, path: str) -> None:
    """All that we edit, to values of theirs."""
    if path in kube.objects:
        written(kube, path)
        for *folders, key in fields(path):
            value_at(kube.objects[path], folders)[key] = f"theirs-{key}"


def put_back_by_hand(kube: KubeObjects, path: str) -> None:
    """The first field, to what it was before everything."""
    if path in kube.objects:
        *folders, key = fields(path)[0]
        written(kube, path)
        value_at(kube.objects[path], folders)[key] = value_at(WAS[path], fields(path)[0])


def set_another_field(kube: KubeObjects, path: str) -> None:
    """One that is none of our business."""
    if path in kube.objects:
        written(kube, path)
        value_at(kube.objects[path], fields(path)[0][:-1])["another"] = "theirs"


def write_status(kube: KubeObjects, path: str) -> None:
    """As controllers do all the time: another version, nothing else."""
    if path in kube.objects:
        written(kube, path)
        kube.objects[path]["status"] = {"seen": kube.objects[path]["metadata"]["resourceVersion"]}


def delete(kube: KubeObjects, path: str) -> None:
    """Whatever is there."""
    kube.objects.pop(path, None)


def make_anew(kube: KubeObjects, path: str) -> None:
    """Delete it, and make another one under its name, with values of theirs."""
    if path in kube.objects:
        written(kube, path)
        set_every_field(kube, path)
        kube.objects[path]["metadata"]["uid"] = "theirs-anew"


def make_anew_from_a_dump(kube: KubeObjects, path: str) -> None:
    """As it is now, ours or not, under another UID."""
    if path in kube.objects:
        written(kube, path)
        kube.objects[path]["metadata"]["uid"] = "theirs-dump"


def written(kube: KubeObjects, path: str) -> None:
    """A write of somebody else's: another object with another version."""
    kube.objects[path] = copy.deepcopy(kube.objects[path])
    version = int(kube.objects[path]["metadata"]["resourceVersion"])
    kube.objects[path]["metadata"]["resourceVersion"] = str(version + 1)


EDITS = (
    set_field,
    set_every_field,
    put_back_by_hand,
    set_another_field,
    write_status,
    delete,
    make_anew,
    make_anew_from_a_dump,
)
# scenario -> what becomes of our own patch: answered, or its answer is lost and it landed, landed not, or lands late
BEGIN = {"edit": "", "answer lost": "landed", "patch lost": "lost", "patch late": "late"}
UNDO = {"stop": "", "recover": "", "stop, answer lost": "landed", "stop, patch lost": "lost"}
SCENARIOS = [*BEGIN, *UNDO]
PLAYED = part.of(itertools.product(SCENARIOS, EDITS, EDITED), "foreign edits", at_least=12)


class Interleaving:
    """One scenario with one edit of theirs before one of our calls."""

    def __init__(
        self, kube: KubeObjects, clean: dict[str, Any], case: tuple[str, Callable[[KubeObjects, str], None], str]
    ) -> None:
        self.kube, self.clean = kube, clean
        self.scenario, self.edit, self.path = case
        self.settings: Settings = kube.settings(chaoslib_cp_run_dir="/runs/edited")
        self.clock = ManualClock()
        self.calls = 0
        self.gap = 0
        self.expected: Found | None = content(clean[self.path])
        self.was_edited = False

    def play(self, gap: int) -> bool:
        """Edit before call number ``gap``; False when there is no such call."""
        self.gap = gap
        if self.scenario in UNDO:
            meddle(self.settings, self.clock, (self.path,))
            if trouble := UNDO[self.scenario]:
                self._lose_a_patch(trouble)
        self.kube.before_request = self._look
        with suppress(ControlPlaneError):
            if self.scenario in BEGIN:
                meddle(self.settings, self.clock, (self.path,))
            elif self.scenario == "recover":
                recover(timeout_s=20.0, clock=self.clock)
            else:
                stop(self.settings, self.clock)
        self.kube.before_request = lambda _request: None
        self.kube.heal()
        self.kube.land_late()
        return self.calls > gap

    def _look(self, request: Request) -> None:
        trouble = BEGIN.get(self.scenario, "")
        if request.method == "POST" and request.path == RECORDS and trouble:
            self._lose_a_patch(trouble)
        if self.calls == self.gap:
            self.edit(self.kube, self.path)
            self.was_edited = True
            self.expected = self._what_stays()
        self.calls += 1

    def _lose_a_patch(self, how: str) -> None:
        self.kube.fail_next("PATCH", self.path, RESET, after_the_write=how == "landed", lands_late=how == "late")

    def _what_stays(self) -> Found | None:
        """What they left; but where ours is still in the object that we edited, what was before comes back."""
        left = content(self.kube.objects.get(self.path))
        if left is None or left["metadata"]["uid"] != f"theirs-{self.path}":
            return left
        for field, ours in EDITED[self.path].fields.items():
            *folders, key = field
            if is_same(value_at(left, field), ours):
                value_at(left, folders)[key] = value_at(self.clean[self.path], field)
        return left


def test_no_edit_of_theirs_is_ever_lost(kube: KubeObjects, tmp_path: Path) -> None:
    """Each of their edits of each object before each of our calls; afterwards recover has put back what was ours.

    Counted is only what could be lost: interleavings in which they had written something.
    """
    prepare(kube)
    clean = copy.deepcopy(kube.objects)
    WAS.update({path: clean[path] for path in EDITED})
    played = 0
    for number, (scenario, edit, path) in enumerate(PLAYED):
        for gap in itertools.count(number % STRIDE, STRIDE):
            kube.objects = copy.deepcopy(clean)
            kube.late.clear()
            shutil.rmtree(tmp_path / "state", ignore_errors=True)
            one = Interleaving(kube, clean, (scenario, edit, path))
            has_this_gap = one.play(gap)
            where = f"{scenario}, {edit.__name__} {path} before call {gap}"
            one.clock.pass_s(70)
            report = recover(timeout_s=20.0, clock=one.clock)
            assert content(kube.objects.get(path)) == one.expected, (where, report)
            if not report["healed"]:
                assert "edited by somebody else since" in str(report) or "made anew since" in str(report), where
            else:
                assert [one for one in kube.objects if one.startswith(RECORDS)] == [], where
            others = {key: found for key, found in kube.objects.items() if key != path and not key.startswith(RECORDS)}
            assert others == {key: found for key, found in clean.items() if key != path}, where
            played += one.was_edited
            if not has_this_gap:
                break
    assert played >= INTERLEAVINGS
    note("edits", interleavings=played, lost=0)
