"""Restarting cluster DNS: each kind of coupling, and the wait for a freshly cached record."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.control.evidence import back_off_notes
from chaoslib_cp.dns.actions import restart_dns_pods
from chaoslib_cp.dns.freshness import wait_for_fresh_entry
from chaoslib_cp.fault import Delivers, Expects, Injected, NotPlayed, read
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.api_server import RESET, Answer, Request
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.timeline import write_samples
from tests.scaffold.clocks import ManualClock

pytestmark = pytest.mark.usefixtures("dns_pods")

PODS = "/api/v1/namespaces/kube-system/pods"


def settings(kube: KubeObjects, **more: Any) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/dns-1", **more)


def restart_by_deployment(kube: KubeObjects, is_ready: bool = True) -> None:
    """Let a Deployment replace each pod that is deleted."""

    def replaced(request: Request) -> Answer:
        answer = kube.carry_out(request)
        if answer.status == 200:
            kube.add_dns_pod(f"{request.path.rpartition('/')[2]}-new", is_ready=is_ready)
        return answer

    kube.server.on("DELETE", PODS, replaced)


@pytest.mark.parametrize(("ago_s", "notes"), [(60, 1), (599, 1), (601, 0)])
def test_a_recent_crash_of_a_dns_server_is_told_before_the_run(kube: KubeObjects, ago_s: int, notes: int) -> None:
    """A second run within ten minutes would vantage the kubelet's back-off as slow recovery and not say so."""
    now_s = 1_800_000_000.0
    ended_at = datetime.fromtimestamp(now_s - ago_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    crashed = {"lastState": {"terminated": {"finishedAt": ended_at}}}
    kube.objects[f"{PODS}/coredns-a"]["status"]["containerStatuses"] = [crashed, {"lastState": {}}]
    told = back_off_notes(read_settings(settings(kube)), now_s)
    assert len(told) == notes
    assert all(f"coredns-a crashed {ago_s} s ago" in note for note in told)


def test_coupling_none_restarts_nothing_and_says_so(kube: KubeObjects) -> None:
    """Synced CoreDNS outlives the API: the honest control experiment."""
    result = restart_dns_pods(coupling="none", configuration=settings(kube))
    assert read(result) == NotPlayed("coupling is none", result["parameters"])
    assert kube.server.requests == []


def test_deleting_the_pods_times_acceptance_rescheduling_and_sync_apart(kube: KubeObjects) -> None:
    """Each of the three waits is stretched by something else."""
    restart_by_deployment(kube)
    result = restart_dns_pods(configuration=settings(kube))
    restart = result["details"]["restart"]
    assert (restart["pods"], restart["accepted"], restart["outcomes"]) == (2, 2, [])
    assert 0 < restart["accepted_s"] <= restart["rescheduled_s"] <= restart["synced_s"]
    injected = read(result)
    assert isinstance(injected, Injected)
    assert not injected.lasts
    assert injected.delivers == Delivers("DNS pods deleted", wanted=2, done=2)
    assert injected.expects == (Expects("dns_uncached", window_s=5.0, within_s=30.0),)
    assert {request.peer_name for request in kube.writes()} == {"user-runner"}
    assert len(json.dumps(result)) < 4096
    assert open_logs() == []


def test_what_is_not_seen_in_time_is_null_with_a_reason(kube: KubeObjects) -> None:
    """A CoreDNS that cannot sync never becomes ready; the action does not wait for it beyond its limit."""
    restart_by_deployment(kube, is_ready=False)
    restart = restart_dns_pods(timeout_s=3, configuration=settings(kube))["details"]["restart"]
    assert restart["rescheduled_s"] is not None
    assert restart["synced_s"] is None
    assert restart["reason"] == "not seen within 3 s"


def test_a_delete_is_repeated_until_it_is_accepted_and_hits_only_the_pod_that_was_seen(kube: KubeObjects) -> None:
    """The UID goes along, so that a repeated delete cannot kill the successor."""
    kube.fail_next("DELETE", f"{PODS}/coredns-a", RESET, after_the_write=True)
    kube.fail_next("DELETE", f"{PODS}/coredns-b", Answer(429))
    restart = restart_dns_pods(timeout_s=4, configuration=settings(kube))["details"]["restart"]
    assert (restart["accepted"], restart["outcomes"]) == (2, [])
    deletes = [request for request in kube.writes() if request.method == "DELETE"]
    assert sorted(request.path.rpartition("/")[2] for request in deletes) == ["coredns-a"] * 2 + ["coredns-b"] * 2
    assert all(request.json()["preconditions"]["uid"].startswith("uid-") for request in deletes)


@pytest.mark.parametrize(("answer", "outcome"), [(Answer(429), "http_429"), (Answer(503), "unknown")])
def test_deletes_that_the_overload_keeps_out_are_a_result(kube: KubeObjects, answer: Answer, outcome: str) -> None:
    """They were not delivered, and the verdict says so."""
    kube.fail_next("DELETE", PODS, answer, times=99)
    result = restart_dns_pods(timeout_s=1, configuration=settings(kube))
    restart = result["details"]["restart"]
    assert (restart["accepted"], restart["outcomes"]) == (0, [outcome] * 2)
    assert restart["accepted_s"] is None
    assert (result["delivers"]["wanted"], result["delivers"]["done"]) == (2, 0)


def test_a_runner_without_the_right_is_a_failed_action(kube: KubeObjects) -> None:
    """No false green at injection."""
    kube.fail_next("DELETE", PODS, Answer(403), times=9)
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*403"):
        restart_dns_pods(timeout_s=1, configuration=settings(kube))


def test_pods_the_gate_noted_are_deleted_when_the_api_no_longer_lists_them(kube: KubeObjects) -> None:
    """In the storm a list may time out where a delete still gets through."""
    check_gate(read_settings(settings(kube)))
    kube.fail_next("GET", PODS, Answer(503), times=99)
    restart = restart_dns_pods(timeout_s=4, configuration=settings(kube))["details"]["restart"]
    assert (restart["pods"], restart["accepted"]) == (2, 2)


def test_a_cluster_without_dns_pods_is_refused(kube: KubeObjects) -> None:
    """Nothing to restart is no success."""
    for path in [path for path in kube.objects if path.startswith(PODS)]:
        del kube.objects[path]
    with pytest.raises(ActivityFailed, match="no pod with k8s-app=kube-dns"):
        restart_dns_pods(configuration=settings(kube))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"coupling": "memory-hog"}, "use one of none"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"expects": {"within_s": 1e9}}, "expects.within_s"),
    ],
)
def test_wrong_arguments_are_refused(kube: KubeObjects, arguments: dict[str, Any], says: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ActivityFailed, match=says):
        restart_dns_pods(configuration=settings(kube), **arguments)
    assert kube.server.requests == []


