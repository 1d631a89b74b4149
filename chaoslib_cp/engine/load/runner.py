"""The runner: agents that come and go at run time, one end for all of them, one account of what happened."""

import asyncio
import math
import resource
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.agent import DEADLINE, Agent
from chaoslib_cp.engine.load.agent_setup import AgentSetup
from chaoslib_cp.engine.load.budget import Budget
from chaoslib_cp.engine.load.channel import Connect, Credentials
from chaoslib_cp.engine.load.head import NOWHERE
from chaoslib_cp.engine.load.per_second import PerSecond
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.result import LoadResult
from chaoslib_cp.engine.load.totals import Totals

REMOVED = "removed"
STOPPED = "stopped"
# the clock is asked this often whether somebody is over: event loop timers stand still while a machine sleeps
_TICK_S = 0.25


class _WithDeadline(Protocol):
    @property
    def deadline_epoch_s(self) -> float | None:
        """When all of it must be over, seconds since 1970."""


def fuse_s(profile: _WithDeadline, clock: Clock) -> float:
    """Return the monotonic second at which the whole load must be over.

    The absolute deadline is turned into a monotonic one once, here: a clock that steps back later cannot lengthen it.
    """
    now_s = clock.monotonic_s()
    if profile.deadline_epoch_s is None:
        return math.inf
    return now_s + max(profile.deadline_epoch_s - clock.epoch_s(), 0.0)


