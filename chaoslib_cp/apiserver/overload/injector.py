"""The load itself: virtual nodes on one event loop, with an account once a second and an end that comes by itself."""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

from chaoslib_cp.apiserver.overload.crew import Crew
from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.apiserver.ramp.ascent import Ascent
from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.servers import ServerWatch, server_watch
from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.cluster.door.connection import Connection
from chaoslib_cp.engine.load.account import account_of
from chaoslib_cp.engine.load.channel import Connect, Credentials
from chaoslib_cp.engine.load.connector import Target, connector, spread
from chaoslib_cp.engine.load.process import offering, require_open_files
from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.virtual_nodes import stands_for
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import LOAD_CPU, RAMP_OVER, RAMP_RUNG
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline
from chaoslib_cp.settings import read_settings
from chaoslib_cp.vantage import AGENT_LOAD

SOURCE: Final = "runner"
"""Who tells the account: the machine that the run is on."""
_PROGRESS_S: Final = 1.0
_RENEW_S: Final = 5.0


class Injector:
    """Everything is ready: nothing has been sent yet.

    Args:
        plan: Its orders.
        connection: How the API servers are reached, and as whom.
        clock: Source of time.

    Raises:
        ProfileInvalid: The profile is none, the machine allows too few open files, or the result cannot be written.
        TargetRefused: The client certificate cannot be used.
    """

    def __init__(self, plan: OverloadPlan, connection: Connection, clock: Clock) -> None:
        self.profile = parse_profile(plan.profile)
        self._plan, self._connection, self._clock = plan, connection, clock
        require_open_files(self.profile, plan.nodes)
        self._tls = self._make_tls()
        self._time = SteadyTime(clock, plan.epoch_offset_s)
        self._timeline = Timeline(Path(plan.timeline) / TIMELINE_FILE) if plan.timeline else None
        self._result = _open_result(Path(plan.result))
        self._unauthorized = 0
        self._ascent: Ascent | None = None

    def climbs(self, ladder: Ladder, servers: ServerWatch) -> None:
        """Let the load climb instead of being there in full from the begin on."""
        self._ascent = Ascent(ladder, servers, self._clock, self._tell_of_ramp)

    async def play(self, deadline_epoch_s: float, stop: asyncio.Event) -> None:
        """Play until the deadline, until every virtual node is over, or until ``stop`` is set.

        Args:
            deadline_epoch_s: When all is over, seconds since 1970; it is turned into monotonic time at once.
            stop: Ends it at once.
        """
        loop = asyncio.get_running_loop()
        profile = parse_profile({**self._plan.profile, "deadline_epoch_s": deadline_epoch_s})
        where = (self._connection.host, self._connect(loop, profile), self._clock, loop)
        runner = LoadRunner(profile, *where, self._connection.base_path)
        crew = Crew(runner, self._credentials, self._plan.namespace)
        course = loop.create_task(self._play(crew, deadline_epoch_s - self._clock.epoch_s()))
        tasks = [course, *(loop.create_task(one) for one in (stop.wait(), self._tell(crew), self._renew(crew)))]
        await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        reason = "stopped" if stop.is_set() else "at its own end"
        runner.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # a ramp tells what it has found so far
        self._account(crew)
        found = {} if self._ascent is None else {"ramp": self._ascent.result()}
        self._say({**runner.result(reason, crew.most).as_dict(), **found})
        if not course.cancelled():
            course.result()  # what broke it is its last words

    async def _play(self, crew: Crew, left_s: float) -> None:
        """All virtual nodes from the begin on, or a ramp; over at the deadline."""
        if self._ascent is None:
            crew.resize(self._plan.nodes)
            await crew.runner.wait_until_over()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._ascent.play(crew)

    def _connect(self, loop: asyncio.AbstractEventLoop, profile: LoadProfile) -> Connect:
        """A connection is given up by its request's own limit, never by the handshake's."""
        return spread(
            [
                connector(_target(address, self._connection.server_name), loop, profile.request_timeout_s + 1)
                for address in self._plan.addresses
            ]
        )

    def _make_tls(self) -> SSLContext | None:
        return offering(self._connection.tls(), self.profile) if self._connection.scheme == "https" else None

    def _credentials(self, number: int) -> Credentials:
        plan = self._plan
        headers = (*self._connection.headers(), *stands_for(plan.impersonate, number, plan.namespace))
        return Credentials(tls=self._tls, headers=headers)

    async def _tell(self, crew: Crew) -> None:
        """Say how it goes, once a second, and the account as often as an agent does."""
        seconds = 0
        while True:
            if seconds % AGENT_LOAD.period_s == 0:
                self._account(crew)
            await asyncio.sleep(_PROGRESS_S)
            seconds += 1
            self._say(_progress(crew.runner))
            self._distrust_if_unknown(crew.runner)

    def _tell_of_ramp(self, phase: str, told: Mapping[str, Any]) -> None:
        """A rung, or the end of the ramp: into the result, and what fits into a line of the timeline."""
        self._say({"phase": phase, phase: told})
        if self._timeline is None:
            return
        event = {"rung": RAMP_RUNG, "ramp": RAMP_OVER}[phase]
        shown = {key: value for key, value in told.items() if key != "ladder"}
        line = {"kind": "event", "at_s": self._time.now_s(), "event": event, "fault": self.profile.fault, phase: shown}
        with suppress(OSError):
            self._timeline.append(line)

    async def _renew(self, crew: Crew) -> None:
        """Renew the credentials as any client does; nothing waits for it."""
        while True:
            await asyncio.sleep(_RENEW_S)
            if await asyncio.to_thread(self._connection.login.renew_if_due):
                self._tls = self._make_tls()
                crew.renew_credentials()

    def _distrust_if_unknown(self, runner: LoadRunner) -> None:
        unauthorized = runner.totals().outcomes.get("http_401", 0)
        if unauthorized > self._unauthorized:
            self._connection.login.distrust()
        self._unauthorized = unauthorized

    def _account(self, crew: Crew) -> None:
        """Put the account, and the CPU that it cost, into the timeline."""
        if self._timeline is None:
            return
        runner, nodes = crew.runner, crew.most
        account = account_of(self.profile.fault, SOURCE, runner.totals(), nodes, runner.running).wanting(nodes)
        now_s = self._time.now_s()
        cpu = {"kind": "event", "at_s": now_s, "event": LOAD_CPU, "fault": self.profile.fault}
        cpu["flow_schema"] = self._plan.flow_schema
        with suppress(OSError):  # a full disk must not change the load's end
            self._timeline.append(account.as_sample(now_s))
            self._timeline.append({**cpu, "client_cpu_s": runner.cpu_s})

    def _say(self, line: dict[str, Any]) -> None:
        with suppress(OSError):
            os.write(self._result, json.dumps(line).encode() + b"\n")


