"""Cluster DNS is found by what it does, whatever a distribution calls it; what is dead does not count."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.door.cluster_dns import USUAL, ClusterDns, find_cluster_dns, list_dns_pods
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.dns.actions import restart_dns_pods
from chaoslib_cp.errors import TargetRefused
from tests.fakes.api_server import Answer, FakeApiServer, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

RKE2 = {"app.kubernetes.io/instance": "rke2-coredns", "app.kubernetes.io/name": "rke2-coredns", "k8s-app": "kube-dns"}
OPENSHIFT = {"dns.operator.openshift.io/daemonset-dns": "default"}
PIHOLE = {"app": "pihole"}


def found(kube: KubeObjects, *used: str) -> ClusterDns:
    """Where it is, for pods that have these addresses in their resolv.conf."""
    with open_cluster(kube.settings()) as cluster:
        return find_cluster_dns(cluster, asked_by_pods=lambda: used)


def names(kube: KubeObjects, where: ClusterDns) -> list[str]:
    """The living pods."""
    with open_cluster(kube.settings()) as cluster:
        return sorted(list_dns_pods(cluster, where).values())


@pytest.mark.parametrize(
    ("service", "namespace", "labels", "address"),
    [
        ("kube-dns", "kube-system", {"k8s-app": "kube-dns"}, "10.96.0.10"),
        ("rke2-coredns-rke2-coredns", "kube-system", RKE2, "10.43.0.10"),
        ("dns-default", "openshift-dns", OPENSHIFT, "172.30.0.10"),
        ("coredns", "dns", {"app": "coredns"}, "fd00:10:96::a"),
    ],
)
def test_it_is_known_by_its_port_and_its_pods(
    kube: KubeObjects, service: str, namespace: str, labels: dict[str, str], address: str
) -> None:
    """Not by one name, one label or one namespace."""
    kube.add_dns_service(service, namespace, labels, (address,))
    kube.add_dns_pod("dns-a", namespace=namespace, labels=labels)
    kube.add_dns_pod("other", namespace="elsewhere", labels=labels)
    where = found(kube)
    assert (where.namespace, where.services, where.addresses) == (namespace, (service,), (address,))
    assert where.selector == ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    assert names(kube, where) == ["dns-a"]
    permit = check_gate(kube.settings(), ManualClock())
    assert (permit.dns.pods_path, list(permit.dns_pods.values())) == (where.pods_path, ["dns-a"])


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIP": "None", "clusterIPs": ["None"]},
        {"type": "ExternalName", "clusterIP": "", "clusterIPs": []},
        {"ports": [{"port": 53, "protocol": "TCP"}]},
        {"ports": [{"port": 9153, "protocol": "UDP"}]},
    ],
)
def test_what_no_pod_can_ask_is_not_cluster_dns(kube: KubeObjects, spec: dict[str, Any]) -> None:
    """Headless Services, aliases, other ports: the prober's own Service over the DNS pods is one of them."""
    kube.add_dns_service("not-it", selector=PIHOLE, **spec)
    assert found(kube) == USUAL
    kube.add_dns_service()
    assert found(kube).services == ("kube-dns",)


def test_services_in_front_of_the_same_pods_are_one(kube: KubeObjects) -> None:
    """A node cache brings kube-dns-upstream; both addresses lead to the same servers. Dual stack has two of its own."""
    kube.add_dns_service(addresses=("10.96.0.10", "fd00:10:96::a"))
    kube.add_dns_service("kube-dns-upstream", addresses=("10.96.99.1",))
    where = found(kube)
    assert (where.namespace, where.selector) == (USUAL.namespace, USUAL.selector)
    assert where.addresses == ("10.96.0.10", "fd00:10:96::a", "10.96.99.1")


def two(kube: KubeObjects) -> None:
    """A DNS server of a team's own beside cluster DNS."""
    kube.add_dns_service("dns-default", "openshift-dns", OPENSHIFT, ("172.30.0.10", "fd02::a"))
    kube.add_dns_service("pihole", "home", PIHOLE, ("172.30.9.9",))
    kube.add_dns_pod("dns-a", namespace="openshift-dns", labels=OPENSHIFT)
    kube.add_dns_pod("pihole-a", namespace="home", labels=PIHOLE)


@pytest.mark.parametrize(("used", "service"), [("172.30.0.10", "dns-default"), ("fd02::a", "dns-default"),
                                               ("172.30.9.9", "pihole")])  # fmt: skip
def test_of_several_the_one_counts_that_pods_ask(kube: KubeObjects, used: str, service: str) -> None:
    """Their resolv.conf says it."""
    two(kube)
    assert found(kube, used).services == (service,)


def test_of_several_that_nobody_can_tell_apart_none_is_guessed(kube: KubeObjects) -> None:
    """Restarting the wrong one would be harm for nothing; each is named."""
    two(kube)
    with pytest.raises(
        TargetRefused, match=r"2 Services .*\(home/pihole, openshift-dns/dns-default\)|dns-default, home"
    ):
        found(kube, "169.254.20.10")


def test_a_service_that_has_lost_its_pods_does_not_count(kube: KubeObjects) -> None:
    """Left over from the day before the migration."""
    two(kube)
    del kube.objects["/api/v1/namespaces/home/pods/pihole-a"]
    assert found(kube).services == ("dns-default",)