class LoadRunner:
    """Plays agents until each is over.

    Args:
        profile: what each agent does.
        host: the Host header, normally the target's server name.
        connect: opens connections, normally ``connector(target, ...)``.
        clock: its monotonic time decides when an agent is over.
        loop: the event loop everything runs on.
        base_path: what every path begins with, without a slash at its end.

    Attributes:
        per_second: what was offered and answered in each second since the first agent began.
        last_ended_s: monotonic second at which the latest agent that is over sent its last; None before.
    """

    def __init__(
        self,
        profile: LoadProfile,
        host: str,
        connect: Connect,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        base_path: str = "",
    ) -> None:
        self._totals = [Totals() for _ in profile.requests]
        self.per_second = PerSecond()
        self._setup = AgentSetup(
            profile, host, connect, self._totals, Budget(profile), loop, clock, self.per_second, base_path
        )
        self._clock = clock
        self._fuse_s = fuse_s(profile, clock)
        self._started_s = clock.monotonic_s()
        self._began_epoch_s = clock.epoch_s()
        self._cpu_at_start_s = own_cpu_s()
        self._agents: dict[str, Agent] = {}
        self._ended: dict[str, int] = {}
        self._all_over = asyncio.Event()
        self._all_over.set()
        self._tick_timer: asyncio.TimerHandle | None = None
        # no agent ends of its own before that; one that was removed may still count
        self._first_ends_at_s = math.inf
        self.last_ended_s: float | None = None

    @property
    def running(self) -> int:
        """How many agents are not over."""
        return len(self._agents)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the runner was made."""
        return self._clock.monotonic_s() - self._started_s

    @property
    def cpu_s(self) -> float:
        """CPU seconds that this process has used since then."""
        return own_cpu_s() - self._cpu_at_start_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the last of the present agents must be over; 0 without agents."""
        now_s = self._clock.monotonic_s()
        return max((agent.ends_at_s - now_s for agent in self._agents.values()), default=0.0)

    def add_agent(self, agent_id: str, credentials: Credentials, place: Mapping[str, str] = NOWHERE) -> bool:
        """Start an agent.

        Args:
            agent_id: names it; part of the schedule's seed.
            credentials: who it is.
            place: where it is, by the words of ``head.PLACES``; only what the profile's requests leave open counts.

        Returns:
            False when it was not started because it is there already, or because the deadline has passed.

        Raises:
            ProfileInvalid: a request leaves something open that ``place`` does not have. The agent was not started.
        """
        return self.add_agents({agent_id: credentials}, {agent_id: place}) == 1

    def add_agents(
        self, agents: Mapping[str, Credentials], places: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    ) -> int:
        """Start agents at one moment, after all of them are ready: of thousands, the first would begin late otherwise.

        Args:
            agents: credentials by id; one that is there already is not started.
            places: where each of them is, as :meth:`add_agent` tells.

        Returns:
            How many were started; 0 when the deadline has passed.

        Raises:
            ProfileInvalid: as :meth:`add_agent`; none was started.
        """
        now_s = self._clock.monotonic_s()
        if now_s >= self._fuse_s:
            return 0
        ends_at_s = min(now_s + self._setup.profile.duration_s, self._fuse_s)
        made = [
            Agent(agent_id, credentials, self._setup, ends_at_s, self._agent_ended, places.get(agent_id, NOWHERE))
            for agent_id, credentials in agents.items()
            if agent_id not in self._agents
        ]
        started_at = self._setup.loop.time()
        self.per_second.begin(started_at)
        self._first_ends_at_s = min(self._first_ends_at_s, ends_at_s)
        for agent in made:
            self._agents[agent.agent_id] = agent
            self._all_over.clear()
            agent.start(started_at)
        if made and self._tick_timer is None:
            self._tick()
        return len(made)

    def remove_agent(self, agent_id: str) -> bool:
        """End an agent at once, as if its pod were gone; False when there is none of that name."""
        agent = self._agents.get(agent_id)
        if agent is not None:
            agent.end(REMOVED)
        return agent is not None

    def replace_credentials(self, agent_id: str, credentials: Credentials) -> bool:
        """Give an agent other credentials from its next request on; False when there is none of that name."""
        agent = self._agents.get(agent_id)
        if agent is not None:
            agent.replace_credentials(credentials)
        return agent is not None

    def stop(self) -> None:
        """End all agents at once."""
        for agent in list(self._agents.values()):
            agent.end(STOPPED)

    async def wait_until_over(self) -> None:
        """Return when no agent is left."""
        await self._all_over.wait()

    def totals(self) -> Totals:
        """Return the counts of all kinds of request together."""
        merged = Totals()
        for one in self._totals_so_far():
            merged.merge(one)
        return merged

    def open_for_s(self) -> list[float]:
        """How long each request without an answer has been waiting since it came due, seconds."""
        return [waited_s for agent in self._agents.values() for waited_s in agent.open_for_s()]

    def snapshot(self) -> dict[str, Any]:
        """Return the account so far as JSON: agents, all requests together, each kind, own CPU seconds."""
        so_far = self.result("", 0).as_dict()
        return {
            **{key: so_far[key] for key in ("profile", "seed", "elapsed_s", "total", "requests", "cpu_s")},
            "remaining_s": self.remaining_s,
            "agents": {"running": len(self._agents), "ended": dict(sorted(self._ended.items()))},
        }

    def result(self, reason: str, nodes: int) -> LoadResult:
        """Return what it came to so far, to be told or added up with others'.

        Args:
            reason: why it ended.
            nodes: how many virtual nodes its agents stand for.
        """
        profile = self._setup.profile
        return LoadResult(
            profile=profile.name,
            seed=profile.seed,
            reason=reason,
            nodes=nodes,
            began_s=self._began_epoch_s,
            elapsed_s=self.elapsed_s,
            cpu_s=self.cpu_s,
            peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # Linux counts in KiB
            kinds=tuple({"pattern": one.pattern, "path": one.path, "query": one.query} for one in profile.requests),
            totals=self._totals_so_far(),
            per_second=self.per_second,
        )

    def _totals_so_far(self) -> tuple[Totals, ...]:
        for agent in self._agents.values():
            agent.count_held_back()
        return tuple(self._totals)

    def _tick(self) -> None:
        now_s = self._clock.monotonic_s()
        budget = self._setup.budget
        is_spent = not (budget.has_tries and budget.has_bytes)
        # thousands of agents are looked at only when there is something to see
        if is_spent or now_s >= self._first_ends_at_s:
            for agent in list(self._agents.values()):
                if now_s >= agent.ends_at_s:
                    agent.end(DEADLINE)
                elif is_spent:
                    agent.end_if_spent()
            self._first_ends_at_s = min((agent.ends_at_s for agent in self._agents.values()), default=math.inf)
        self._tick_timer = self._setup.loop.call_later(_TICK_S, self._tick) if self._agents else None

    def _agent_ended(self, agent: Agent, reason: str) -> None:
        del self._agents[agent.agent_id]
        self._ended[reason] = self._ended.get(reason, 0) + 1
        self.last_ended_s = self._clock.monotonic_s()
        if not self._agents:
            self._all_over.set()


def own_cpu_s() -> float:
    """Return the CPU seconds, user and system, this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
