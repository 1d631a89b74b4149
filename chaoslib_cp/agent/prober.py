"""The workload prober: asks cluster DNS what a workload would ask, from inside a pod, and remembers the answers.

It stands where users stand: behind the resolver its own pod was given. What it learned is read from a page
(``prober_page.py``) on an address that needs neither cluster DNS nor the API, so nothing is lost while both are down.

Every vantage point asks for the same sentinel Service, whose address the kubelet has put into our environment: a truth
that needs no lookup. Where it is an IPv6 address, AAAA records are asked for. The cached and the uncached question do
not disturb each other: they end in different caches.
"""

import argparse
import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from os import environ
from pathlib import Path
from typing import Final

from chaoslib_cp.agent.prober_page import Page, serve
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.pace import Question, Sampler, StallMeter
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.vantage import DNS_CACHED, DNS_EXTERNAL, DNS_POD, DNS_UNCACHED, VantagePoint

FIND_PODS_PERIOD_S: Final = 5.0
RESOLV_CONF: Final = Path("/etc/resolv.conf")


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

    @property
    def families(self) -> tuple[str, str]:
        """Record types of addresses, that of the cluster's Services first."""
        return ("AAAA", "A") if ":" in self.expected else ("A", "AAAA")


@dataclass
class _PodQuestions:
    """The DNS pods known last and the task that asks each."""

    asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def follow(self, addresses: set[str], start: Callable[[str], asyncio.Task[None]]) -> None:
        """Ask exactly ``addresses`` from now on."""
        for gone in self.asking.keys() - addresses:
            self.asking.pop(gone).cancel()
        for new in addresses - self.asking.keys():
            self.asking[new] = start(new)


class Prober:
    """Asks at fixed times until cancelled and puts every sample on the page."""

    def __init__(self, settings: ProberSettings) -> None:
        self._settings = settings
        self._time = SteadyTime(SystemClock())
        self._stalls = StallMeter(self._time)
        self._pods = _PodQuestions()
        self.page = Page(secrets.token_hex(4), self._time, settings.nameservers)
        self._sampler = Sampler(self._time, self._stalls, self.page.add)

    async def run(self) -> None:
        """Ask for ever."""
        self._stalls.start()
        try:
            async with asyncio.TaskGroup() as group:
                for question in self._questions():
                    group.create_task(self._sampler.keep_asking(question))
                if self._settings.dns_pods:
                    group.create_task(self._follow_dns_pods(group))
        finally:
            self._stalls.stop()

    def _questions(self) -> list[Question]:
        wanted = self._settings
        questions = [
            # Half a period apart, so that the two answers of one moment come from two moments.
            self._about_the_sentinel(DNS_CACHED, wanted.nameserver),
            self._about_the_sentinel(DNS_UNCACHED, wanted.cluster_dns, 0.25),
        ]
        if wanted.external:
            ask = self._question_of_either(wanted.nameserver, wanted.external, DNS_EXTERNAL.deadline_s)
            questions.append(Question(DNS_EXTERNAL.name, wanted.external, DNS_EXTERNAL.period_s, ask, 0.4))
        return questions

    def _about_the_sentinel(self, point: VantagePoint, server: str, first_s: float = 0.0) -> Question:
        """The sentinel's address, asked of ``server``; any other address is a wrong answer."""
        port = self._settings.pods_port if point is DNS_POD else None
        ask = self._question(server, self._settings.sentinel, point.deadline_s, port)
        expected = _address(self._settings.expected)

        async def ask_and_compare() -> dns.DnsSample:
            sample = await ask()
            if sample.outcome == "ok" and tuple(map(_address, sample.answers)) != (expected,):
                return replace(sample, outcome="wrong_answer")
            return sample

        return Question(point.name, server, point.period_s, ask_and_compare, first_s)

    def _question(
        self, server: str, name: str, deadline_s: float, port: int | None = None
    ) -> Callable[[], Awaitable[dns.DnsSample]]:
        """Addresses of ``name``, of the family that the cluster's Services have."""
        family, at = self._settings.families[0], port or self._settings.dns_port
        return lambda: dns.ask(server, name, family, deadline_s, port=at)

    def _question_of_either(self, server: str, name: str, deadline_s: float) -> Callable[[], Awaitable[dns.DnsSample]]:
        """Addresses of ``name``, of the other family where it has none of the first, as a C library asks for both."""
        ask = self._question(server, name, deadline_s)

        async def ask_for_either() -> dns.DnsSample:
            first = await ask()
            if first.outcome != "nodata":
                return first
            family, left_s = self._settings.families[1], max(0.1, deadline_s - first.latency_s)
            other = await dns.ask(server, name, family, left_s, port=self._settings.dns_port)
            return replace(other, latency_s=first.latency_s + other.latency_s)

        return ask_for_either

    async def _follow_dns_pods(self, group: asyncio.TaskGroup) -> None:
        """Look the DNS pods up now and then; while that fails, the last known ones are asked on.

        The lookup goes past the node-local cache, which would show replaced pods for a TTL longer.
        """

        def start(address: str) -> asyncio.Task[None]:
            return group.create_task(self._sampler.keep_asking(self._about_the_sentinel(DNS_POD, address, 0.1)))

        find = self._question_of_either(self._settings.cluster_dns, self._settings.dns_pods, DNS_POD.deadline_s)
        while True:
            found = await find()
            if found.outcome == "ok":
                self._pods.follow(set(found.answers), start)
            await asyncio.sleep(FIND_PODS_PERIOD_S)


@dataclass(frozen=True)
class ResolvConf:
    """What a resolv.conf(5) says.

    Attributes:
        nameservers: In the order in which a C library asks: the second only where the first does not answer.
        domain: The cluster's DNS domain, from the search list that a kubelet writes; empty where there is none.
    """

    nameservers: tuple[str, ...]
    domain: str = ""


def read_resolv_conf(text: str) -> ResolvConf:
    """Read the text of a resolv.conf(5).

    Raises:
        ProfileInvalid: It has no nameserver.
    """
    lines = [line.split() for line in text.splitlines()]
    nameservers = tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
    if not nameservers:
        raise ProfileInvalid(
            "no nameserver in /etc/resolv.conf; nothing was asked; give the pod dnsPolicy ClusterFirst"
        )
    # the last search line counts; a kubelet writes NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN (source: kubelet, dns.go)
    search = next((words[1:] for words in reversed(lines) if words and words[0] == "search"), [])
    domains = [name.removeprefix("svc.").rstrip(".") for name in search if name.startswith("svc.")]
    return ResolvConf(nameservers, next(iter(domains), ""))


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


def _address(text: str) -> str:
    """One text for one address: IPv6 may be written in many ways (RFC 5952)."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text


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


def main(arguments: Sequence[str]) -> int:
    """Run the prober until SIGTERM; returns the exit status."""
    settings, port = settings_from(arguments)
    asyncio.run(_until_told(settings, port))
    return 0


async def _until_told(settings: ProberSettings, port: int) -> None:
    prober = Prober(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        server = await serve(prober.page, "", port)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        asking = asyncio.ensure_future(prober.run())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        asking.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)
        if not asking.cancelled():
            asking.result()
