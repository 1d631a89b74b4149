"""One pod that is being played: what its node does before the container can start, its agent, its end."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.testbed.farm.kubelet import Mounts, TelemetryPod
from chaoslib_cp.testbed.farm.rollout import FarmRollout

_DEFAULT_REGISTRY = "docker.io/"


class PlayedPod:
    """The pod, from its first mount to its end.

    Args:
        pod: the pod.
        mounts: its volumes.
        images: names of the images that are the agent; a pod of any other never starts, as on a real node.
        rollout_of: finds the rollout of a pod whose profile was mounted.
    """

    def __init__(
        self,
        pod: TelemetryPod,
        mounts: Mounts,
        images: Collection[str],
        rollout_of: Callable[[TelemetryPod, LoadProfile], FarmRollout],
    ) -> None:
        self.pod = pod
        self._mounts = mounts
        self._has_image = pod.image.removeprefix(_DEFAULT_REGISTRY) in images
        self._rollout_of = rollout_of
        self._rollout: FarmRollout | None = None
        self._task = asyncio.ensure_future(self._play())

    @property
    def is_waiting(self) -> bool:
        """Whether its agent never started so far."""
        return self._rollout is None

    @property
    def reason(self) -> str:
        """Why it is waiting, as one word; empty once all is there."""
        return self._mounts.reason_word if self._has_image else "image-not-known"

    def describe(self) -> dict[str, Any]:
        """Say why it is waiting."""
        image = "" if self._has_image else f"image not known: {self.pod.image}; "
        return {
            "pod": self.pod.key,
            "node": self.pod.node,
            "tries": self._mounts.tries,
            "reason": f"{image}{self._mounts.reason}".removesuffix("; "),
        }

    def end(self) -> None:
        """End it at once."""
        self._task.cancel()
        if self._rollout is not None:
            self._rollout.runner.remove_agent(self.pod.uid)

    async def _play(self) -> None:
        # a kubelet mounts all volumes of a pod at the same time, and looks for the image afterwards
        rollout, token = await asyncio.gather(self._mounted_rollout(), self._mounts.token())
        if not self._has_image:
            return
        self._rollout = rollout
        rollout.start(self.pod, token.text)
        while True:
            token = await self._mounts.renewed_token(token)
            rollout.runner.replace_credentials(self.pod.uid, Credentials(token=token.text))

    async def _mounted_rollout(self) -> FarmRollout:
        return self._rollout_of(self.pod, await self._mounts.profile())
