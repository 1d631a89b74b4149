"""What nobody is ever lied to about: what keeps a cluster and its people alive, and what belongs to others.

A lie stays in the zone that its user named. Inside it, these stay true: the API's own name, what images are pulled
from, who says who somebody is, a cloud's metadata, and what measures the lie. Our own namespace has one Service that is
there to be lied about: ``decoy``, which nobody uses.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.clients import refuse_outsider
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.errors import ProfileInvalid

_REGISTRIES: Final = (
    "registry.k8s.io", "k8s.gcr.io", "gcr.io", "pkg.dev", "docker.io", "docker.com", "quay.io", "ghcr.io",
    "azurecr.io", "mcr.microsoft.com", "public.ecr.aws", "amazonaws.com", "icr.io", "registry.redhat.io",
)  # fmt: skip
_IDENTITY: Final = (
    "accounts.google.com", "googleapis.com", "login.microsoftonline.com", "login.windows.net", "okta.com",
    "auth0.com", "github.com",
)  # fmt: skip
_METADATA: Final = ("metadata.google.internal", "instance-data", "instance-data.ec2.internal")
# Relative to the cluster's domain: the API's own Service, and all that measures a run.
_OURS: Final = "chaoslib-cp.svc"
_IN_CLUSTER: Final = ("kubernetes.default.svc", _OURS, "kube-dns-pods.kube-system.svc")
_DECOY: Final = f"decoy.{_OURS}"
_METADATA_NETWORKS: Final = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32")))


def refuse_forbidden(lies: Iterable[Lie], zone: str, domain: str) -> None:
    """Refuse lies that could reach further than they should.

    Args:
        lies: What is to be told.
        zone: Below which all names must be, or be it.
        domain: The cluster's, for example ``cluster.local``.

    Raises:
        ProfileInvalid: A name is outside the zone or must stay true, an answer leads out of the cluster, or a client is
            not in it; nothing was changed.
    """
    for lie in lies:
        if not _is_within(lie.name, fully_qualified(zone)):
            raise ProfileInvalid(
                f"{lie.name} is outside of zone {fully_qualified(zone)}, where lies are to stay; nothing was changed; "
                "use a name in it, or name another zone"
            )
        _refuse_name(lie, fully_qualified(domain))
        for address in lie.addresses:
            _refuse_address(address)
        for client in lie.clients:
            refuse_outsider(client)


def _refuse_name(lie: Lie, domain: str) -> None:
    kept = [*(f"{name}.{domain}" for name in _IN_CLUSTER), *map(fully_qualified, _REGISTRIES + _IDENTITY + _METADATA)]
    is_about_many = lie.kind == "zone"
    # a hijack is about names of the world with our namespace's suffix behind them: none of these measures anything
    if lie.name == f"{_DECOY}.{domain}" or (lie.kind == "search-hijack" and lie.name == f"{_OURS}.{domain}"):
        return
    for name in kept:
        if _is_within(lie.name, name) or (is_about_many and _is_within(name, lie.name)):
            raise ProfileInvalid(
                f"{lie.name}: nobody is lied to about {name}, which must stay true; nothing was changed; use another "
                f"name, such as {_DECOY}.{domain}"
            )


def _refuse_address(text: str) -> None:
    address = ipaddress.ip_address(text)
    if address.is_global or address.is_multicast or any(address in network for network in _METADATA_NETWORKS):
        raise ProfileInvalid(
            f"address {text} is not inside a cluster; nothing was changed; use one that nobody has (192.0.2.66), or a "
            "Service's or a pod's of this cluster"
        )


def _is_within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}") or zone == "."
