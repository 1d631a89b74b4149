"""The workload prober: asks cluster DNS what a workload would ask, from inside a pod, and remembers the answers.

It stands where users stand: behind the resolver its own pod was given. What it learned is read from a page
(``prober_page.py``) on an address that needs neither cluster DNS nor the API, so nothing is lost while both are down.

Every vantage point asks for the same sentinel Service, whose address the kubelet has put into our environment: a truth
that needs no lookup. Where it is an IPv6 address, AAAA records are asked for. No layer fills a cache for another: past
the caches of the nodes the question is marked, so that the servers keep its answer apart from what workloads get.

It begins to ask when its page is first read: of hundreds of nodes a run reads ten, and all other probers keep still.
"""

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaoslib_cp.agent.prober_page import Page, serve
from chaoslib_cp.agent.prober_settings import ProberSettings, settings_from
from chaoslib_cp.agent.watched import Watch
from chaoslib_cp.agent.workload import workload_questions
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.poison.revision import REVISION_NAME, read_revision
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import query_for
from chaoslib_cp.engine.sample.pace import Question, Sampler, StallMeter
from chaoslib_cp.vantage import DNS_CACHED, DNS_EXTERNAL, DNS_POD, DNS_REVISION, DNS_UNCACHED
from chaoslib_cp.vantage_point import VantagePoint

FIND_PODS_PERIOD_S: Final = 5.0


@dataclass
class _Followed:
    """Questions that come and go, and the task that asks each."""

    asking: dict[Any, asyncio.Task[None]] = field(default_factory=dict)

    def follow(self, wanted: Mapping[Any, Question], start: Callable[[Question], asyncio.Task[None]]) -> None:
        """Ask exactly what is wanted from now on."""
        for gone in self.asking.keys() - wanted.keys():
            self.asking.pop(gone).cancel()
        for new in wanted.keys() - self.asking.keys():
            self.asking[new] = start(wanted[new])


