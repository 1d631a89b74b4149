"""Which names and answers a lie may have: it stays where it was meant to be."""

import pytest

from chaoslib_cp.engine.poison.clients import read_clients
from chaoslib_cp.engine.poison.forbidden import refuse_forbidden
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.errors import ProfileInvalid

DOMAIN = "cluster.local."


API = "api.shop.svc.cluster.local"


def refuse(
    name: str, kind: str = "wrong-address", address: str = "192.0.2.66", zone: str = DOMAIN, client: str = ""
) -> None:
    """Look at one lie."""
    clients = read_clients([client] if client else None)
    refuse_forbidden([Lie(kind, f"{name}.", 60, (address,), clients=clients)], zone, DOMAIN)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("decoy.chaoslib-cp.svc.cluster.local", "wrong-address"),
        ("decoy.chaoslib-cp.svc.cluster.local", "nxdomain"),
        ("chaoslib-cp.svc.cluster.local", "search-hijack"),
        ("api.shop.svc.cluster.local", "nxdomain"),
        ("shop.svc.cluster.local", "zone"),
    ],
)
def test_what_may_be_lied_about(name: str, kind: str) -> None:
    """A workload's own names, the one Service that is there for it, and names of the world with our suffix."""
    refuse(name, kind)


@pytest.mark.parametrize(
    ("name", "kind", "kept"),
    [
        ("sentinel.chaoslib-cp.svc.cluster.local", "wrong-address", "chaoslib-cp.svc.cluster.local"),
        ("chaoslib-cp.svc.cluster.local", "zone", "chaoslib-cp.svc.cluster.local"),
        ("svc.cluster.local", "zone", "kubernetes.default.svc.cluster.local"),
        ("kubernetes.default.svc.cluster.local", "nxdomain", "kubernetes.default.svc.cluster.local"),
        ("kube-dns-pods.kube-system.svc.cluster.local", "nxdomain", "kube-dns-pods.kube-system.svc.cluster.local"),
    ],
)
def test_what_measures_and_what_keeps_the_cluster_alive_stays_true(name: str, kind: str, kept: str) -> None:
    """The refusal says which name, and one that may be used."""
    with pytest.raises(ProfileInvalid, match=rf"about {kept}\., .*; use another name, such as decoy\.chaoslib-cp"):
        refuse(name, kind)


@pytest.mark.parametrize(
    ("name", "address", "zone", "says"),
    [
        ("www.example.org", "192.0.2.66", DOMAIN, "outside of zone cluster.local."),
        ("cdn.quay.io", "192.0.2.66", "quay.io", "nobody is lied to about quay.io."),
        ("api.shop.svc.cluster.local", "8.8.8.8", DOMAIN, "8.8.8.8 is not inside a cluster"),
        ("api.shop.svc.cluster.local", "169.254.169.254", DOMAIN, "169.254.169.254 is not inside a cluster"),
    ],
)
def test_nobody_outside_is_lied_about_or_led_to(name: str, address: str, zone: str, says: str) -> None:
    """Neither a registry, nor an address that belongs to somebody."""
    with pytest.raises(ProfileInvalid, match=says):
        refuse(name, address=address, zone=zone)


@pytest.mark.parametrize("client", ["10.244.3.17", "172.16.0.0/12", "100.64.1.0/24", "fd00:10:244::17", "fd00::/64"])
def test_a_client_is_a_pod_or_a_node(client: str) -> None:
    """Of both families, one or a block of them."""
    refuse(API, client=client)


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("8.8.8.8", "client 8.8.8.8/32 is not one of private addresses"),
        ("0.0.0.0/0", "client 0.0.0.0/0 is not one of"),
        ("10.0.0.0/7", "client 10.0.0.0/7 is not one of"),
        ("2001:4860:4860::8888", "client 2001:4860:4860::8888/128 is not one of"),
        ("127.0.0.1", "client 127.0.0.1/32 is not one of"),
        ("169.254.20.10", "pods ask a cache of their node there, and DNS servers see the node's own address"),
    ],
)
def test_a_client_from_outside_is_refused(client: str, says: str) -> None:
    """A server that answers the world, too, tells the world the truth."""
    with pytest.raises(ProfileInvalid, match=says):
        refuse(API, client=client)
