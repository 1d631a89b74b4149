"""The farm itself: pods and nodes as they are seen, and for each telemetry pod that runs an agent that plays it."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.connection import Connect, Credentials
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.runner import LoadRunner, own_cpu_s
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.async_api import ApiSession
from chaoslib_cp.testbed.farm.kubelet import Mounts, Sessions, TelemetryPod
from chaoslib_cp.testbed.farm.reflector import Collection, Reflector

PODS = Collection("/api/v1/pods", "chaoslib-cp/role=telemetry-agent")
NODES = Collection("/api/v1/nodes", "type=kwok", is_metadata_only=True)
_SHOWN_WAITING = 20


class Farm:
    """Plays the telemetry agents on fake nodes.

    Args:
        make_session: opens connections for the farm's own calls.
        agent_connect: opens connections for the agents.
        host: the Host header of both.
        node_prefix: the nodes that are fake; others run their pods themselves.
        clock: for deadlines.
        seed: of back-offs and watch lengths.
    """

    def __init__(
        self,
        make_session: Callable[[], ApiSession],
        agent_connect: Connect,
        host: str,
        node_prefix: str,
        clock: Clock,
        seed: int = 1,
    ) -> None:
        draws = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._agent_connect = agent_connect
        self._host = host
        self._node_prefix = node_prefix
        self._clock = clock
        self._draws = draws
        self._sessions = Sessions(make_session)
        self._pods: dict[str, TelemetryPod] = {}
        self._nodes: set[str] = set()
        self._agents: dict[str, _PlayedPod] = {}
        # a container that was started once is never started again, whatever becomes of its node (marker file)
        self._begun: set[str] = set()
        self._too_late = 0
        self._runners: dict[str, LoadRunner] = {}
        self._started_s = clock.monotonic_s()
        self._pod_list = Reflector(make_session(), PODS, self._put_pod, self._drop_pod, draws)
        self._node_list = Reflector(make_session(), NODES, self._put_node, self._drop_node, draws)

    async def run(self) -> None:
        """Follow pods and nodes until cancelled; then every agent ends."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._node_list.run())
                group.create_task(self._pod_list.run())
        finally:
            for key in list(self._agents):
                self._end_agent(key)
            self._sessions.close()

    def status(self) -> dict[str, Any]:
        """Return the account so far as JSON; agents never started are named with the reason."""
        totals = Totals()
        for runner in self._runners.values():
            totals.merge(runner.totals())
        waiting = [agent for agent in self._agents.values() if agent.is_waiting]
        now_s = self._clock.monotonic_s()
        elapsed_s = now_s - self._started_s
        ends_s = [runner.last_ended_s for runner in self._runners.values() if runner.last_ended_s is not None]
        return {
            "at_s": self._clock.epoch_s(),
            "elapsed_s": elapsed_s,
            "nodes": len(self._nodes),
            "pods": len(self._pods),
            "agents": {
                "running": sum(runner.running for runner in self._runners.values()),
                "started": len(self._begun) - self._too_late,
                "too_late": self._too_late,
                "never_started": len(waiting),
                "last_ended_at_s": self._clock.epoch_s() - (now_s - max(ends_s)) if ends_s else None,
            },
            "never_started": [agent.describe() for agent in waiting[:_SHOWN_WAITING]],
            "requests": totals.as_dict(elapsed_s),
            "watches": {
                name: {"state": one.state, "last_error": one.last_error}
                for name, one in (("pods", self._pod_list), ("nodes", self._node_list))
            },
            "cpu_s": own_cpu_s(),
        }

    def _put_pod(self, key: str, item: Manifest) -> None:
        pod = TelemetryPod.of(key, item)
        if pod.node.startswith(self._node_prefix):
            self._pods[key] = pod
            self._settle(key)

    def _drop_pod(self, key: str) -> None:
        self._pods.pop(key, None)
        self._settle(key)

    def _put_node(self, key: str, _item: Manifest) -> None:
        node = _node_of(key)
        if node not in self._nodes:
            self._nodes.add(node)
            self._settle_node(node)

    def _drop_node(self, key: str) -> None:
        self._nodes.discard(_node_of(key))
        self._settle_node(_node_of(key))

    def _settle_node(self, node: str) -> None:
        for key in [pod.key for pod in self._pods.values() if pod.node == node]:
            self._settle(key)

    def _settle(self, key: str) -> None:
        """Bring the agent of one pod in line with what is seen of pod and node."""
        pod = self._pods.get(key)
        played = self._agents.get(key)
        if played is not None and (pod is None or pod.uid != played.pod.uid or not self._should_run(pod)):
            self._end_agent(key)
            played = None
        if played is None and pod is not None and self._should_run(pod) and pod.uid not in self._begun:
            self._agents[key] = _PlayedPod(pod, Mounts(pod, self._sessions, self._draws), self._start)

    def _should_run(self, pod: TelemetryPod) -> bool:
        return pod.is_running and pod.node in self._nodes

    def _start(self, pod: TelemetryPod, profile: LoadProfile, token: str) -> LoadRunner:
        """Start an agent, on the runner of its profile: one rollout, one profile, one runner."""
        name = json.dumps(profile.as_dict(), sort_keys=True)
        if name not in self._runners:
            self._runners[name] = LoadRunner(
                profile, self._host, self._agent_connect, self._clock, asyncio.get_running_loop()
            )
        self._begun.add(pod.uid)
        if not self._runners[name].add_agent(pod.uid, Credentials(token=token)):
            self._too_late += 1
        return self._runners[name]

    def _end_agent(self, key: str) -> None:
        self._agents.pop(key).end()


class _PlayedPod:
    """One pod that is being played, from its first mount to its end."""

    def __init__(
        self, pod: TelemetryPod, mounts: Mounts, start: Callable[[TelemetryPod, LoadProfile, str], LoadRunner]
    ) -> None:
        self.pod = pod
        self._mounts = mounts
        self._start = start
        self._runner: LoadRunner | None = None
        self._task = asyncio.ensure_future(self._play())

    @property
    def is_waiting(self) -> bool:
        """Whether its agent never started so far."""
        return self._runner is None

    def describe(self) -> dict[str, Any]:
        """Say why it is waiting."""
        return {
            "pod": self.pod.key,
            "node": self.pod.node,
            "tries": self._mounts.tries,
            "reason": self._mounts.reason,
        }

    def end(self) -> None:
        """End it at once."""
        self._task.cancel()
        if self._runner is not None:
            self._runner.remove_agent(self.pod.uid)

    async def _play(self) -> None:
        # a kubelet mounts all volumes of a pod at the same time
        profile, token = await asyncio.gather(self._mounts.profile(), self._mounts.token())
        runner = self._runner = self._start(self.pod, profile, token.text)
        while True:
            token = await self._mounts.renewed_token(token)
            runner.replace_token(self.pod.uid, token.text)


def _node_of(key: str) -> str:
    return key.removeprefix("/")