class Prober:
    """Asks at fixed times until cancelled and puts every sample on the page."""

    def __init__(self, settings: ProberSettings) -> None:
        self._settings = settings
        self._time = SteadyTime(SystemClock())
        self._stalls = StallMeter(self._time)
        self._pods = _Followed()
        self._revisions = _Followed()
        self._watched = _Followed()
        self._watch = Watch(settings, self._time)
        self.page = Page(secrets.token_hex(4), self._time, settings.nameservers, settings.node)
        self._sampler = Sampler(self._time, self._stalls, self.page.add)

    async def run(self) -> None:
        """Ask for ever."""
        self._stalls.start()
        try:
            async with asyncio.TaskGroup() as group:
                for question in self._questions(group):
                    self._keep_asking(group, question)
                if self._settings.dns_pods:
                    group.create_task(self._follow_dns_pods(group))
        finally:
            self._stalls.stop()

    async def run_once_read(self) -> None:
        """Ask for ever, from the moment at which somebody reads the page."""
        await self.page.has_reader.wait()
        await self.run()

    def _keep_asking(self, group: asyncio.TaskGroup, question: Question) -> asyncio.Task[None]:
        return group.create_task(self._sampler.keep_asking(question))

    def _questions(self, group: asyncio.TaskGroup) -> list[Question]:
        wanted = self._settings
        questions = [
            # Half a period apart, so that the two answers of one moment come from two moments.
            self._about_the_sentinel(DNS_CACHED, wanted.nameserver),
            self._about_the_sentinel(DNS_UNCACHED, wanted.cluster_dns, 0.25),
            *workload_questions(wanted),
        ]
        if wanted.external:
            ask = self._question_of_either(wanted.nameserver, wanted.external, DNS_EXTERNAL.deadline_s)
            questions.append(Question(DNS_EXTERNAL.name, wanted.external, DNS_EXTERNAL.period_s, ask, 0.4))
        if wanted.nameserver != wanted.cluster_dns:
            questions.append(self._about_the_revision(wanted.nameserver, wanted.dns_port, group))
        return questions

    def _about_the_sentinel(self, point: VantagePoint, server: str, first_s: float = 0.0) -> Question:
        """The sentinel's address, asked of ``server``; any other address is a wrong answer.

        Past the caches of the nodes it is asked for in a way of our own: what we ask there must not fill the entry from
        which those caches, and through them workloads, are served.
        """
        port = self._settings.pods_port if point is DNS_POD else None
        ask = self._question(server, self._settings.sentinel, point.deadline_s, port, point is not DNS_CACHED)

        async def ask_and_compare() -> dns.DnsSample:
            return self._settings.judged(await ask())

        return Question(point.name, server, point.period_s, ask_and_compare, first_s)

    def _question(
        self, server: str, name: str, deadline_s: float, port: int | None = None, own_entry: bool = False
    ) -> Callable[[], Awaitable[dns.DnsSample]]:
        """Addresses of ``name``, of the family that the cluster's Services have."""
        query, at = query_for(name, self._settings.families[0], own_entry), port or self._settings.dns_port
        return lambda: dns.ask(server, query, deadline_s, port=at)

    def _question_of_either(self, server: str, name: str, deadline_s: float) -> Callable[[], Awaitable[dns.DnsSample]]:
        """Addresses of ``name``, of the other family where it has none of the first, as a C library asks for both."""
        ask = self._question(server, name, deadline_s)

        async def ask_for_either() -> dns.DnsSample:
            first = await ask()
            if first.outcome != "nodata":
                return first
            family, left_s = self._settings.families[1], max(0.1, deadline_s - first.latency_s)
            other = await dns.ask(server, query_for(name, family), left_s, port=self._settings.dns_port)
            return replace(other, latency_s=first.latency_s + other.latency_s)

        return ask_for_either

    async def _follow_dns_pods(self, group: asyncio.TaskGroup) -> None:
        """Look the DNS pods up now and then; while that fails, the last known ones are asked on.

        The lookup goes past the node-local cache, which would show replaced pods for a TTL longer.
        """
        find = self._question_of_either(self._settings.cluster_dns, self._settings.dns_pods, DNS_POD.deadline_s)
        while True:
            found = await find()
            if found.outcome == "ok":
                self._ask_pods(found.answers, group)
            await asyncio.sleep(FIND_PODS_PERIOD_S)

    def _ask_pods(self, addresses: Sequence[str], group: asyncio.TaskGroup) -> None:
        """Ask exactly these pods from now on: for the sentinel, and for what they run."""
        port = self._settings.pods_port or self._settings.dns_port
        for gone in self._revisions.asking.keys() - set(addresses):
            self._watch.gone(str(gone))
        sentinel = {address: self._about_the_sentinel(DNS_POD, address, 0.1) for address in addresses}
        revision = {address: self._about_the_revision(address, port, group) for address in addresses}
        self._pods.follow(sentinel, lambda question: self._keep_asking(group, question))
        self._revisions.follow(revision, lambda question: self._keep_asking(group, question))

    def _about_the_revision(self, server: str, port: int, group: asyncio.TaskGroup) -> Question:
        """Which Corefile a server runs; what it says there is watched from then on."""

        async def ask_and_follow() -> dns.DnsSample:
            sample = await dns.ask(server, query_for(REVISION_NAME, "TXT"), DNS_REVISION.deadline_s, port=port)
            self._watch.heard(server, read_revision(sample.answers), is_silent=sample.rcode is None)
            self._watched.follow(self._watch.questions(), lambda question: self._keep_asking(group, question))
            return sample

        return Question(DNS_REVISION.name, server, DNS_REVISION.period_s, ask_and_follow, 0.3)


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
        asking = asyncio.ensure_future(prober.run_once_read())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((asking, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        asking.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)
        if not asking.cancelled():
            asking.result()
