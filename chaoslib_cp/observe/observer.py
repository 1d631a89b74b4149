"""The observer at work: prepares everything while the cluster is healthy, then asks until it is told to stop.

From then on nothing it needs goes through cluster DNS, and nothing but the questions themselves through the API:
addresses, certificates, tokens and the prober's page are in memory.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time as process_time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.cluster.door.address import all_reached
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.prober import find_prober
from chaoslib_cp.engine.sample.https import KeptConnections
from chaoslib_cp.engine.sample.pace import Question, Record, Sampler, StallMeter
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.prober_pull import ProberPull
from chaoslib_cp.observe.questions import Kept, questions_of, ways_of
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline
from chaoslib_cp.observe.way import Way

_STDIN: Final = 0
_REACH_S: Final = 1.0


class Observer:
    """One run's observer, ready to ask.

    Args:
        plan: Its orders.
        ways: How each identity reaches the API.
        pages: Addresses of the prober's page; empty when there is no prober.
    """

    def __init__(self, plan: ObservePlan, ways: Mapping[str, Way], pages: tuple[str, ...]) -> None:
        self._plan = plan
        self._ways = dict(ways)
        self.pages = pages
        self._time = SteadyTime(SystemClock(), plan.epoch_offset_s)
        self._timeline = Timeline(Path(plan.run_dir) / TIMELINE_FILE)
        self._stalls = StallMeter(self._time)
        self._sampler = Sampler(self._time, self._stalls, self._write)
        self._counts: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until ``stop`` is set or the plan's duration is over; attempts in flight are finished and written."""
        kept: Kept = defaultdict(KeptConnections)
        questions = questions_of(self._plan, self._ways, kept)
        pull = ProberPull(self.pages, self._time, self._write) if self.pages else None
        self._started(questions)
        self._stalls.start()
        ended = self._keep_renewing()
        try:
            reason = await self._ask(questions, pull, stop)
            await self._sampler.finish()
            if pull is not None:
                await pull.pull_once()
            self._event("observer_ended", reason=reason, **self._tally())
        finally:
            ended.set()
            self._stalls.stop()
            for connections in kept.values():
                connections.close()
            self._timeline.close()

    async def _ask(self, questions: list[Question], pull: ProberPull | None, stop: asyncio.Event) -> str:
        tasks = [asyncio.ensure_future(self._sampler.keep_asking(question)) for question in questions]
        if pull is not None:
            tasks.append(asyncio.ensure_future(pull.keep_pulling()))
        told = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait(
                (told, *tasks), timeout=self._plan.duration_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {told}:
                task.result()  # asking never ends by itself, so this raises what broke it
            return "stopped" if told in done else "deadline"
        finally:
            for task in (told, *tasks):
                task.cancel()
            await asyncio.gather(told, *tasks, return_exceptions=True)

    def _keep_renewing(self) -> threading.Event:
        """Renew credentials beside the questions until the event is set."""
        loop, ended = asyncio.get_running_loop(), threading.Event()

        def tell(identity: str, trouble: str) -> None:
            name = "credentials_not_renewed" if trouble else "credentials_renewed_again"
            details = {"identity": identity, **({"reason": trouble} if trouble else {})}
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody writes any more
                loop.call_soon_threadsafe(lambda: None if ended.is_set() else self._event(name, **details))

        for way in self._ways.values():
            way.renew_until(ended, tell)
        return ended

    def _started(self, questions: list[Question]) -> None:
        self._event(
            "observer_started",
            pid=os.getpid(),
            duration_s=self._plan.duration_s,
            periods_s={question.vantage: question.period_s for question in questions},
            targets=sorted({question.target for question in questions}),
            prober_pages=list(self.pages),
        )
        if not self.pages:
            self._event("prober_lost", reason="no prober was found at the start: workload DNS is not measured")

    def _write(self, record: Record) -> None:
        if record["kind"] == "sample":
            self._counts["samples"] += 1
            self._counts["void_samples"] += bool(record.get("void"))
        self._timeline.append(record)

    def _event(self, name: str, **details: object) -> None:
        self._write({"kind": "event", "at_s": self._time.now_s(), "event": name, **details})

    def _tally(self) -> dict[str, float]:
        return {
            "samples": self._counts["samples"],
            "void_samples": self._counts["void_samples"],
            "client_cpu_s": process_time.process_time(),
            "received_bytes": sum(way.received_bytes for way in self._ways.values()),
        }


def prepare(plan: ObservePlan) -> Observer:
    """Read credentials and find the prober, while there is somebody to ask.

    Raises:
        TargetRefused: The kubeconfig lacks a context of the plan.
        TargetUnreachable: The API server's name does not resolve.
    """
    ways = ways_of(plan)
    plan = replace(plan, api_servers=all_reached(plan.api_servers, _REACH_S))
    return Observer(plan, ways, plan.prober_pages or _find_pages(plan))


def _find_pages(plan: ObservePlan) -> tuple[str, ...]:
    """Where the prober is; nowhere when it cannot be found, which the timeline will say."""
    if "runner" not in plan.contexts:
        return ()
    try:
        with open_cluster(plan.settings(), "runner") as cluster:
            return find_prober(cluster, plan.namespace).pages
    except ControlPlaneError:
        return ()


async def observe_until_told(observer: Observer) -> None:
    """Run ``observer`` until stdin ends, SIGTERM or SIGINT comes, or its duration is over.

    A stdin that nobody can hold open (a file, /dev/null) ends nothing: then only the duration does.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def read() -> None:
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            stop.set()

    watched = sys.stdin is not None
    try:
        if watched:
            loop.add_reader(_STDIN, read)
    except (PermissionError, ValueError):  # epoll knows no regular files
        watched = False
    try:
        await observer.run(stop)
    finally:
        if watched:
            loop.remove_reader(_STDIN)
