"""The workload prober: asks cluster DNS what a workload would ask, from inside a pod, and remembers the answers.

It stands where users stand: behind the resolver its own pod was given. What it learned is read from a page
(``prober_page.py``) on an address that needs neither cluster DNS nor the API, so nothing is lost while both are down.

Every vantage point asks for the same sentinel Service, whose address the kubelet has put into our environment: a truth
that needs no lookup. The cached and the uncached question do not disturb each other: they end in different caches.
"""

import argparse
import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
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
        dns_port: Port of all DNS servers.
    """

    nameserver: str
    cluster_dns: str
    sentinel: str
    expected: str
    dns_pods: str = ""
    external: str = ""
    dns_port: int = dns.DNS_PORT


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
        self.page = Page(secrets.token_hex(4), self._time)
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
            ask = self._question(wanted.nameserver, wanted.external, DNS_EXTERNAL.deadline_s)
            questions.append(Question(DNS_EXTERNAL.name, wanted.external, DNS_EXTERNAL.period_s, ask, 0.4))
        return questions

    def _about_the_sentinel(self, point: VantagePoint, server: str, first_s: float = 0.0) -> Question:
        """The sentinel's address, asked of ``server``; any other address is a wrong answer."""
        ask = self._question(server, self._settings.sentinel, point.deadline_s)

        async def ask_and_compare() -> dns.DnsSample:
            sample = await ask()
            if sample.outcome == "ok" and sample.answers != (self._settings.expected,):
                return replace(sample, outcome="wrong_answer")
            return sample

        return Question(point.name, server, point.period_s, ask_and_compare, first_s)

    def _question(self, server: str, name: str, deadline_s: float) -> Callable[[], Awaitable[dns.DnsSample]]:
        return lambda: dns.ask(server, name, "A", deadline_s, port=self._settings.dns_port)

    async def _follow_dns_pods(self, group: asyncio.TaskGroup) -> None:
        """Look the DNS pods up now and then; while that fails, the last known ones are asked on.

        The lookup goes past the node-local cache, which would show replaced pods for a TTL longer.
        """

        def start(address: str) -> asyncio.Task[None]:
            return group.create_task(self._sampler.keep_asking(self._about_the_sentinel(DNS_POD, address, 0.1)))

        find = self._question(self._settings.cluster_dns, self._settings.dns_pods, DNS_POD.deadline_s)
        while True:
            found = await find()
            if found.outcome == "ok":
                self._pods.follow(set(found.answers), start)
            await asyncio.sleep(FIND_PODS_PERIOD_S)


def first_nameserver(resolv_conf: str) -> str:
    """Return the first ``nameserver`` of a resolv.conf(5): the only one a C library asks while it answers.

    Raises:
        ProfileInvalid: There is none.
    """
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            return words[1]
    raise ProfileInvalid("no nameserver in /etc/resolv.conf; nothing was asked; give the pod dnsPolicy ClusterFirst")


def settings_from(arguments: Sequence[str]) -> tuple[ProberSettings, int]:
    """Read the command line, resolv.conf and the sentinel's address; return the settings and the page's port.

    Raises:
        ProfileInvalid: The sentinel's address is not in the environment, or there is no nameserver.
    """
    parser = argparse.ArgumentParser(prog="prober", description=__doc__)
    parser.add_argument("--cluster-dns", required=True, help="ClusterIP of cluster DNS")
    parser.add_argument("--sentinel", required=True, help="name of the sentinel Service")
    parser.add_argument("--dns-pods", default="", help="name of a headless Service over the DNS pods")
    parser.add_argument("--external", default="", help="a name outside the cluster")
    parser.add_argument("--port", type=int, default=8080, help="port of the page")
    given = parser.parse_args(arguments)
    expected = environ.get("SENTINEL_SERVICE_HOST", "")
    if not expected:
        raise ProfileInvalid(
            "SENTINEL_SERVICE_HOST is not set; nothing was asked; create Service 'sentinel' before this pod, then "
            "restart the pod"
        )
    settings = ProberSettings(
        nameserver=first_nameserver(Path("/etc/resolv.conf").read_text(encoding="utf-8")),
        cluster_dns=given.cluster_dns,
        sentinel=given.sentinel,
        expected=expected,
        dns_pods=given.dns_pods,
        external=given.external,
    )
    return settings, given.port


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
        server = await serve(prober.page, "0.0.0.0", port)  # noqa: S104 - a pod's page is asked from the node
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
