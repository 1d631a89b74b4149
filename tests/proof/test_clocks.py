"""Clocks that are set, run wrong or stand still: nothing outlives its deadline by more than a second.

What injects is found where the package lists it; one without a scenario here fails the first test.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp.agent.__main__ import _PROGRAMS
from chaoslib_cp.apiserver.fault import API_OVERLOAD
from chaoslib_cp.apiserver.in_cluster import start as in_cluster
from chaoslib_cp.apiserver.in_cluster.start import InClusterAsk
from chaoslib_cp.apiserver.overload import stop as overload
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.cluster_dns import USUAL
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.kinds.process import OurProcess
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.control.watching import wait_for_sight
from chaoslib_cp.dns import endpoints, poison, rogue
from chaoslib_cp.dns.actions import start_dns_poison
from chaoslib_cp.dns.armed import wait_for_revision
from chaoslib_cp.dns.corefile_source import DnsServer
from chaoslib_cp.dns.endpoints import EndpointsPlan
from chaoslib_cp.dns.pin_seen import wait_until_pinned
from chaoslib_cp.dns.pods import DnsPods, delete_dns_pods
from chaoslib_cp.dns.rogue_plan import RoguePlan
from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.lookup_profile import LookupProfile
from chaoslib_cp.engine.load.lookups import LookupRunner
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.search_list import SearchList
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.rogue import RogueLie
from chaoslib_cp.errors import TargetUnreachable, UndoFailed
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.rollout.removal import remove_as_admin
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.api_server import Answer, json_answer
from tests.fakes.armed_dns import SERVERS, armed_dns
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.fakes.memory_dns import MemoryDns
from tests.fakes.memory_peer import HANG, MemoryPeer
from tests.fakes.telemetry_cluster import listing, pod, telemetry_cluster
from tests.scaffold import decoys, part
from tests.scaffold.disturbed_clock import DISTURBANCES, DisturbedClock
from tests.scaffold.entries import to_delete
from tests.scaffold.figures import note
from tests.scaffold.profiles import OVERLOAD, PROFILE
from tests.scaffold.virtual_time import VirtualLoop, run_virtual
from tests.scaffold.waiting import until_async

pytestmark = pytest.mark.proof

AFTER_S = 10.0
WITHIN_S = 60.0
GRACE_S = 1.0
Play = Callable[[Path, DisturbedClock], float]


@pytest.fixture(params=DISTURBANCES)
def disturbance(request: pytest.FixtureRequest) -> str:
    """What happens to the clock in the middle."""
    return str(request.param)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def rolled_out(kube: KubeObjects) -> dict[str, Any]:
    """A rollout that nobody can take back."""
    kube.mark()
    settings = kube.configuration(chaoslib_cp_run_dir="/runs/clocks")
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=settings)
    kube.fail_next("DELETE", "/", Answer(503), times=10_000)
    return settings


def remove(folder: Path, clock: DisturbedClock) -> float:
    """The administrator's attempts."""
    with KubeObjects(folder / "kube") as kube:
        settings = rolled_out(kube)
        remove_as_admin(read_settings(settings), WITHIN_S, 5.0, clock)
    return WITHIN_S


def roll_back(folder: Path, clock: DisturbedClock) -> float:
    """The rollback's rounds."""
    with KubeObjects(folder / "kube") as kube:
        settings = rolled_out(kube)
        with pytest.raises(UndoFailed):
            take_back(read_settings(settings), WITHIN_S, clock)
    return WITHIN_S


def heal(folder: Path, clock: DisturbedClock) -> float:
    """The rounds of ``chaos cp recover``."""
    with KubeObjects(folder / "kube") as kube:
        rolled_out(kube)
        assert not recover(timeout_s=WITHIN_S, clock=clock)["healed"]
    return WITHIN_S


def delete_dns(folder: Path, clock: DisturbedClock) -> float:
    """The restart of DNS through an API that takes no delete."""
    with KubeObjects(folder / "kube") as kube:
        settings = kube.configuration(chaoslib_cp_run_dir="/runs/clocks")
        kube.add_dns_pod("coredns-a")
        kube.fail_next("DELETE", "/", Answer(429), times=10_000)
        with open_cluster(read_settings(settings)) as cluster:
            log = undo_log_for_change(read_settings(settings), cluster, CLUSTER_UID, clock)
            assert delete_dns_pods(cluster, log, "dns_restart-1", DnsPods(USUAL, {}), WITHIN_S, clock)["accepted"] == 0
    return WITHIN_S


