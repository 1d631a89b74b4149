"""What holds for every exported activity, whichever is added next."""

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

import chaoslib_cp
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from tests.exported import ARGUMENTS, Exported, exported
from tests.fakes.api_server import HANG, Answer
from tests.fakes.kube_objects import KubeObjects

PACKAGE = Path(chaoslib_cp.__file__).parent
MOST_BYTES = 4096
# Undoing needs only the undo log, here without an entry: nothing is left over for want of a mark.
REFUSALS = {
    "stop_agent_rollout": "",
    "stop_dns_load": "",
    "stop_api_overload": "",
    "stop_api_overload_in_cluster": "",
    "stop_ramp": "",
    "stop_dns_poison": "",
    "stop_dns_rogue": "",
    "stop_node_cache_pin": "",
    "remove_agent": "start_agent_rollout comes first",
}
ANSWERS = {"gone": Answer(resets=True), "refusing": Answer(429, {"Retry-After": "1"}), "failing": Answer(500)}


def test_every_activity_has_arguments() -> None:
    """A later one is covered by whatever is tested for all of them, or this fails."""
    assert {one.name for one in exported()} == ARGUMENTS.keys()


def test_every_file_of_activities_is_listed() -> None:
    """An area that `chaos discover` did not know would be in no matrix."""
    places = ("*/{}.py", "*/{}/__init__.py")
    files = {file for name in ("actions", "probes") for place in places for file in PACKAGE.glob(place.format(name))}
    modules = {
        ".".join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for file in files
    }
    assert {one.module for one in exported()} == modules


@pytest.fixture
def unmarked(kube: KubeObjects) -> KubeObjects:
    """A cluster with an agent rolled out, whose mark is gone since."""
    next(one for one in exported() if one.name == "start_agent_rollout").play(settings(kube))
    del kube.objects[MARKER_PATH]
    kube.server.requests.clear()
    return kube


def settings(kube: KubeObjects) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/exported")


@pytest.mark.parametrize("one", exported("probe"), ids=str)
def test_probes_need_no_mark_and_change_nothing(unmarked: KubeObjects, one: Exported) -> None:
    """Whoever only looks need not own the cluster."""
    assert len(json.dumps(one.play(settings(unmarked)))) < MOST_BYTES
    assert unmarked.writes() == []


@pytest.mark.parametrize("sick", ANSWERS)
@pytest.mark.parametrize("one", exported("probe"), ids=str)
def test_a_sick_api_is_a_result_of_every_probe(unmarked: KubeObjects, one: Exported, sick: str) -> None:
    """A probe that raised would end the run without its rollbacks."""
    for method in ("GET", "POST"):
        unmarked.fail_next(method, "/", ANSWERS[sick], times=10_000)
    found = one.play(settings(unmarked))
    assert found["ok"] is (one.name == "api_is_saturated")
    assert unmarked.writes() == []


@pytest.mark.parametrize("one", exported("probe"), ids=str)
def test_an_api_that_hangs_holds_no_probe_up(unmarked: KubeObjects, one: Exported) -> None:
    """Each has a deadline of its own: 10 s for break-glass, and what it was given."""
    for method in ("GET", "POST"):
        unmarked.fail_next(method, "/", HANG, times=10_000)
    began_s = time.monotonic()
    one.play(settings(unmarked))
    assert time.monotonic() - began_s < 20


@pytest.mark.parametrize("one", exported("action"), ids=str)
def test_no_action_changes_a_cluster_without_a_mark(kube: KubeObjects, one: Exported) -> None:
    """Each passes the gate itself: a user may have forgotten the control."""
    del kube.objects[MARKER_PATH]
    untouched = dict(kube.objects)
    refused = REFUSALS.get(one.name, "not marked")
    with pytest.raises(ActivityFailed, match=refused) if refused else nullcontext():
        one.play(settings(kube))
    assert kube.writes() == []
    assert kube.objects == untouched
