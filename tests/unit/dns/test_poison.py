"""Poisoning cluster DNS: armed once, on record first, given back byte for byte; and all that is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.dns import poison
from chaoslib_cp.dns.actions import start_dns_poison, stop_dns_poison
from chaoslib_cp.dns.armed import ANNOTATION
from chaoslib_cp.fault import Delivers, Ended, Injected, read
from tests.fakes.api_server import Answer
from tests.fakes.armed_dns import CONFIG_MAP, COREFILE, PROBER, PROBER_6, SERVERS, ArmedDns, armed_dns
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import POD
from tests.scaffold.clocks import LaterClock
from tests.scaffold.corefiles import corefile

NAME = "api.shop.svc.cluster.local"
QUICK: dict[str, Any] = {"duration_s": 10.0, "arm_within_s": 1.0}


@pytest.fixture
def dns(kube: KubeObjects) -> Iterator[ArmedDns]:
    """Two DNS servers."""
    with armed_dns(kube) as made:
        yield made


def told(dns: ArmedDns, **more: Any) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return dns.kube.configuration(chaoslib_cp_run_dir="/runs/dns-1", **more)


def annotations(dns: ArmedDns) -> set[str]:
    """What the DNS pods say of their Corefile."""
    pods = [dns.kube.objects[f"/api/v1/namespaces/kube-system/pods/{name}"] for name in SERVERS]
    return {str((pod["metadata"].get("annotations") or {}).get(ANNOTATION)) for pod in pods}


def test_a_lie_is_armed_at_every_server_and_taken_back_byte_for_byte(dns: ArmedDns) -> None:
    """Start waits until every server runs the new Corefile and the lie has begun; stop leaves nothing."""
    made = read(start_dns_poison(NAME, "nxdomain", configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers is not None
    assert (made.kind, made.delivers.wanted, made.delivers.vantage) == ("dns_poison", 2, "dns_watched_backend")
    assert set(made.details["armed_after_s"]) == set(SERVERS.values())
    assert made.deadline_epoch_s == made.details["begins_epoch_s"] + 10
    assert made.details["revision"] in dns.corefile
    assert "rcode NXDOMAIN" in dns.corefile
    assert annotations(dns) == {made.details["revision"]}
    ended = read(stop_dns_poison(timeout_s=10.0, configuration=told(dns)))
    assert isinstance(ended, Ended)
    assert ended.faults == ("dns_poison-1",)
    assert set(ended.details["disarmed_after_s"]) == set(SERVERS.values())
    assert (dns.corefile, annotations(dns), open_logs()) == (COREFILE, {"None"}, [])
    again = read(stop_dns_poison(configuration=told(dns)))
    assert isinstance(again, Ended)
    assert again.faults == ()


def test_a_pin_keeps_what_is_true_now(dns: ArmedDns) -> None:
    """Nothing is forged, and the end needs no reload, either."""
    made = read(start_dns_poison(NAME, "pin", ttl_s=600, configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers("DNS servers pinned", wanted=2, share=1.0, done=2)
    assert "success 9984 600 600" in dns.corefile
    assert f"ask {NAME}. A" in dns.corefile
    begins, ends = (int(made.details[key]) for key in ("begins_epoch_s", "ends_epoch_s"))
    assert f'"pin {begins} {ends}\\"' in dns.corefile


def test_a_pin_that_a_server_was_not_heard_to_keep_is_not_delivered_there(
    dns: ArmedDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Armed is not pinned: what nobody has asked for since the pin began, nobody keeps."""
    monkeypatch.setattr(poison, "_KEPT_WITHIN_S", 1.0)
    dns.answers_nothing = {SERVERS["coredns-b"]}
    made = read(start_dns_poison(NAME, "pin", ttl_s=600, configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers("DNS servers pinned", wanted=2, share=1.0, done=1)


def test_a_lie_for_some_clients_is_for_the_prober_too_so_that_it_is_seen(dns: ArmedDns) -> None:
    """At each server as a client: past the caches everybody hears the truth."""
    also = [{"name": "web.shop.svc.cluster.local", "lie": "servfail", "clients": ["10.1.2.0/24"]}]
    made = read(start_dns_poison(NAME, clients=["10.1.2.3"], also=also, configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers("DNS servers lied to the prober", wanted=2, share=1.0, vantage="dns_watched_pod")
    assert [one.vantage for one in made.expects] == ["dns_watched_uncached"]
    assert made.details["prober"] == [PROBER, PROBER_6]
    gates = [line for line in dns.corefile.splitlines() if "client_ip" in line]
    assert [[block in gate for block in ("'10.1.2.3/32'", "'10.1.2.0/24'")] for gate in gates] == [
        [True, False],
        [False, True],
    ]
    assert all(f"'{PROBER}/32'" in gate and f"'{PROBER_6}/128'" in gate for gate in gates)
    assert f"{NAME}.:53 {{" in dns.corefile


def test_a_lie_that_the_prober_shall_not_hear_is_delivered_when_the_servers_are_armed(dns: ArmedDns) -> None:
    """It says so; and nobody who tells us suffers."""
    made = read(start_dns_poison(NAME, clients=["10.1.2.3"], prober_is_client=False, configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers(
        "DNS servers armed; what their clients hear was not seen", wanted=2, share=1.0, done=2
    )
    assert (made.expects, PROBER in dns.corefile) == ((), False)


def test_beside_a_lie_for_everybody_that_one_is_counted(dns: ArmedDns) -> None:
    """Past the caches of every server: what one server tells some, it has from the same Corefile."""
    also = [{"name": "web.shop.svc.cluster.local", "clients": ["10.1.2.3"] * 16}]
    result = start_dns_poison(NAME, also=also, configuration=told(dns), **QUICK)
    made = read(result)
    assert isinstance(made, Injected)
    assert made.delivers is not None
    assert (made.delivers.vantage, [one.vantage for one in made.expects]) == (
        "dns_watched_backend",
        ["dns_watched_cached"],
    )
    assert made.parameters["lies"][1]["clients"] == [*["10.1.2.3/32"] * 4, "12 more"]


def test_a_prober_without_an_address_hears_nothing(dns: ArmedDns) -> None:
    """What it should prove could not be proven."""
    dns.kube.objects[POD]["status"] = {"hostIP": "127.0.0.1"}
    with pytest.raises(ActivityFailed, match="the workload prober has no address, so nobody could hear"):
        start_dns_poison(NAME, clients=["10.1.2.3"], configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []


def test_room_for_an_owners_own_files_is_no_reason_to_refuse(dns: ArmedDns) -> None:
    """A stock k3s imports files that mostly are not there."""
    dns.put_there(corefile=corefile("k3s"))
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    assert dns.corefile.count("import /etc/coredns/custom/*.override") == 1
    stop_dns_poison(timeout_s=10.0, configuration=told(dns))
    assert dns.corefile == corefile("k3s")


def test_without_the_right_to_patch_pods_nobody_is_hurried(dns: ArmedDns) -> None:
    """The annotation is a convenience; a cluster's owner may refuse it."""
    start_dns_poison(NAME, touch_pods=False, configuration=told(dns), **QUICK)
    assert annotations(dns) == {"None"}


def test_a_server_that_does_not_run_the_new_corefile_ends_it(dns: ArmedDns) -> None:
    """Nobody knows what that server would tell, so the Corefile is given back at once."""
    dns.behind.add("10.0.0.2")
    with pytest.raises(
        ActivityFailed, match=r"DNS server coredns-b \(10.0.0.2\) does not run the new Corefile after 2"
    ):
        start_dns_poison(NAME, configuration=told(dns), duration_s=10.0, arm_within_s=2.0)
    assert (dns.corefile, open_logs()) == (COREFILE, [])


def test_an_edit_of_somebody_else_is_never_overwritten(dns: ArmedDns) -> None:
    """An add-on manager that writes its own Corefile over the armed one keeps it."""
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    config_map = dns.kube.objects[CONFIG_MAP]
    config_map["data"]["Corefile"] = "theirs"
    config_map["metadata"]["resourceVersion"] = "99"
    with pytest.raises(ActivityFailed, match="was edited by somebody else since"):
        stop_dns_poison(timeout_s=1.0, configuration=told(dns))
    assert dns.corefile == "theirs"
    assert len(open_logs()) == 1


def test_a_second_poison_waits_for_the_end_of_the_first(dns: ArmedDns) -> None:
    """One Corefile is armed once."""
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    with pytest.raises(ActivityFailed, match=r"has .* on port 5399 already, as an armed one has"):
        start_dns_poison("web.shop.svc.cluster.local", configuration=told(dns), **QUICK)


def test_recover_gives_the_corefile_back(dns: ArmedDns) -> None:
    """Whoever started it may be gone."""
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    assert recover(timeout_s=20, clock=LaterClock())["healed"]
    assert dns.corefile == COREFILE


def test_an_unwell_api_is_no_time_for_a_reload(dns: ArmedDns) -> None:
    """A CoreDNS that reloads without the API forgets the cluster."""
    dns.kube.server.on("GET", "/readyz", lambda _: Answer(500))
    with pytest.raises(ActivityFailed, match=r"the API of .* is unwell .*, and a reload of CoreDNS would then lose"):
        start_dns_poison(NAME, configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []


def test_the_way_back_is_a_reload_too_so_an_unwell_api_is_waited_for(dns: ArmedDns) -> None:
    """What is armed stays armed, and on record; its lie ends by its own clock."""
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    dns.kube.server.on("GET", "/readyz", lambda _: Answer(500))
    with pytest.raises(ActivityFailed, match=r"is unwell .* the lie ends by its own clock; run `chaos cp recover`"):
        stop_dns_poison(timeout_s=1.0, configuration=told(dns))
    assert (dns.corefile != COREFILE, len(open_logs())) == (True, 1)


def test_the_way_back_needs_no_right_to_ask_for_health(dns: ArmedDns) -> None:
    """An API that answers is well enough to find out who may take it back."""
    start_dns_poison(NAME, configuration=told(dns), **QUICK)
    dns.kube.server.on("GET", "/readyz", lambda _: Answer(403))
    stop_dns_poison(timeout_s=5.0, configuration=told(dns))
    assert (dns.corefile, open_logs()) == (COREFILE, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "www.example.com"}, "is outside of zone cluster.local., where lies are to stay"),
        ({"name": "kubernetes.default.svc.cluster.local"}, "must stay true"),
        ({"name": "svc.cluster.local", "lie": "zone"}, "nobody is lied to about kubernetes.default"),
        ({"name": "registry.k8s.io", "zone": "k8s.io"}, "nobody is lied to about registry.k8s.io"),
        ({"name": "x.pkg.dev", "zone": "pkg.dev"}, "nobody is lied to about pkg.dev"),
        ({"name": "metadata.google.internal", "zone": "internal"}, "metadata.google.internal., which must stay true"),
        ({"name": "login.microsoftonline.com", "zone": "."}, "login.microsoftonline.com., which must stay true"),
        ({"name": "sentinel.chaoslib-cp.svc.cluster.local"}, "chaoslib-cp.svc.cluster.local., which must stay true"),
        ({"addresses": ["8.8.8.8"]}, "address 8.8.8.8 is not inside a cluster"),
        ({"addresses": ["169.254.169.254"]}, "address 169.254.169.254 is not inside a cluster"),
        ({"addresses": ["nowhere"]}, "address 'nowhere' is none"),
        ({"addresses": "192.0.2.1"}, "addresses is '192.0.2.1'; nothing was changed; use a list"),
        ({"ttl_s": 3601}, "ttl_s is 3601; nothing was changed; use a whole number from 1 to 3600"),
        ({"lie": "servfail", "ttl_s": 301}, "use a whole number from 1 to 300"),
        ({"lie": "white"}, "lie is 'white'; nothing was changed; use one of wrong-address"),
        ({"name": "not a name"}, "use a DNS name"),
        ({"duration_s": 5}, "a cache may keep the truth for 5 s"),
        ({"duration_s": 3601}, "duration_s is 3601; nothing was changed"),
        ({"arm_within_s": 0.5}, "arm_within_s is 0.5; nothing was changed"),
        ({"clients": []}, "clients is .*; use a list of 1 to 16 addresses"),
        ({"clients": ["8.8.8.8"]}, "client 8.8.8.8/32 is not one of private addresses"),
        ({"clients": ["10.0.0.1"], "lie": "pin"}, "a pin has clients; nothing was changed"),
        ({"also": {"name": "x"}}, "also is .*; nothing was changed; use a list"),
        ({"also": [{"nam": "x"}]}, "use a mapping with name"),
        ({"also": [{"name": NAME, "lie": "nxdomain"}, {"name": NAME, "lie": "nxdomain"}]}, "two lies are about"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_bad_arguments_change_nothing(dns: ArmedDns, arguments: dict[str, Any], words: str) -> None:
    """One clear line each."""
    with pytest.raises(ActivityFailed, match=words):
        start_dns_poison(**{"name": NAME, "configuration": told(dns), **QUICK, **arguments})
    assert dns.kube.writes() == []


@pytest.mark.parametrize(
    ("image", "corefile", "words"),
    [
        ("x/coredns:v1.11.1", COREFILE, "CoreDNS 1.11.1 could not end a lie by itself"),
        ("x/coredns@sha256:0f1e", COREFILE, "tells no version of CoreDNS"),
        ("x/coredns:v1.14.7", ".:53 {", "Corefile"),
        ("x/coredns:v1.14.7", ".:53 {\n    whoami\n}\n", "no kubernetes plugin"),
        ("x/coredns:v1.14.7", COREFILE.replace("reload", "autopath @kubernetes"), "autopath: it searches"),
        ("x/coredns:v1.14.7", COREFILE.replace("cache 30", "cache 30 {\n prefetch 10\n }"), "prefetch: it asks again"),
    ],
    ids=["too old", "by digest", "unparsable", "not the cluster's", "autopath", "prefetch"],
)
def test_a_coredns_that_cannot_be_armed_is_refused(dns: ArmedDns, image: str, corefile: str, words: str) -> None:
    """With the reason, and nothing was changed."""
    dns.put_there(image, corefile)
    with pytest.raises(ActivityFailed, match=words):
        start_dns_poison(NAME, configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []


def test_a_server_that_nobody_sees_is_refused(dns: ArmedDns, tmp_path: Path) -> None:  # noqa: ARG001 - a run of its own
    """What it tells could not be proven."""
    dns.unseen.add("10.0.0.1")
    with pytest.raises(ActivityFailed, match=r"no answer from DNS server coredns-a \(10.0.0.1\)"):
        start_dns_poison(NAME, configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []
