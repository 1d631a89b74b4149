"""Somebody else edits in the gaps between two of our calls: what is theirs is never touched, what is ours goes."""

import copy
import dataclasses
import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.rollout.start import start
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import RESET, Request
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold import part
from tests.scaffold.clocks import ManualClock
from tests.scaffold.figures import note
from tests.scaffold.profiles import PLAN

pytestmark = pytest.mark.proof

UNANSWERED_PLAN = dataclasses.replace(PLAN, image="unanswered")
REFUSED_PLAN = dataclasses.replace(PLAN, image="refused")
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMES = [
    "/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1",
    "/api/v1/namespaces/kube-system/configmaps/chaoslib-cp-agent-rollout-1",
    "/api/v1/namespaces/kube-system/serviceaccounts/telemetry-agent",
    f"{RBAC}/clusterroles/chaoslib-cp-agent-rollout-1",
    f"{RBAC}/clusterrolebindings/chaoslib-cp-agent-rollout-1",
]
STRIDE = part.amount("foreign editor: calls from one edit to the next")
INTERLEAVINGS = part.amount("foreign editor: interleavings, at least")

Step = Callable[[dict[str, Any], ManualClock], object]


def roll_out(settings: dict[str, Any], clock: ManualClock) -> object:
    """Make five objects."""
    return start(PLAN, read_settings(settings), clock)


def stop(settings: dict[str, Any], clock: ManualClock) -> object:
    """Take them back."""
    return take_back(read_settings(settings), 20.0, clock)


def remove(settings: dict[str, Any], clock: ManualClock) -> object:
    """Delete one as the administrator."""
    return remove_as_admin(read_settings(settings), 20.0, 5.0, clock)


def heal(_settings: dict[str, Any], clock: ManualClock) -> object:
    """Recover."""
    return recover(timeout_s=20.0, clock=clock)


def replace(kube: KubeObjects, path: str) -> None:
    """Their object under our name, whether ours is there or not."""
    kube.objects[path] = {"metadata": {"name": path.rpartition("/")[2], "uid": f"theirs-{path}"}, "data": {"a": "b"}}


def delete(kube: KubeObjects, path: str) -> None:
    """Whatever is there."""
    kube.objects.pop(path, None)


def copy_with_labels(kube: KubeObjects, path: str) -> None:
    """Theirs, made from a dump of ours: all labels, another UID."""
    if path in kube.objects:
        kube.objects[path] = copy.deepcopy(kube.objects[path])
        kube.objects[path]["metadata"]["uid"] = f"theirs-{path}"


def edit_ours(kube: KubeObjects, path: str) -> None:
    """A person changes our object by hand: it stays ours."""
    if path in kube.objects:
        kube.objects[path]["metadata"].update(annotations={"edited": "by hand"}, resourceVersion="2")


def remake_with_labels(kube: KubeObjects, path: str) -> None:
    """Theirs, made from a dump of ours: all labels, other content, another UID."""
    if path in kube.objects:
        copy_with_labels(kube, path)
        kube.objects[path]["metadata"].update(annotations={"theirs": "yes"}, resourceVersion="3")


def plant_beside(kube: KubeObjects, path: str) -> None:
    """Theirs, under a name of its own, of the same owner by its label."""
    labels = {"app.kubernetes.io/managed-by": "chaoslib-cp"}
    kube.objects[f"{path}-2"] = {
        "metadata": {"name": f"{path.rpartition('/')[2]}-2", "uid": f"theirs-{path}", "labels": labels}
    }


def copy_beside(kube: KubeObjects, path: str) -> None:
    """Theirs, made from a dump of ours under a name of its own: all labels, the run's too."""
    if path in kube.objects:
        copied = copy.deepcopy(kube.objects[path])
        copied["metadata"].update(name=f"{copied['metadata']['name']}-2", uid=f"theirs-{path}")
        kube.objects[f"{path}-2"] = copied


def roll_out_unanswered(settings: dict[str, Any], clock: ManualClock) -> object:
    """The last create lands and nobody hears of it, so its UID is not known; the taking back begins at once."""
    return start(UNANSWERED_PLAN, read_settings(settings), clock)


def fail_to_roll_out(settings: dict[str, Any], clock: ManualClock) -> object:
    """The last object cannot be made, so the others are taken back at once."""
    return start(REFUSED_PLAN, read_settings(settings), clock)


