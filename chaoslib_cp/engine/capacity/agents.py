"""What an agent costs the API servers at another size of the cluster: CPU against nodes times objects.

The law of the incident (shared facts, API-server overload 6.1): each node asks on its own period, and what an answer
costs grows with the objects that are read for it. Objects grow with the nodes, so the cost of a poller that reads a
whole collection grows with their square.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.capacity.power_law import Estimate, PowerLaw, fit_power_law

MOST_NODES: Final = 1_000_000
"""Beyond any cluster; what is reached nowhere below is told as not reached."""


@dataclass(frozen=True)
class ReadKind:
    """One kind of request of an agent.

    Attributes:
        rate_per_s: How often one agent asks.
        objects: What is read for an answer, in objects; 1 for anything that is no collection.
        grows: Whether there are more of them on a larger cluster.
    """

    rate_per_s: float
    objects: float
    grows: bool = False


@dataclass(frozen=True)
class Rung:
    """One small load that was measured.

    Attributes:
        nodes: Agents that ask.
        objects_per_request: Mean over all of its requests.
        cores: CPU of all API servers together that it cost them, beyond what they use without it.
    """

    nodes: float
    objects_per_request: float
    cores: float

    @property
    def size(self) -> float:
        """Nodes times objects."""
        return self.nodes * self.objects_per_request


def objects_per_request(kinds: Sequence[ReadKind], factor: float = 1.0) -> float:
    """Mean objects that are read for one request, where there are ``factor`` times as many of those that grow."""
    rate_per_s = sum(kind.rate_per_s for kind in kinds)
    return sum(kind.rate_per_s * kind.objects * (factor if kind.grows else 1.0) for kind in kinds) / rate_per_s


@dataclass(frozen=True)
class AgentCost:
    """Cores against nodes times objects, as fitted.

    Attributes:
        law: Cores by nodes times objects.
        kinds: What each agent asks.
    """

    law: PowerLaw
    kinds: tuple[ReadKind, ...]

    def cores(self, nodes: float, objects_factor: float) -> Estimate:
        """Cores of all API servers for so many agents.

        Args:
            nodes: How many agents, above 0.
            objects_factor: How many times as many objects there are as when it was measured, above 0.
        """
        return self.law.at(nodes * objects_per_request(self.kinds, objects_factor))

    def nodes_at(self, cores: float, cluster_nodes: float | None) -> int | None:
        """With how many agents so many cores are reached; None where ``MOST_NODES`` do not reach them.

        Args:
            cores: Above 0.
            cluster_nodes: Nodes that the cluster had when it was measured, with which its objects grow; None where
                they stay as they are.
        """

        def reached(nodes: int) -> bool:
            factor = nodes / cluster_nodes if cluster_nodes else 1.0
            return self.cores(nodes, factor).value >= cores

        if not reached(MOST_NODES):
            return None
        low, high = 0, MOST_NODES
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high


def fit_agent_cost(rungs: Sequence[Rung], kinds: Sequence[ReadKind]) -> AgentCost | None:
    """Fit what was measured; None where it is too little for that (``fit_power_law``)."""
    law = fit_power_law([(rung.size, rung.cores) for rung in rungs])
    return AgentCost(law, tuple(kinds)) if law else None
