"""A rogue DNS server: made first, asked by an armed cluster DNS then, and all of it taken back; what is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.dns.actions import start_dns_poison, start_dns_rogue, stop_dns_rogue
from chaoslib_cp.engine.poison.rogue import RogueSettings, read_rogue_settings
from chaoslib_cp.engine.undo.log import find_logs
from chaoslib_cp.fault import Delivers, Ended, Injected, read
from tests.fakes.armed_dns import COREFILE, SERVERS, ArmedDns, armed_dns
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import IMAGE
from tests.scaffold.clocks import UnwaitingClock

NAME = "api.shop.svc.cluster.local"
QUICK: dict[str, Any] = {"duration_s": 10.0, "arm_within_s": 1.0}
OURS = "/api/v1/namespaces/chaoslib-cp/{}/chaoslib-cp-dns-rogue-1"


@pytest.fixture
def dns(kube: KubeObjects) -> Iterator[ArmedDns]:
    """Two DNS servers of a CoreDNS that knows no gate."""
    with armed_dns(kube) as made:
        made.put_there("mirror.example/coredns:v1.9.3")
        yield made


def told(dns: ArmedDns, **more: Any) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return dns.kube.configuration(chaoslib_cp_run_dir="/runs/dns-1", **more)


def play(dns: ArmedDns, **arguments: Any) -> Injected:
    """Start a rogue, quickly."""
    made = read(start_dns_rogue(**{"name": NAME, "configuration": told(dns), **QUICK, **arguments}))
    assert isinstance(made, Injected)
    return made


def settings_of(dns: ArmedDns) -> RogueSettings:
    """What the rogue was told."""
    return read_rogue_settings(dns.kube.objects[OURS.format("configmaps")]["data"]["rogue.json"])


def test_a_rogue_is_made_asked_and_taken_back(dns: ArmedDns) -> None:
    """By an old CoreDNS, too; the pod comes before the Corefile that needs it, and goes after."""
    made = play(dns, lie="nxdomain", loss_ratio=0.2, delay_s=0.5, seed=7)
    assert made.delivers == Delivers("DNS servers lied", wanted=2, share=1.0, vantage="dns_watched_backend", slow_s=0.5)
    assert made.kind == "dns_rogue"
    assert made.details["rogue"] == ["10.0.0.9:5391", "10.0.0.9:5392", "10.0.0.9:5393"]
    assert f"forward . {' '.join(made.details['rogue'])} 127.0.0.1:5398 {{" in dns.corefile
    assert "servfail" not in dns.corefile
    assert set(made.details["armed_after_s"]) == set(SERVERS.values())
    rogue = settings_of(dns)
    assert (rogue.seed, rogue.truth_port, rogue.lies[0].loss_ratio) == (7, 5398, 0.2)
    assert rogue.ends_at_epoch_s == made.deadline_epoch_s == made.details["begins_epoch_s"] + 10
    assert [one.path.rpartition("/")[2] for one in dns.kube.writes() if one.method == "POST"][:2] == [
        "configmaps",
        "pods",
    ]
    ended = read(stop_dns_rogue(timeout_s=10.0, configuration=told(dns)))
    assert isinstance(ended, Ended)
    assert ended.faults == ("dns_rogue-1",)
    assert (dns.corefile, open_logs()) == (COREFILE, [])
    assert not [path for path in dns.kube.objects if "dns-rogue" in path]
    again = read(stop_dns_rogue(configuration=told(dns)))
    assert isinstance(again, Ended)
    assert again.faults == ()


def test_the_pod_is_one_that_any_cluster_lets_run(dns: ArmedDns) -> None:
    """As the restricted Pod Security Standard has it, with a fuse of its kubelet's; image and secret as for agents."""
    play(dns, configuration=told(dns, image_pull_secret="pull"))
    pod = dns.kube.objects[OURS.format("pods")]["spec"]
    [container] = pod["containers"]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    assert 11 < pod["activeDeadlineSeconds"] < 700
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (container["image"], pod["imagePullSecrets"]) == (IMAGE, [{"name": "pull"}])
    assert container["resources"]["limits"] == {"memory": "128Mi"}


def test_the_truth_told_late_is_no_lie(dns: ArmedDns) -> None:
    """It is delivered when answers are late, nobody need suffer, and one upstream is enough: a dead one costs less."""
    made = play(dns, lie="truth", delay_s=1.2, configuration=told(dns, agent_image="mirror.example/agent:2"))
    assert made.delivers == Delivers(
        "DNS servers answered late", wanted=2, share=1.0, vantage="dns_watched_backend", slow_s=1.2
    )
    assert made.expects == ()
    assert made.parameters["image"] == "mirror.example/agent:2"
    assert made.details["rogue"] == ["10.0.0.9:5391"]
    [lie] = settings_of(dns).lies
    assert (lie.lie_ratio, lie.delay_s, lie.lie.types) == (0.0, 1.2, ())


def test_each_lie_is_told_in_its_own_way(dns: ArmedDns) -> None:
    """What one of ``also`` does not say is that of the first."""
    also = [{"name": "web.shop.svc.cluster.local", "lie": "truth", "loss_ratio": 1.0, "lie_ratio": 1.0}]
    made = play(dns, lie_ratio=0.3, ttl_s=20, also=also)
    first, second = settings_of(dns).lies
    assert (first.lie_ratio, first.lie.kind, first.lie.ttl_s) == (0.3, "wrong-address", 20)
    assert (second.lie_ratio, second.loss_ratio, second.lie.ttl_s) == (0.0, 1.0, 20)
    assert len(made.parameters["lies"]) == 2
    assert len(json.dumps(made.as_dict())) < 4096