def replace_pods(folder: Path, clock: DisturbedClock) -> float:
    """The wait for pods that nobody makes."""
    with KubeObjects(folder / "kube") as kube:
        kube.mark()
        decoys.put(kube, "10.0.2.1")
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        assert endpoints.replace_endpoints(EndpointsPlan("decoy-pods", "chaoslib-cp", WITHIN_S), settings, clock)
    return WITHIN_S


def see(folder: Path, clock: DisturbedClock) -> float:
    """The control's wait for samples that never come."""
    arguments = {"path": "cached", "window_s": 3.0}
    provider = {"type": "python", "module": "chaoslib_cp.dns.probes", "func": "workload_dns", "arguments": arguments}
    probe = {"type": "probe", "name": "dns", "tolerance": True, "provider": provider}
    assert wait_for_sight(folder, {"steady-state-hypothesis": {"probes": [probe]}}, {}, Settings(), clock)
    return 15.0


def arm_dns(folder: Path, clock: DisturbedClock) -> float:
    """The wait for DNS servers that never run their new Corefile."""
    with KubeObjects(folder / "kube") as kube, armed_dns(kube):
        kube.mark()
        servers = tuple(DnsServer(name, address) for name, address in SERVERS.items())
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        assert None in wait_for_revision(settings, servers, "never", WITHIN_S, clock).values()
    return WITHIN_S


def disarm_dns(folder: Path, clock: DisturbedClock) -> float:
    """The wait for an API that is well enough for a reload of DNS."""
    with KubeObjects(folder / "kube") as kube, armed_dns(kube):
        kube.mark()
        settings = kube.configuration(chaoslib_cp_run_dir="/runs/clocks")
        start_dns_poison("api.shop.svc.cluster.local", duration_s=10.0, arm_within_s=1.0, configuration=settings)
        kube.server.on("GET", "/readyz", Answer(500))
        with pytest.raises(TargetUnreachable):
            poison.stop(read_settings(settings), WITHIN_S, None, clock)
    return WITHIN_S


def make_a_rogue(folder: Path, clock: DisturbedClock) -> float:
    """The wait for a rogue DNS server whose pod never runs."""
    with KubeObjects(folder / "kube") as kube, armed_dns(kube):
        kube.mark()
        kube.pod_status = {}
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        lies = (RogueLie(Lie("nxdomain", "api.shop.svc.cluster.local.", 10)),)
        with pytest.raises(TargetUnreachable, match="does not run within"):
            rogue.start(RoguePlan(lies, 10.0, WITHIN_S, "", 0, True, None), settings, clock)
    return WITHIN_S


def pin_caches(folder: Path, clock: DisturbedClock) -> float:
    """The wait for a node cache that never runs its new Corefile, or its own again."""
    with KubeObjects(folder / "kube") as kube, armed_dns(kube) as dns:
        kube.mark()
        dns.node_cache = "169.254.20.10"
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        assert wait_until_pinned(settings, "never", WITHIN_S, clock).running == ()
    return WITHIN_S


def end_load(folder: Path, clock: DisturbedClock) -> float:
    """The wait for a process that was started elsewhere."""
    with KubeObjects(folder / "kube") as kube:
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        with open_cluster(settings) as cluster:
            log = undo_log_for_change(settings, cluster, CLUSTER_UID, clock)
        log.intend(OurProcess(4711, "1", "elsewhere", 4e9).entry(log.next_fault("api_overload"), "load"))
        with pytest.raises(UndoFailed, match="started elsewhere"):
            overload.stop(API_OVERLOAD, settings, WITHIN_S, None, clock)
    return WITHIN_S


def begin_from_pods(folder: Path, clock: DisturbedClock) -> float:
    """The wait for the moment at which all pods of a load begin."""
    with KubeObjects(folder / "kube") as kube:
        kube.mark()
        settings = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/clocks"))
        in_cluster.start(InClusterAsk(OVERLOAD, 2, 2, 60.0, WITHIN_S), settings, clock)
    return WITHIN_S


