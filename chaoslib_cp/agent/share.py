"""What one process plays of a load: itself alone, or its share of virtual nodes that pods of a Job play together.

Pod i of K virtual nodes each plays those from i * K on. A virtual node's schedule follows from its name and the
profile's seed, so all pods together offer what one process with all of these nodes would.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chaoslib_cp.engine.load.virtual_nodes import node_name, place_of
from chaoslib_cp.errors import ProfileInvalid

INDEX: Final = "JOB_COMPLETION_INDEX"
"""The pod's number in its Job (source: Kubernetes documentation, Jobs, completion mode Indexed)."""
_LONGEST_WAIT_S: Final = 600.0
"""A begin that is further away than this says that this machine's clock is wrong."""


@dataclass(frozen=True)
class Share:
    """What one process plays.

    Attributes:
        source: Who tells its account.
        places: Where each of its agents is, by the agent's id, which is part of its schedule.
        begins_epoch_s: When all processes begin, seconds since 1970; 0 begins at once.
        is_part: Whether other processes play the rest, so that their results are added up.
    """

    source: str
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    begins_epoch_s: float = 0.0
    is_part: bool = False

    def wait_s(self, now_epoch_s: float) -> float | None:
        """Seconds until it begins; None when this machine's clock cannot be right: then it does not begin."""
        left_s = max(0.0, self.begins_epoch_s - now_epoch_s)
        return left_s if left_s <= _LONGEST_WAIT_S else None


def share_of(nodes: int, begins_epoch_s: float, namespace: str, environment: Mapping[str, str]) -> Share:
    """The share of the pod that this process is in.

    Args:
        nodes: How many virtual nodes; 0 for an agent that stands for its own pod.
        begins_epoch_s: When it begins.
        namespace: Of the pod.
        environment: What the kubelet says of the pod.

    Raises:
        ProfileInvalid: It has virtual nodes and is no pod of an Indexed Job; nothing was sent.
    """
    if not nodes:
        pod = environment.get("HOSTNAME", "agent")
        node = environment.get("NODE_NAME") or pod
        return Share(node, {pod: {"node": node, "namespace": namespace, "pod": pod}}, begins_epoch_s)
    index = environment.get(INDEX, "")
    if not index.isdecimal():
        raise ProfileInvalid(f"{INDEX} is {index!r}; nothing was sent; run this in a pod of an Indexed Job")
    numbers = range(int(index) * nodes, (int(index) + 1) * nodes)
    places = {node_name(number): place_of(number, namespace) for number in numbers}
    return Share(f"pod-{index}", places, begins_epoch_s, is_part=True)
