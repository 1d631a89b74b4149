"""Which names and answers a lie may have: it stays where it was meant to be."""

import pytest

from chaoslib_cp.engine.poison.forbidden import refuse_forbidden
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.errors import ProfileInvalid

DOMAIN = "cluster.local."


def refuse(name: str, kind: str = "wrong-address", address: str = "192.0.2.66", zone: str = DOMAIN) -> None:
    """Look at one lie."""
    refuse_forbidden([Lie(kind, f"{name}.", 60, (address,))], zone, DOMAIN)


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
