"""The farm itself: pods and nodes as they are seen, and for each telemetry pod that runs an agent that plays it."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.agent.tell import PERIOD_S
from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.account import Account
from chaoslib_cp.engine.load.channel import Connect
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.runner import own_cpu_s
from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.async_api import ApiSession
from chaoslib_cp.testbed.farm.kubelet import Mounts, RolloutKey, Sessions, TelemetryPod
from chaoslib_cp.testbed.farm.played import PlayedPod
from chaoslib_cp.testbed.farm.reflector import Collection, Reflector
from chaoslib_cp.testbed.farm.rollout import FarmRollout, totals_of

PODS = Collection("/api/v1/pods", "chaoslib-cp/role=telemetry-agent")
NODES = Collection("/api/v1/nodes", "type=kwok", is_metadata_only=True)
_SHOWN_WAITING = 20


@dataclass(frozen=True)
class FarmPlan:
    """What a farm plays.

    Attributes:
        node_prefix: the nodes that are fake; others run their pods themselves.
        images: names of the images that are the agent; pods of other images never start.
        source: the name under which accounts are told.
    """

    node_prefix: str
    images: tuple[str, ...]
    source: str


class Farm:
    """Plays the telemetry agents on fake nodes.

    Args:
        make_session: opens connections for the farm's own calls.
        agent_connect: makes what opens connections for the agents of a profile.
        host: the Host header of both.
        plan: what is played, and as whom it is told.
        clock: for deadlines.
        seed: of back-offs and watch lengths.
    """

    def __init__(
        self,
        make_session: Callable[[], ApiSession],
        agent_connect: Callable[[LoadProfile], Connect],
        host: str,
        plan: FarmPlan,
        clock: Clock,
        seed: int = 1,
    ) -> None:
        draws = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._agent_connect = agent_connect
        self._host = host
        self._plan = plan
        self._clock = clock
        self._draws = draws
        self._sessions = Sessions(make_session)
        self._pods: dict[str, TelemetryPod] = {}
        self._nodes: set[str] = set()
        self._agents: dict[str, PlayedPod] = {}
        self._rollouts: dict[str, FarmRollout] = {}
        # which rollout the pods belong to that name the same profile
        self._latest: dict[RolloutKey, FarmRollout] = {}
        self._started_s = clock.monotonic_s()
        self._pod_list = Reflector(make_session(), PODS, self._put_pod, self._drop_pod, draws)
        self._node_list = Reflector(make_session(), NODES, self._put_node, self._drop_node, draws)

    async def run(self) -> None:
        """Follow pods and nodes until cancelled; then every agent ends."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._node_list.run())
                group.create_task(self._pod_list.run())
                group.create_task(self._keep_telling())
        finally:
            for key in list(self._agents):
                self._end_agent(key)
            self._sessions.close()

    def status(self) -> dict[str, Any]:
        """Return the account so far as JSON; agents never started are named with the reason."""
        rollouts = self._rollouts.values()
        waiting = [agent for agent in self._agents.values() if agent.is_waiting]
        now_s = self._clock.monotonic_s()
        elapsed_s = now_s - self._started_s
        ends_s = [one.runner.last_ended_s for one in rollouts if one.runner.last_ended_s is not None]
        return {
            "at_s": self._clock.epoch_s(),
            "elapsed_s": elapsed_s,
            "nodes": len(self._nodes),
            "pods": len(self._pods),
            "agents": {
                "running": sum(one.runner.running for one in rollouts),
                "started": sum(one.began for one in rollouts),
                "too_late": sum(one.too_late for one in rollouts),
                "never_started": len(waiting),
                "last_ended_at_s": self._clock.epoch_s() - (now_s - max(ends_s)) if ends_s else None,
            },
            "never_started": [agent.describe() for agent in waiting[:_SHOWN_WAITING]],
            "untold": [one.trouble for one in rollouts if one.trouble],
            "requests": totals_of(rollouts).as_dict(elapsed_s),
            "watches": {
                name: {"state": one.state, "last_error": one.last_error}
                for name, one in (("pods", self._pod_list), ("nodes", self._node_list))
            },
            "cpu_s": own_cpu_s(),
        }

    def _put_pod(self, key: str, item: Manifest) -> None:
        pod = TelemetryPod.of(key, item)
        if pod.node.startswith(self._plan.node_prefix):
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
        if played is None and pod is not None and self._should_run(pod) and not self._has_begun(pod):
            mounts = Mounts(pod, self._sessions, self._draws)
            self._agents[key] = PlayedPod(pod, mounts, self._plan.images, self._rollout_of)

    def _has_begun(self, pod: TelemetryPod) -> bool:
        return any(pod.uid in rollout.begun for rollout in self._rollouts.values())

    def _should_run(self, pod: TelemetryPod) -> bool:
        return pod.is_running and pod.node in self._nodes

    def _rollout_of(self, pod: TelemetryPod, profile: LoadProfile) -> FarmRollout:
        """Return the rollout of a profile: one rollout, one profile, one runner."""
        name = json.dumps(profile.as_dict(), sort_keys=True)
        if name not in self._rollouts:
            connect = self._agent_connect(profile)
            self._rollouts[name] = FarmRollout(profile, self._plan.source, self._host, connect, self._clock)
        self._latest[pod.rollout] = self._rollouts[name]
        return self._rollouts[name]

    async def _keep_telling(self) -> None:
        """Tell the prober the account of every rollout, with the pods that never started among its agents."""
        while True:
            tell = [one.tell(self._account(key, one)) for key, one in list(self._latest.items())]
            await asyncio.gather(asyncio.sleep(PERIOD_S), *tell)

    def _account(self, key: RolloutKey, rollout: FarmRollout) -> Account:
        pods = [pod for pod in self._pods.values() if pod.rollout == key]
        waiting = [one.reason for one in self._agents.values() if one.is_waiting and one.pod.rollout == key]
        return rollout.account(pods, filter(None, waiting))

    def _end_agent(self, key: str) -> None:
        self._agents.pop(key).end()


def _node_of(key: str) -> str:
    return key.removeprefix("/")