def test_a_pod_that_does_not_run_ends_it_before_dns_is_touched(dns: ArmedDns) -> None:
    """With the kubelet's own words."""
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    dns.kube.pod_status = {"containerStatuses": [{"state": {"waiting": waiting}}]}
    with pytest.raises(ActivityFailed, match=r"does not run within 1 s \(ErrImagePull: no such image\); it is taken"):
        play(dns)
    assert (dns.corefile, open_logs()) == (COREFILE, [])
    assert not [path for path in dns.kube.objects if "dns-rogue" in path]


def test_a_server_that_does_not_run_the_new_corefile_ends_it(dns: ArmedDns) -> None:
    """All is taken back at once."""
    dns.behind.add("10.0.0.2")
    with pytest.raises(ActivityFailed, match=r"DNS server coredns-b \(10.0.0.2\) does not run the new Corefile"):
        play(dns)
    assert (dns.corefile, open_logs()) == (COREFILE, [])
    assert not [path for path in dns.kube.objects if "dns-rogue" in path]


def test_recover_takes_all_of_it_back_without_its_log(dns: ArmedDns) -> None:
    """The pod and what it was told are known by their labels, the Corefile by its record in the cluster."""
    play(dns)
    for log in find_logs(undo_folder()):
        log.unlink()
    later = UnwaitingClock()
    later.sleep(1200.0)
    assert recover(dns.kube.settings(), timeout_s=20, clock=later)["healed"]
    assert dns.corefile == COREFILE
    assert not [path for path in dns.kube.objects if "dns-rogue" in path]


def test_poison_and_rogue_arm_one_after_the_other(dns: ArmedDns) -> None:
    """One Corefile is armed once."""
    play(dns)
    with pytest.raises(ActivityFailed, match=r"on port 5398 already, as an armed one has"):
        play(dns, name="web.shop.svc.cluster.local")
    dns.put_there(corefile=dns.corefile)
    with pytest.raises(ActivityFailed, match=r"on port 5398 already, as an armed one has"):
        start_dns_poison(NAME, configuration=told(dns), duration_s=10.0, arm_within_s=1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "kubernetes.default.svc.cluster.local"}, "must stay true"),
        ({"name": "www.example.com"}, "is outside of zone cluster.local., where lies are to stay"),
        ({"addresses": ["8.8.8.8"]}, "address 8.8.8.8 is not inside a cluster"),
        ({"lie": "pin"}, "lie is 'pin'; nothing was changed; use one of wrong-address, .*, truth"),
        ({"lie": "truth"}, "nothing would happen; nothing was changed; set one of them"),
        ({"delay_s": 31}, "delay_s is 31; nothing was changed; use a number from 0 to 30"),
        ({"loss_ratio": 2}, "loss_ratio is 2; nothing was changed; use a number from 0 to 1"),
        ({"lie_ratio": "often"}, "lie_ratio is 'often'"),
        ({"seed": 1.5}, "seed is 1.5; nothing was changed; use a whole number"),
        ({"duration_s": 5}, "a cache may keep the truth for 5 s"),
        ({"arm_within_s": 0.5}, "arm_within_s is 0.5; nothing was changed; use a number from 1 to 300"),
        ({"also": [{"name": "x", "delay": 1}]}, "use a mapping with name, and any of lie, .*, delay_s"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_bad_arguments_change_nothing(dns: ArmedDns, arguments: dict[str, Any], words: str) -> None:
    """One clear line each."""
    with pytest.raises(ActivityFailed, match=words):
        play(dns, **arguments)
    assert dns.kube.writes() == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("coredns:1.8.6", "CoreDNS 1.8.6 is too old to be armed; nothing was changed; use 1.9.3"),
        ("coredns@sha256:0f1e", "tells no version of CoreDNS, and not each can read"),
    ],
)
def test_a_coredns_that_may_not_read_its_new_corefile_is_refused(dns: ArmedDns, image: str, words: str) -> None:
    """With what will do."""
    dns.put_there(f"mirror.example/{image}")
    with pytest.raises(ActivityFailed, match=words):
        play(dns)
    assert dns.kube.writes() == []


def test_a_coredns_that_cannot_keep_failures_is_told_none_that_last(dns: ArmedDns) -> None:
    """It would not start with the option."""
    with pytest.raises(
        ActivityFailed, match=r"CoreDNS 1.9.3 keeps a SERVFAIL for 5 s .* use a ttl_s of 5 for servfail"
    ):
        play(dns, lie="servfail", ttl_s=60)
    assert dns.kube.writes() == []


@pytest.mark.parametrize(("verb", "words"), [("create", "may not create a Pod"), ("delete", "may not delete Pod")])
def test_without_a_right_nothing_is_made(dns: ArmedDns, verb: str, words: str) -> None:
    """It would be there half, or stay."""
    dns.kube.denied.add(("runner", verb, "pods", "chaoslib-cp"))
    with pytest.raises(ActivityFailed, match=f"{words}.*; nothing was changed; apply the roles"):
        play(dns)
    assert dns.kube.writes() == []
