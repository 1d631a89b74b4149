"""docs/examples/scale_down.py, the extension that docs/howto-extend.md shows: everything knows it as it knows ours."""

import copy
import importlib
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp import extensions, faults
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.roles import fault_roles
from chaoslib_cp.cluster.undo.by_hand import kubectl_lines
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.control.refusal import experiment_refusals
from chaoslib_cp.fault import Ended, Injected, read
from chaoslib_cp.report.html import render_html
from chaoslib_cp.report.text import render_text
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from chaoslib_cp.settings import read_settings
from tests.fakes.dying import MODES
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.fakes.registry import SAFE
from tests.fakes.setting_driver import SettingDriver
from tests.places import ROOT
from tests.proof.test_crash_points import kill_at_its_effects, of_extensions
from tests.scaffold import part
from tests.unit.made_timeline import ended, injected, recorded, series

pytestmark = pytest.mark.proof

OWN_SCENARIOS = ("start scale_down", "stop scale_down", "scale_up_again against scale_down")

FOLDER = ROOT / "docs" / "examples"
SOURCE = (FOLDER / "scale_down.py").read_text(encoding="utf-8")
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension, as the page tells: on Python's path, and named in the environment."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    monkeypatch.setenv(extensions.VARIABLE, "scale_down")


@pytest.fixture
def kube(kube: KubeObjects, tmp_path: Path) -> KubeObjects:
    """A marked cluster with somebody's Deployment of three replicas, and a driver that the matrix looks at, too."""
    SettingDriver(tmp_path, CLUSTER_UID)
    kube.objects[WEB] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "web-1", "resourceVersion": "7"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "web"}]}}},
    }
    return kube


def configuration(kube: KubeObjects) -> dict[str, Any]:
    """Of a run."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/crash")


def play(kube: KubeObjects, function: str, **arguments: Any) -> dict[str, Any]:
    """One of its actions, as Chaos Toolkit calls it."""
    module = importlib.import_module("scale_down")
    return dict(getattr(module, function)(**arguments, configuration=configuration(kube), secrets=None))


def start(kube: KubeObjects) -> Injected:
    """Its fault, made."""
    made = read(play(kube, "start_scale_down", deployment="web", namespace="shop"))
    assert isinstance(made, Injected)
    return made


def test_it_is_one_file_of_under_120_lines() -> None:
    """A fault with an edit, a vantage point and a mitigation."""
    assert len(SOURCE.splitlines()) < 120
    assert faults.problems() == []


@pytest.mark.parametrize(("scenario", "mode"), part.of(itertools.product(OWN_SCENARIOS, MODES), "extension"))
def test_a_kill_at_any_of_its_effects_leaves_nothing(
    kube: KubeObjects, tmp_path: Path, scenario: str, mode: str
) -> None:
    """The same matrix as of our own faults, from its own examples."""
    assert scenario in of_extensions()
    kill_at_its_effects(kube, tmp_path, scenario, mode)


@pytest.mark.parametrize(
    ("function", "by"), [("stop_scale_down", "rollback"), ("scale_up_again", "its owner scaled up")]
)
def test_stop_and_mitigation_end_it_byte_by_byte(kube: KubeObjects, function: str, by: str) -> None:
    """The Deployment is as it was, and what ended the fault says so."""
    before = copy.deepcopy(kube.objects[WEB]["spec"])
    made = start(kube)
    assert kube.objects[WEB]["spec"]["replicas"] == 0
    done = read(play(kube, function))
    assert isinstance(done, Ended)
    assert (done.faults, done.by) == ((made.fault,), by)
    assert kube.objects[WEB]["spec"] == before
    assert open_logs() == []


def test_what_is_left_is_named_and_can_be_undone_by_hand(kube: KubeObjects) -> None:
    """Leftovers, and the compare and swap as a kubectl line."""
    start(kube)
    settings = read_settings(configuration(kube))
    assert any("Deployment shop/web" in left for left in leftovers(settings))
    log = undo_log_of_run(settings, SystemClock())
    assert log is not None
    assert any("patch deployment web --type json" in line for line in kubectl_lines(log))


def test_a_lost_undo_log_is_written_again_from_the_cluster(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second record holds what was there before."""
    start(kube)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    later = type("Later", (SystemClock,), {"epoch_s": lambda self: SystemClock.epoch_s(self) + 8000})()
    report = recover(timeout_s=5, clock=later)
    assert report["healed"], report
    assert kube.objects[WEB]["spec"]["replicas"] == 3


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_without_a_right_nothing_is_changed(kube: KubeObjects, verb: str) -> None:
    """What could not be taken back is not made."""
    kube.denied.add((verb, "deployments"))
    with pytest.raises(ActivityFailed, match=rf"may not {verb} Deployment web"):
        start(kube)
    assert kube.objects[WEB]["spec"]["replicas"] == 3