def prepare(plan: OverloadPlan, clock: Clock) -> Injector:
    """Read credentials and certificates, while there is time.

    Raises:
        TargetRefused, TargetUnreachable: As :func:`describe`.
        ProfileInvalid: As :class:`Injector`.
    """
    settings = read_settings().reached_by(plan.kubeconfig, {"agent": plan.context})
    connection = describe(settings, "agent", plan.addresses)
    injector = Injector(plan, connection, clock)
    if plan.ladder:
        ladder = Ladder(**plan.ladder)
        injector.climbs(ladder, server_watch(plan, ladder, connection, SteadyTime(clock, plan.epoch_offset_s)))
    return injector


def _target(address: str, server_name: str) -> Target:
    """TLS is that of the credentials; a server without TLS has none there either."""
    host, _, port = address.rpartition(":")
    return Target(host.strip("[]"), int(port), server_name, None)


def _open_result(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ProfileInvalid(
            f"result {path} of the load cannot be written: {error.strerror}; nothing was sent; check the disk"
        ) from error


def _progress(runner: LoadRunner) -> dict[str, Any]:
    totals = runner.totals()
    latency = totals.latency()
    return {
        "phase": "load",
        "elapsed_s": runner.elapsed_s,
        "remaining_s": runner.remaining_s,
        "running": runner.running,
        **totals.account(),
        "outcomes": dict(totals.outcomes),
        "received_bytes": totals.received_bytes,
        "p50_s": latency.percentile_s(50),
        "p99_s": latency.percentile_s(99),
        "cpu_s": runner.cpu_s,
    }