def test_the_usual_label_decides_where_nothing_else_does(kube: KubeObjects) -> None:
    """On most clusters there is one with that label, and perhaps a team's own."""
    two(kube)
    kube.add_dns_service()
    kube.add_dns_pod("coredns-a")
    assert found(kube).services == ("kube-dns",)


def test_the_gate_asks_the_prober_what_pods_ask(kube: KubeObjects) -> None:
    """It has a resolv.conf as every pod has."""
    two(kube)
    where = "/api/v1/namespaces/chaoslib-cp"
    with FakeApiServer() as prober:
        prober.on("GET", "/", json_answer({"nameservers": ["172.30.0.10"]}))
        spec = {"selector": {"a": "b"}, "ports": [{"nodePort": prober.port}]}
        kube.objects[f"{where}/services/workload-prober"] = {"metadata": {"name": "workload-prober"}, "spec": spec}
        pod = {"metadata": {"name": "p", "labels": {"a": "b"}}, "status": {"hostIP": "127.0.0.1"}}
        kube.objects[f"{where}/pods/p"] = pod
        permit = check_gate(kube.settings(), ManualClock())
    assert (permit.dns_namespace, list(permit.dns_pods.values())) == ("openshift-dns", ["dns-a"])


def test_dns_that_runs_in_no_pods_is_refused_by_name(kube: KubeObjects) -> None:
    """A provider's resolver behind a Service without selector: nothing here could restart it."""
    kube.add_dns_service("cloud-dns", selector={})
    with pytest.raises(TargetRefused, match="Service kube-system/cloud-dns of cluster DNS has no selector"):
        found(kube)


DOUBTS: dict[str, tuple[Callable[[KubeObjects], object], str]] = {
    "two": (lambda kube: two(kube), "2 Services"),
    "no selector": (
        lambda kube: kube.add_dns_service("cloud-dns", selector={}),
        "kube-system/cloud-dns .* no selector",
    ),
    "no right": (lambda kube: kube.fail_next("GET", "/api/v1/services", Answer(403)), "could not read .*services: 403"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_no_server_is_restarted(kube: KubeObjects, doubt: str) -> None:
    """One line that names what is in doubt; a cluster with such DNS can be used for all else."""
    make, says = DOUBTS[doubt]
    make(kube)
    with pytest.raises(ActivityFailed, match=f"no DNS server is restarted: .*{says}"):
        restart_dns_pods(wait_for_fresh_cache=False, configuration=kube.configuration())
    assert kube.writes() == []


DEAD: dict[str, Callable[[KubeObjects], None]] = {
    "evicted": lambda kube: kube.add_dns_pod("dead", is_ready=False, phase="Failed", reason="Evicted"),
    "succeeded": lambda kube: kube.add_dns_pod("dead", phase="Succeeded"),
    "terminating": lambda kube: kube.objects["/api/v1/namespaces/kube-system/pods/dead"]["metadata"].update(
        deletionTimestamp="2026-11-27T04:00:00Z"
    ),
    "its node says nothing any more": lambda kube: kube.add_node("lost", "Unknown"),
    "its node is not ready": lambda kube: kube.add_node("lost", "False"),
}


@pytest.mark.parametrize("dead", DEAD)
def test_dead_pods_are_no_dns_servers(kube: KubeObjects, dead: str) -> None:
    """An API server lists them beside the living; to wait for their restart is to wait for ever."""
    kube.add_dns_service()
    kube.add_dns_pod("living")
    kube.add_dns_pod("starting", node="fine", is_ready=False)
    kube.add_node("fine")
    kube.add_dns_pod("dead", node="lost", is_ready=False)
    DEAD[dead](kube)
    assert names(kube, USUAL) == ["living", "starting"]
    permit = check_gate(kube.settings(), ManualClock())
    assert sorted(permit.dns_pods.values()) == ["living", "starting"]


def test_a_crash_hits_the_pods_that_are_there_wherever_they_are(kube: KubeObjects, tmp_path: Path) -> None:
    """The driver is told their namespace and a label that they have."""
    kube.add_dns_service("dns-default", "openshift-dns", OPENSHIFT)
    kube.add_dns_pod("dns-a", namespace="openshift-dns", labels=OPENSHIFT)
    program = tmp_path / "restart"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/told\necho \'{{"killed": ["n/dns"]}}\'\n')
    program.chmod(0o755)
    configuration = kube.configuration(infrastructure=f"command:{program}")
    restart_dns_pods("restart-containers", wait_for_fresh_cache=False, configuration=configuration)
    told = (tmp_path / "told").read_text()
    assert "--namespace openshift-dns --label dns.operator.openshift.io/daemonset-dns=default --pod-uid" in told


def test_deleting_happens_where_the_pods_are(kube: KubeObjects) -> None:
    """In their namespace, and with no word for the dead."""
    kube.add_dns_service("rke2-coredns-rke2-coredns", "dns", RKE2)
    kube.add_dns_pod("dns-a", namespace="dns", labels=RKE2)
    kube.add_dns_pod("dns-dead", namespace="dns", labels=RKE2, phase="Failed")
    result = restart_dns_pods(wait_for_fresh_cache=False, timeout_s=1, configuration=kube.configuration())
    assert (result["delivers"]["wanted"], result["delivers"]["done"]) == (1, 1)
    deleted = [one.path for one in kube.writes() if one.method == "DELETE"]
    assert deleted == ["/api/v1/namespaces/dns/pods/dns-a"]