def test_the_owner_is_asked_for_the_rights_it_needs() -> None:
    """By `chaos cp manifests`, in a role of its own."""
    role, binding = fault_roles(one for one in faults.fault_kinds() if one.name == "scale_down")
    assert (role["kind"], role["metadata"]["namespace"], role["metadata"]["name"]) == (
        "Role",
        "shop",
        "chaoslib-cp-runner-scale-down",
    )
    assert role["rules"] == [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_a_start_without_its_stop_is_refused() -> None:
    """As one of ours."""
    provider = {
        "type": "python",
        "module": "scale_down",
        "func": "start_scale_down",
        "arguments": {"deployment": "web", "namespace": "shop"},
    }
    experiment = {"method": [{"type": "action", "name": "scale down", "provider": provider}]}
    refused = list(experiment_refusals(experiment, SAFE, {}, read_settings()))
    assert refused == ["'scale down' is never stopped: add stop_scale_down of scale_down to rollbacks"]


def test_verdict_story_and_report_tell_of_it(kube: KubeObjects) -> None:
    """Broke at the time the vantage point says, with its words and those of fault and mitigation."""
    made = start(kube)
    lines = [injected(made), ended("its owner scaled up", 30.0, made.fault)]
    lines += series("shop_page", 60, {(5, 32): "http_5xx"})
    probe = {"type": "probe", "name": "the shop sells", "provider": {"type": "python", "module": "x", "func": "y"}}
    parts = read_hypothesis({"steady-state-hypothesis": {"probes": [probe]}}, {}, {})
    summary = summarise(recorded(*lines), parts, Conduct(), {"run": {"title": "the shop"}})
    assert [fault["delivered"]["done"] for fault in summary["faults"]] == [1]
    assert [one["came"] for one in summary["expectations"]] == [True]
    for drawn in (render_text(summary, Path("runs/r")), render_html(summary, recorded(*lines))):
        for words in ("scale-down: 1 of 1 Deployments", "page FAILS", "page works again", "its owner scaled up"):
            assert words in drawn, words


PARTS = re.findall(r"^    (\w+)=", SOURCE[SOURCE.index("SHOP_PAGE =") : SOURCE.index("VANTAGE_POINTS,")], re.MULTILINE)
MAY_LACK = {"example", "rights", "stop"}


@pytest.mark.parametrize("number", range(len(PARTS)), ids=PARTS)
def test_a_part_that_is_taken_away_is_named(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing forgets it silently: a run is refused, and the reason names what is missing."""
    head, tables = SOURCE[: SOURCE.index("SHOP_PAGE =")], SOURCE[SOURCE.index("SHOP_PAGE =") :]
    places = [match.start() for match in re.finditer(r"^    \w+=.*\n", tables, re.MULTILINE)]
    end = tables.index("\n", places[number]) + 1
    module = f"lacking_{number}"
    (tmp_path / f"{module}.py").write_text(head + tables[: places[number]] + tables[end:])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(extensions.VARIABLE, module)
    said = " ".join(faults.problems())
    assert PARTS[number] in said or PARTS[number] in MAY_LACK, said
