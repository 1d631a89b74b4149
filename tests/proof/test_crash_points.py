"""SIGKILL at every effect of every fault: `recover` leaves nothing, and touches nothing of anybody else's.

The faults are those that the package exports; one without a scenario here fails the first test.
"""

import copy
import importlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp import extensions
from chaoslib_cp.apiserver.actions import (
    ramp_until_saturated,
    start_api_overload,
    start_api_overload_in_cluster,
    stop_api_overload,
    stop_api_overload_in_cluster,
    stop_ramp,
)
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.dns.actions import (
    flush_dns_caches,
    replace_endpoints,
    restart_dns_pods,
    start_dns_load,
    start_dns_poison,
    start_dns_rogue,
    start_node_cache_pin,
    stop_dns_load,
    stop_dns_poison,
    stop_dns_rogue,
    stop_node_cache_pin,
)
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS
from chaoslib_cp.rollout.actions import remove_agent, start_agent_rollout, stop_agent_rollout
from chaoslib_cp.settings import read_settings
from tests.fakes.armed_dns import armed_dns
from tests.fakes.dying import AFTER, MODES, Death
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.fakes.setting_driver import SettingDriver
from tests.scaffold import decoys, meddling, node_caches, part
from tests.scaffold.clocks import UnwaitingClock
from tests.scaffold.figures import note
from tests.scaffold.profiles import OVERLOAD, PROFILE, WRITES

pytestmark = pytest.mark.proof

Settings = dict[str, Any]
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["chaosk8s", "kubernetes.client", __name__])
_PROCESS_S = 60


def nothing(_settings: Settings) -> None:
    """The fault starts from a cluster as it is."""


def roll_out(settings: Settings) -> None:
    """Roll the agent out."""
    start_agent_rollout(PROFILE, duration_s=600.0, configuration=settings)


def delete_dns_pods(settings: Settings) -> None:
    """Restart DNS through the API."""
    restart_dns_pods("delete-pods", wait_for_fresh_cache=False, timeout_s=1.0, configuration=settings)


def past_the_api(coupling: str) -> Callable[[Settings], Any]:
    """Restart or reload DNS past the API."""
    return lambda settings: restart_dns_pods(
        coupling, wait_for_fresh_cache=False, timeout_s=5.0, configuration=settings
    )


def none_at_all(settings: Settings) -> None:
    """The coupling that changes nothing."""
    restart_dns_pods("none", configuration=settings)


def poison_dns(settings: Settings) -> None:
    """Arm the DNS servers, and wait until they lie."""
    start_dns_poison("api.shop.svc.cluster.local", duration_s=10.0, arm_within_s=1.0, configuration=settings)


def start_a_rogue(settings: Settings) -> None:
    """Make a rogue DNS server, and have the DNS servers ask it."""
    start_dns_rogue("api.shop.svc.cluster.local", duration_s=10.0, arm_within_s=1.0, configuration=settings)


def flush_dns(settings: Settings) -> None:
    """Let every DNS server reload, and give the Corefile back."""
    flush_dns_caches(arm_within_s=2.0, configuration=settings)


def pin_node_caches(settings: Settings) -> None:
    """Pin the node caches, and wait for nobody to see it."""
    start_node_cache_pin(20, timeout_s=0.0, configuration=settings)


def stop_pinning(settings: Settings) -> None:
    """Give them their Corefile back."""
    stop_node_cache_pin(timeout_s=1.0, configuration=settings)


def load_dns(settings: Settings) -> None:
    """Look names up."""
    start_dns_load(rate_per_s=10.0, duration_s=600.0, configuration=settings)


def overload_api(settings: Settings) -> None:
    """Start a load that writes, and outlasts the test."""
    start_api_overload(WRITES, nodes=1, duration_s=600.0, configuration=settings)


def stop_overloading(settings: Settings) -> None:
    """End it."""
    stop_api_overload(timeout_s=5.0, configuration=settings)


def overload_from_pods(settings: Settings) -> None:
    """Start a load from pods that outlasts the test."""
    start_api_overload_in_cluster(OVERLOAD, 2, 2, duration_s=600.0, begin_in_s=0.0, configuration=settings)


def stop_overloading_from_pods(settings: Settings) -> None:
    """Take it back."""
    stop_api_overload_in_cluster(timeout_s=5.0, configuration=settings)


def climb(settings: Settings) -> None:
    """Start a ramp that outlasts the test."""
    ramp_until_saturated(OVERLOAD, max_nodes=5, dwell_s=300.0, stop_at_restart=False, configuration=settings)


def stop_climbing(settings: Settings) -> None:
    """End it."""
    stop_ramp(timeout_s=5.0, configuration=settings)


def meddle_with_all(settings: Settings) -> None:
    """Edit what is not ours, and set what the driver sets."""
    meddling.meddle(read_settings(settings), SystemClock())


def stop_meddling(settings: Settings) -> None:
    """Put it back."""
    meddling.stop(read_settings(settings), SystemClock())