# what waits or injects -> how it is played to the end of its time
SCENARIOS: dict[str, Play] = {
    "remove_agent": remove,
    "stop_agent_rollout": roll_back,
    "restart_dns_pods": delete_dns,
    "start_dns_poison": arm_dns,
    "stop_dns_poison": disarm_dns,
    "start_dns_rogue": make_a_rogue,
    "stop_dns_rogue": disarm_dns,
    "flush_dns_caches": arm_dns,
    "stop_dns_load": roll_back,
    "start_node_cache_pin": pin_caches,
    "stop_node_cache_pin": pin_caches,
    "stop_api_overload": end_load,
    "start_api_overload_in_cluster": begin_from_pods,
    "stop_api_overload_in_cluster": roll_back,
    "stop_ramp": end_load,
    "replace_endpoints": replace_pods,
    "chaos cp recover": heal,
    "the control before the baseline": see,
}
# They inject load: their agents are played below, as the farm plays them, too; as a process in test_agent_load.py and
# apiserver/overload/test_overload.py; a ramp's end in apiserver/ramp/test_ramp.py.
LOAD = {"start_agent_rollout", "start_dns_load", "start_api_overload", "ramp_until_saturated"}


def test_whatever_injects_or_waits_has_a_scenario() -> None:
    """An action or an agent's program that is added later is covered, or this fails."""
    actions = {one["name"] for one in chaoslib_cp.discover()["activities"] if one["type"] == "action"}
    assert actions == actions & (SCENARIOS.keys() | LOAD)
    # the prober asks a handful of questions a second for as long as its DaemonSet is there: it is no fault;
    # the rogue's end is in tests/unit/engine/poison/test_rogue.py
    assert set(_PROGRAMS) == {"load", "dns-load", "prober", "dns-rogue"}


@pytest.mark.parametrize(("name", "disturbance"), part.of(itertools.product(SCENARIOS, DISTURBANCES), "clocks"))
def test_no_wait_outlives_its_time(tmp_path: Path, disturbance: str, name: str) -> None:
    """Whatever happens to the clock meanwhile, and as soon as the machine is awake."""
    clock = DisturbedClock(DISTURBANCES[disturbance], AFTER_S)
    deadline_s = SCENARIOS[name](tmp_path, clock)
    assert clock.has_happened
    assert -GRACE_S < clock.overrun_s(deadline_s) <= GRACE_S
    note("clock", overrun_s=clock.overrun_s(deadline_s))


@pytest.mark.parametrize("limit", ["deadline", "duration"])
def test_the_load_does_not_outlive_its_end(disturbance: str, limit: str) -> None:
    """Neither the deadline that all agents share nor an agent's own duration; hanging requests are cut off."""
    loop = VirtualLoop()
    clock = DisturbedClock(DISTURBANCES[disturbance], AFTER_S, loop.time)
    ends_s = {"deadline": 3600.0, "duration": 3600.0, limit: WITHIN_S}
    made = LoadProfile(
        requests=(RequestSpec("/metrics", period_s=0.5),),
        duration_s=ends_s["duration"],
        deadline_epoch_s=clock.epoch_s() + ends_s["deadline"],
        request_timeout_s=120.0,
        max_in_flight_per_agent=64,
    )

    async def play() -> None:
        peer = MemoryPeer(loop, lambda _number, _head: HANG)
        runner = LoadRunner(made, "10.96.0.1", peer.connect, clock, loop)
        for number in range(3):
            runner.add_agent(f"agent-{number}", Credentials())
        await runner.wait_until_over()
        assert clock.has_happened
        assert 0 <= clock.overrun_s(WITHIN_S) <= GRACE_S
        note("clock", overrun_s=clock.overrun_s(WITHIN_S))
        assert peer.open == 0
        sent = len(peer.heads)
        assert sent > 10
        assert not runner.add_agent("late", Credentials()) or limit == "duration"
        runner.stop()
        await asyncio.sleep(WITHIN_S)
        assert len(peer.heads) == sent

    run_virtual(loop, play())


@pytest.mark.parametrize("limit", ["deadline", "duration"])
def test_lookups_do_not_outlive_their_end(disturbance: str, limit: str) -> None:
    """The same of an agent that looks names up, though nobody answers it."""
    loop = VirtualLoop()
    clock = DisturbedClock(DISTURBANCES[disturbance], AFTER_S, loop.time)
    ends_s = {"deadline": 3600.0, "duration": 3600.0, limit: WITHIN_S}
    deadline_s = clock.epoch_s() + ends_s["deadline"]
    made = LookupProfile(rate_per_s=2.0, duration_s=ends_s["duration"], deadline_epoch_s=deadline_s, timeout_s=30.0)

    async def play() -> None:
        server = MemoryDns(loop, lambda _name, _kind: "drop")
        pods = SearchList("x.test", ("a.svc.x.test", "svc.x.test", "x.test"))
        runner = LookupRunner(made, "agent", pods, server.connect, clock, loop)
        await runner.start()
        await runner.wait_until_over()
        assert clock.has_happened
        assert 0 <= clock.overrun_s(WITHIN_S) <= GRACE_S
        note("clock", overrun_s=clock.overrun_s(WITHIN_S))
        assert server.closed == server.ports
        sent = len(server.asked)
        assert sent > 10
        await asyncio.sleep(WITHIN_S)
        assert len(server.asked) == sent

    run_virtual(loop, play())


