"""What the workload prober is told: its command line, its pod's resolv.conf and the sentinel's address."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from os import environ
from pathlib import Path

from chaoslib_cp.agent.resolv_conf import RESOLV_CONF, ResolvConf, read_resolv_conf
from chaoslib_cp.engine.poison.arming import BACKEND_PORT
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.errors import ProfileInvalid


@dataclass(frozen=True)
class ProberSettings:
    """What to ask and whom.

    Attributes:
        nameserver: The pod's own resolver: the node-local cache where there is one.
        cluster_dns: ClusterIP of cluster DNS, asked past the node-local cache.
        sentinel: Name of the sentinel Service.
        expected: The one right answer to it.
        dns_pods: Headless Service over the DNS pods; empty to leave single pods out.
        external: A name outside the cluster; empty to leave it out.
        dns_port: Port of all DNS servers but the single pods.
        pods_port: Port of each DNS pod; None for ``dns_port``.
        nameservers: What the pod's resolv.conf lists; the page tells.
        node: Name of the node that it runs on; empty where nobody told it.
        backend_port: Where an armed DNS pod answers past its cache.
    """

    nameserver: str
    cluster_dns: str
    sentinel: str
    expected: str
    dns_pods: str = ""
    external: str = ""
    dns_port: int = dns.DNS_PORT
    pods_port: int | None = None
    nameservers: tuple[str, ...] = ()
    node: str = ""
    backend_port: int = BACKEND_PORT

    @property
    def families(self) -> tuple[str, str]:
        """Record types of addresses, that of the cluster's Services first."""
        return ("AAAA", "A") if ":" in self.expected else ("A", "AAAA")

    @property
    def short_sentinel(self) -> str:
        """The sentinel as workloads of other namespaces write it: Service and namespace, the rest by search list."""
        return self.sentinel.partition(".svc.")[0]

    @property
    def namespace_domain(self) -> str:
        """The domain of the sentinel's namespace, in which nobody else makes Services."""
        return self.sentinel.partition(".")[2]

    def judged(self, sample: dns.DnsSample) -> dns.DnsSample:
        """The sample of the sentinel, with any address but the true one as a wrong answer."""
        is_true = tuple(map(one_text, sample.answers)) == (one_text(self.expected),)
        return sample if is_true or sample.outcome != "ok" else replace(sample, outcome="wrong")


def cluster_dns_behind(resolver: ResolvConf) -> str:
    """The address of cluster DNS where nobody named one: the pod's nameserver, unless that is a cache of its node.

    Raises:
        ProfileInvalid: It is one, so the address behind it must be named.
    """
    nameserver = resolver.nameservers[0]
    address = ip_address(nameserver.partition("%")[0])
    if address.is_link_local or address.is_loopback:
        raise ProfileInvalid(
            f"pods ask {nameserver}, a cache on their node; nothing was asked; name the address of cluster DNS behind "
            "it: `chaos cp manifests --cluster-dns ADDRESS`"
        )
    return nameserver


def settings_from(arguments: Sequence[str], resolv_conf: Path = RESOLV_CONF) -> tuple[ProberSettings, int]:
    """Read the command line, resolv.conf and the sentinel's address; return the settings and the page's port.

    Raises:
        ProfileInvalid: The sentinel's address is not in the environment, there is no nameserver, or the address or the
            domain of cluster DNS is neither given nor in resolv.conf.
    """
    parser = argparse.ArgumentParser(prog="prober", description=__doc__)
    parser.add_argument("--cluster-dns", default="", help="ClusterIP of cluster DNS; by default what resolv.conf has")
    parser.add_argument("--sentinel", required=True, help="name of the sentinel Service")
    parser.add_argument("--dns-pods", default="", help="name of a headless Service over the DNS pods")
    parser.add_argument("--dns-pods-port", type=int, default=dns.DNS_PORT, help="port of each of them")
    parser.add_argument("--external", default="", help="a name outside the cluster")
    parser.add_argument("--port", type=int, default=8080, help="port of the page")
    given = parser.parse_args(arguments)
    expected = environ.get("SENTINEL_SERVICE_HOST", "")
    if not expected:
        raise ProfileInvalid(
            "SENTINEL_SERVICE_HOST is not set; nothing was asked; create Service 'sentinel' before this pod, then "
            "restart the pod"
        )
    resolver = read_resolv_conf(resolv_conf.read_text(encoding="utf-8"))
    settings = ProberSettings(
        nameserver=resolver.nameservers[0],
        cluster_dns=given.cluster_dns or cluster_dns_behind(resolver),
        sentinel=_in_domain(given.sentinel, resolver),
        expected=expected,
        dns_pods=_in_domain(given.dns_pods, resolver),
        external=given.external,
        pods_port=given.dns_pods_port,
        nameservers=resolver.nameservers,
        node=environ.get("NODE_NAME", ""),
    )
    return settings, given.port


def _in_domain(name: str, resolver: ResolvConf) -> str:
    """A Service's whole name: without a domain it ends with ``.svc``."""
    if not name.endswith(".svc"):
        return name
    if not resolver.domain:
        raise ProfileInvalid(
            "no search list of a cluster in /etc/resolv.conf; nothing was asked; name the cluster's domain: "
            "`chaos cp manifests --cluster-domain DOMAIN`"
        )
    return f"{name}.{resolver.domain}"


def one_text(address: str) -> str:
    """One text for one address: IPv6 may be written in many ways (RFC 5952). Other texts stay as they are."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address