# name of the exported action -> what is done before, and what is killed at each of its effects
Scenario = tuple[str, Callable[[Settings], Any], Callable[[Settings], Any]]
SCENARIOS: dict[str, Scenario] = {
    "roll out": ("start_agent_rollout", nothing, roll_out),
    "remove as administrator": (
        "remove_agent", roll_out, lambda settings: remove_agent(timeout_s=5.0, configuration=settings)),
    "stop": ("stop_agent_rollout", roll_out, lambda settings: stop_agent_rollout(configuration=settings)),
    "delete DNS pods": ("restart_dns_pods", nothing, delete_dns_pods),
    **{f"DNS, {act}": ("restart_dns_pods", nothing, past_the_api(act)) for act in CONTAINER_ACTS},
    "restart no DNS": ("restart_dns_pods", nothing, none_at_all),
    "poison DNS": ("start_dns_poison", nothing, poison_dns),
    "stop poisoning DNS": (
        "stop_dns_poison", poison_dns, lambda settings: stop_dns_poison(timeout_s=5.0, configuration=settings)),
    "start a rogue DNS server": ("start_dns_rogue", nothing, start_a_rogue),
    "stop a rogue DNS server": (
        "stop_dns_rogue", start_a_rogue, lambda settings: stop_dns_rogue(timeout_s=5.0, configuration=settings)),
    "flush DNS": ("flush_dns_caches", nothing, flush_dns),
    "pin node caches": ("start_node_cache_pin", nothing, pin_node_caches),
    "replace endpoints": (
        "replace_endpoints", nothing, lambda settings: replace_endpoints(timeout_s=1.0, configuration=settings)),
    "stop pinning": ("stop_node_cache_pin", pin_node_caches, stop_pinning),
    "load DNS": ("start_dns_load", nothing, load_dns),
    "stop loading DNS": ("stop_dns_load", load_dns, lambda settings: stop_dns_load(configuration=settings)),
    "overload the API": ("start_api_overload", nothing, overload_api),
    "stop overloading": ("stop_api_overload", overload_api, stop_overloading),
    "overload from pods": ("start_api_overload_in_cluster", nothing, overload_from_pods),
    "stop overloading from pods": ("stop_api_overload_in_cluster", overload_from_pods, stop_overloading_from_pods),
    "climb": ("ramp_until_saturated", nothing, climb),
    "stop climbing": ("stop_ramp", climb, stop_climbing),
    # what only tests export: edits of what is not ours, and a setting of a driver
    "meddle": ("", nothing, meddle_with_all),
    "stop meddling": ("", meddle_with_all, stop_meddling),
}  # fmt: skip


def of_extensions() -> dict[str, Scenario]:
    """Scenarios of the faults and mitigations that extensions declare, played with their own examples."""
    made: dict[str, Scenario] = {}
    starts = {kind.name: _playing(kind.start, kind.example) for kind in extensions.rows("FAULTS")}
    for kind in extensions.rows("FAULTS"):
        made[f"start {kind.name}"] = (kind.start, nothing, starts[kind.name])
        if kind.stop:
            made[f"stop {kind.name}"] = (kind.stop, starts[kind.name], _playing(kind.stop, {}))
    for one in extensions.rows("MITIGATIONS"):
        for against in one.against:
            made[f"{one.name} against {against}"] = (one.action, starts[against], _playing(one.action, one.example))
    return made


def _playing(action: str, arguments: Mapping[str, Any]) -> Callable[[Settings], Any]:
    module, _, function = action.partition(":")
    return lambda settings: getattr(importlib.import_module(module), function)(**arguments, configuration=settings)


def test_every_exported_action_has_a_scenario() -> None:
    """A fault that is added later is covered, or this fails."""
    actions = {one["name"] for one in chaoslib_cp.discover()["activities"] if one["type"] == "action"}
    assert actions == {action for action, _, _ in SCENARIOS.values() if action}


@pytest.fixture
def kube(kube: KubeObjects, tmp_path: Path) -> Iterator[KubeObjects]:
    """A marked cluster with DNS pods, somebody's own object, and controllers that take their time."""
    kube.pods_outlive_by = 7
    kube.objects["/version"] = {"gitVersion": "v1.36.4", "metadata": {}}
    SettingDriver(tmp_path, CLUSTER_UID)
    meddling.prepare(kube)
    node_caches.put(kube)
    decoys.put(kube, "10.0.2.1")
    kube.add_nodes(2)
    kube.objects["/api/v1/namespaces/kube-system/configmaps/others"] = {
        "metadata": {"name": "others", "uid": "others", "labels": {"app.kubernetes.io/managed-by": "chaoslib-cp"}}
    }
    with armed_dns(kube):
        yield kube


def in_a_process(target: Callable[..., None], *arguments: Any) -> int:
    """Run something in a process of its own and return its exit code."""
    process = _FORK.Process(target=target, args=(dict(os.environ), *arguments))
    process.start()
    process.join(_PROCESS_S)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def play(environment: dict[str, str], scenario: str, settings: Settings, nth: int, mode: str, effects: str) -> None:
    """Play a scenario and die at its nth effect; if it lives, write down what its effects were."""
    os.environ.clear()  # the server of forks may have been started by another test, in its environment
    os.environ.update(environment)
    _, before, fault = (SCENARIOS | of_extensions())[scenario]
    before(settings)
    death = Death(nth, mode)
    death.arm()
    fault(settings)
    death.disarm()
    Path(effects).write_text(json.dumps(death.effects))