def test_the_farms_agents_do_not_outlive_their_end(tmp_path: Path, disturbance: str) -> None:
    """The same engine as the testbed uses it, for pods on fake nodes, on real sockets and in real time."""
    with telemetry_cluster(tmp_path) as cluster:
        clock = DisturbedClock(DISTURBANCES[disturbance], 0.5, time.monotonic)
        profile = {
            "schema": 1,
            "requests": [{"path": "/metrics", "period_s": 0.1}],
            "duration_s": 60,
            "deadline_epoch_s": clock.epoch_s() + 2.5,
        }
        where = "/api/v1/namespaces/monitoring/configmaps/telemetry-profile"
        cluster.server.on("GET", where, json_answer({"data": {"profile.json": json.dumps(profile)}}))
        cluster.server.on("GET", "/api/v1/pods", listing(pod(1), pod(2, "kwok-001")))

        async def steps(farm: Any) -> None:
            await until_async(lambda: bool(farm.status()["agents"]["last_ended_at_s"]), "the first agent has ended")
            await until_async(lambda: farm.status()["agents"]["running"] == 0, "all agents have ended")
            assert clock.overrun_s(2.5) <= GRACE_S
            sent = len(cluster.seen("/metrics"))
            await asyncio.sleep(0.5)  # nothing is what must happen now
            assert len(cluster.seen("/metrics")) == sent > 0

        cluster.play(steps, clock)


def test_setting_the_clock_does_not_make_a_create_look_too_old_to_land(tmp_path: Path, disturbance: str) -> None:
    """Only time that really passed closes the entry of a create that nobody answered."""
    clock = DisturbedClock(DISTURBANCES[disturbance], AFTER_S)
    with KubeObjects(tmp_path / "kube") as kube:
        settings = kube.configuration(chaoslib_cp_run_dir="/runs/clocks")
        with open_cluster(read_settings(settings)) as cluster:
            log = undo_log_for_change(read_settings(settings), cluster, CLUSTER_UID, clock)
        log.intend(to_delete("ConfigMap", "default", "late", "clocks"))
        clock.pass_s(2 * AFTER_S)
        assert recover(timeout_s=0, clock=clock)["healed"] == (DISTURBANCES[disturbance].asleep_s > 0)
        clock.pass_s(WITHIN_S)
        assert recover(timeout_s=0, clock=clock)["healed"]


@pytest.mark.parametrize(("now_s", "healed"), [(30.0, False), (64.0, False), (66.0, True)])
def test_after_a_restart_of_the_machine_its_uptime_is_what_counts(tmp_path: Path, now_s: float, healed: bool) -> None:
    """Whoever made that call is gone for as long as the machine has been up, at the least; its wall clock may lie."""
    before = DisturbedClock(DISTURBANCES["set an hour ahead"], 1e9)
    before.pass_s(100_000.0)
    with KubeObjects(tmp_path / "kube") as kube:
        settings = kube.configuration(chaoslib_cp_run_dir="/runs/clocks")
        with open_cluster(read_settings(settings)) as cluster:
            log = undo_log_for_change(read_settings(settings), cluster, CLUSTER_UID, before)
        log.intend(to_delete("ConfigMap", "default", "late", "clocks"))
        restarted = DisturbedClock(DISTURBANCES["set an hour ahead"], 1e9, epoch_s=0.0)
        restarted.pass_s(now_s)
        assert recover(timeout_s=0, clock=restarted)["healed"] == healed


def test_the_machines_clock_wakes_up_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait of a minute that a suspended machine slept through is over at once, though its timers stood still."""
    began_s, asked = time.monotonic(), []
    real = time.clock_gettime

    def woken(clock: int) -> float:
        asked.append(clock)
        return real(clock) + (3600.0 if len(asked) > 2 else 0.0)

    monkeypatch.setattr(time, "clock_gettime", woken)
    SystemClock().sleep(60.0)
    assert time.monotonic() - began_s < 5
    assert set(asked) == {time.CLOCK_BOOTTIME}