def test_an_unmarked_cluster_is_refused(kube: KubeObjects) -> None:
    """Every action that changes something repeats the gate."""
    kube.objects.pop("/api/v1/namespaces/kube-public/configmaps/chaoslib-cp-test-cluster")
    with pytest.raises(ActivityFailed, match="not marked"):
        restart_dns_pods(configuration=settings(kube))
    assert kube.writes() == []


class WritingClock(SystemClock):
    """A real clock whose every sleep brings another sample of the cache."""

    def __init__(self, run_dir: Path, ttls: list[int], nodes: Sequence[str] = ("",)) -> None:
        self.run_dir = run_dir
        self.ttls = ttls
        self.nodes = itertools.cycle(nodes)

    def sleep(self, duration_s: float) -> None:
        """Write the next sample instead of waiting."""
        assert duration_s < 1
        if self.ttls:
            more = {"ttl_s": self.ttls.pop(0), "node": next(self.nodes)}
            write_samples(self.run_dir, "dns_cached", ["ok"], first_ago_s=0, **more)


def test_the_wait_ends_when_the_cached_records_ttl_goes_up(tmp_path: Path) -> None:
    """Then the mask lasts a whole TTL."""
    write_samples(tmp_path, "dns_cached", ["ok", "ok"], ttl_s=[4, 3], first_ago_s=1.5)
    clock = WritingClock(tmp_path, [2, 1, 20, 19])
    waited = wait_for_fresh_entry(Settings(run_dir=tmp_path), True, clock)
    assert (waited["reason"], waited["ttl_s"]) == ("just renewed", 20)
    assert clock.ttls == [19]


def test_caches_of_other_nodes_are_no_renewal(tmp_path: Path) -> None:
    """The cache whose record is the oldest is waited for: a younger one of another node says nothing of it."""
    write_samples(tmp_path, "dns_cached", ["ok"], ttl_s=4, first_ago_s=1.5, node="worker-1")
    write_samples(tmp_path, "dns_cached", ["ok"], ttl_s=19, first_ago_s=1.2, node="worker-2")
    clock = WritingClock(tmp_path, [3, 18, 2, 17, 20], ["worker-1", "worker-2"])
    waited = wait_for_fresh_entry(Settings(run_dir=tmp_path), True, clock)
    assert (waited["reason"], waited["ttl_s"], clock.ttls) == ("just renewed", 20, [])


def test_a_renewal_before_the_action_began_does_not_count(tmp_path: Path) -> None:
    """It may be most of a TTL ago; the wait gives up after one TTL and a margin."""
    write_samples(tmp_path, "dns_cached", ["ok"] * 3, ttl_s=[1, 20, 19], first_ago_s=2)
    clock = ManualClock(SystemClock().epoch_s())
    waited = wait_for_fresh_entry(Settings(run_dir=tmp_path), True, clock)
    assert waited["reason"] == "no renewal seen within one TTL"
    assert waited["waited_s"] == pytest.approx(22, abs=0.5)


def test_without_samples_of_the_cache_it_is_not_waited_for(tmp_path: Path) -> None:
    """And the result says why."""
    assert wait_for_fresh_entry(read_settings(), True, ManualClock())["reason"].startswith("no sample")
    assert wait_for_fresh_entry(Settings(run_dir=tmp_path), True, ManualClock())["ttl_s"] is None
    assert wait_for_fresh_entry(read_settings(), False, ManualClock())["reason"] == "not asked for"