def recover_and_die(environment: dict[str, str], nth: int, mode: str) -> None:
    """Recover and die at the nth effect of that."""
    os.environ.clear()  # the server of forks may have been started by another test, in its environment
    os.environ.update(environment)
    Death(nth, mode).arm()
    recover(timeout_s=5, clock=UnwaitingClock())


def settings_of(kube: KubeObjects, folder: Path) -> Settings:
    """Configuration of the run."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/crash", infrastructure=f"command:{folder / 'driver'}")


def others(kube: KubeObjects) -> dict[str, Any]:
    """Everything that is not ours; DNS pods are left out, their Deployment makes them anew."""
    return {
        path: meddling.content(found)
        for path, found in kube.objects.items()
        if "chaoslib-cp/run" not in (found["metadata"].get("labels") or {}) and "/pods/" not in path
    }


def assert_healed(kube: KubeObjects, before: dict[str, Any], where: str) -> None:
    """Recover twice: the first time leaves nothing of ours, the second has nothing to do."""
    folder = kube.folder.parent
    meddling.wait_for_programs(folder / "driver")
    report = recover(timeout_s=5, clock=UnwaitingClock())
    assert report["healed"], (where, report)
    assert json.loads((folder / "setting").read_text()) == 0.4, where
    if not report["logs"]:  # all was taken back before the kill: what is left is the controllers' business
        for _ in range(8):
            kube.control_daemonsets()
    pods = ("coredns", "workload-prober", "node-local-dns", "decoy")
    assert [path for path in kube.objects if path not in before and not any(one in path for one in pods)] == [], where
    assert others(kube) == before, where
    assert open_logs() == [], where
    assert recover(timeout_s=5, clock=UnwaitingClock()) == {"healed": True, "logs": []}, where


def test_there_are_more_than_a_hundred_points_to_crash_at(kube: KubeObjects, tmp_path: Path) -> None:
    """Effects of all faults together: were there few, surviving them all would say little."""
    counts = {}
    untouched = copy.deepcopy(kube.objects)
    for scenario in SCENARIOS:
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        kube.objects = copy.deepcopy(untouched)
        effects = tmp_path / "effects.json"
        in_a_process(play, scenario, settings_of(kube, tmp_path), 0, AFTER, str(effects))
        counts[scenario] = len(json.loads(effects.read_text()))
        if sum(counts.values()) > 100 and not part.is_whole():
            break
    assert sum(counts.values()) > 100, counts
    note("crash", points=0, residue=0, all=sum(counts.values()))


@pytest.mark.parametrize(("scenario", "mode"), part.of(itertools.product(SCENARIOS, MODES), "crash points"))
def test_a_kill_at_any_effect_leaves_nothing(kube: KubeObjects, tmp_path: Path, scenario: str, mode: str) -> None:
    """Of every fault, every stop and every mitigation of ours."""
    kill_at_its_effects(kube, tmp_path, scenario, mode)


def kill_at_its_effects(kube: KubeObjects, tmp_path: Path, scenario: str, mode: str) -> None:
    """Each effect in turn until the fault passes untouched; then recover once, twice, and killed in the middle."""
    state, untouched = tmp_path / "state", copy.deepcopy(kube.objects)
    before = others(kube)
    settings = settings_of(kube, tmp_path)
    effects_file = tmp_path / "effects.json"
    effects: list[str] = []
    stride = part.amount("crash points: effects from one kill to the next")
    nth = (part.draws(scenario).randrange(stride) + MODES.index(mode)) % stride + 1 - stride
    kills = 0
    while not effects_file.exists():
        nth += stride
        shutil.rmtree(state, ignore_errors=True)
        kube.objects = copy.deepcopy(untouched)
        exit_code = in_a_process(play, scenario, settings, nth, mode, str(effects_file))
        assert exit_code in (0, -signal.SIGKILL), f"{scenario} ended with {exit_code} at effect {nth}"
        if exit_code == 0:
            effects = json.loads(effects_file.read_text())
        meddling.wait_for_programs(tmp_path / "driver")  # one that the killed process had started goes on
        setting = (tmp_path / "setting").read_text()
        after_the_crash, there = copy.deepcopy(kube.objects), tmp_path / f"state-{nth}"
        if state.exists():
            shutil.copytree(state, there)
        assert_healed(kube, before, f"{scenario}, {mode} effect {nth}")
        kube.objects = after_the_crash
        (tmp_path / "setting").write_text(setting)
        shutil.rmtree(state, ignore_errors=True)
        if there.exists():
            shutil.move(there, state)
        kills += exit_code != 0
        in_a_process(recover_and_die, 1 + nth % 12, mode)
        assert_healed(kube, before, f"{scenario}, {mode} effect {nth}, then recover killed at {1 + nth % 12}")
    assert nth > len(effects)
    assert kills == len(range(1 + (nth - 1) % stride, len(effects) + 1, stride))
    note("crash", points=2 * kills, residue=0)