SCENARIOS: dict[str, tuple[list[Step], Step]] = {
    "roll out": ([], roll_out),
    "fail to roll out": ([], fail_to_roll_out),
    "stop": ([roll_out], stop),
    "remove": ([roll_out], remove),
    "recover": ([roll_out], heal),
    "roll out unanswered": ([], roll_out_unanswered),
}
EDITS = (replace, delete, copy_with_labels, remake_with_labels, edit_ours, plant_beside, copy_beside)
# Without a UID, an exact copy of ours is ours for all that anybody can see.
UNDECIDABLE = {("roll out unanswered", copy_with_labels)}
PLAYED = part.of(
    [one for one in itertools.product(SCENARIOS, EDITS, NAMES) if one[:2] not in UNDECIDABLE],
    "foreign editor",
    at_least=part.amount("foreign editor: edits of one object in one scenario"),
)


@pytest.fixture
def kube(kube: KubeObjects) -> KubeObjects:
    """A marked cluster."""
    kube.refused_images.add("refused")
    return kube


def theirs(kube: KubeObjects) -> dict[str, Any]:
    """What somebody else made."""
    found = {path: one for path, one in kube.objects.items() if str(one["metadata"].get("uid")).startswith("theirs")}
    return copy.deepcopy(found)


class Interleaving:
    """One scenario with one edit of one object before one of its calls."""

    def __init__(self, kube: KubeObjects, scenario: str, edit: Callable[[KubeObjects, str], None], path: str) -> None:
        self.kube, self.edit, self.path = kube, edit, path
        self.before, self.fault = SCENARIOS[scenario]
        self.settings = kube.configuration(chaoslib_cp_run_dir="/runs/edited")
        self.clock = ManualClock()
        self.calls = 0
        self.edited_before_call = 0
        self.theirs: dict[str, Any] = {}

    def play(self, gap: int) -> bool:
        """Edit before call number ``gap`` of the fault; False when it has no such call."""
        for step in self.before:
            step(self.settings, self.clock)
        self.edited_before_call = gap
        self.kube.before_request = self._look
        if self.fault is roll_out_unanswered:
            self.kube.fail_next("POST", NAMES[0].rpartition("/")[0], RESET, after_the_write=True)
        with suppress(ControlPlaneError):
            self.fault(self.settings, self.clock)
        self.kube.before_request = lambda _request: None
        self.kube.heal()
        return self.calls > gap

    def _look(self, _request: Request) -> None:
        if self.calls == self.edited_before_call:
            self.edit(self.kube, self.path)
            self.theirs = theirs(self.kube)
        self.calls += 1


def test_an_edit_in_any_gap_is_never_lost(kube: KubeObjects, tmp_path: Path) -> None:
    """Each edit of each object before each of our calls; afterwards recover heals what is left of ours.

    Counted is only what could be lost: interleavings in which something of theirs was there.
    """
    clean = copy.deepcopy(kube.objects)
    played = 0
    for number, (scenario, edit, path) in enumerate(PLAYED):
        for gap in itertools.count(number % STRIDE, STRIDE):
            kube.objects = copy.deepcopy(clean)
            shutil.rmtree(tmp_path / "state", ignore_errors=True)
            one = Interleaving(kube, scenario, edit, path)
            has_this_gap = one.play(gap)
            where = f"{scenario}, {edit.__name__} {path} before call {gap}"
            assert theirs(kube) == one.theirs, where
            one.clock.pass_s(70)
            report = recover(timeout_s=20.0, clock=one.clock)
            assert theirs(kube) == one.theirs, where
            if scenario == "roll out unanswered" and not report["healed"]:
                assert_left_alone(kube, report, path, where)
            else:
                assert report["healed"], (where, report)
                assert kube.objects.keys() == clean.keys() | one.theirs.keys(), where
            played += bool(one.theirs)
            if not has_this_gap:
                break
    assert played >= INTERLEAVINGS
    note("editor", interleavings=played, lost=0)


def assert_left_alone(kube: KubeObjects, report: dict[str, Any], path: str, where: str) -> None:
    """Nobody can tell whose it is: it is there still, and that is said, with the line that shows it."""
    [item] = [item for item in report["logs"][0]["items"] if not item["closed"]]
    assert "left alone; look at it (`kubectl --namespace kube-system get daemonset" in item["outcome"], where
    assert path in kube.objects, where
    assert path == NAMES[0], where
