"""What an agent costs the API servers at another size of the cluster.

The law of the incident (shared facts, API-server overload 6.1): each node asks on its own period, and what an answer
costs is a fixed part and a part for each object that is read for it. Objects grow with the nodes, so the cost of a
poller that reads a whole collection grows with their square.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.capacity.line import Estimate, Line, Point, fit_line, fit_mean

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
        cpu_s_per_request: CPU seconds of all API servers together, beyond what they use without it.
        requests: How many there were: the more, the better is the load known, so the more it counts.
    """

    nodes: float
    objects_per_request: float
    cpu_s_per_request: float
    requests: int

    @property
    def size(self) -> float:
        """Nodes times objects."""
        return self.nodes * self.objects_per_request


def objects_per_request(kinds: Sequence[ReadKind], factor: float = 1.0) -> float:
    """Mean objects that are read for one request, where there are ``factor`` times as many of those that grow."""
    return sum(kind.rate_per_s * kind.objects * (factor if kind.grows else 1.0) for kind in kinds) / _rate(kinds)


@dataclass(frozen=True)
class AgentCost:
    """The cost of an agent, as fitted.

    Attributes:
        exponent: Of cores against nodes times objects, as a power law.
        points: How many loads all of it was fitted to.
        request: CPU seconds of a request by the objects that it reads; None where objects could not be varied.
        mean_s: CPU seconds of a request, whatever it reads.
        mean_objects: Objects that it read.
        kinds: What each agent asks.
    """

    exponent: Estimate
    points: int
    request: Line | None
    mean_s: Estimate
    mean_objects: float
    kinds: tuple[ReadKind, ...]

    def cores(self, nodes: float, objects_factor: float) -> Estimate:
        """Cores of all API servers for so many agents.

        Where objects could not be varied, a request is taken to cost in proportion to what it reads: rather too much.

        Args:
            nodes: How many agents, above 0.
            objects_factor: How many times as many objects there are as when it was measured, above 0.
        """
        objects = objects_per_request(self.kinds, objects_factor)
        each = self.request.at(objects) if self.request else self.mean_s.times(objects / self.mean_objects)
        return each.times(nodes * _rate(self.kinds))

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
    """Fit what was measured.

    Args:
        rungs: Loads. One that cost nothing has no logarithm, and is left out of the exponent.
        kinds: What each agent asks.

    Returns:
        None where it is too little for an exponent (``fit_line``).
    """
    seen = [rung for rung in rungs if rung.cpu_s_per_request > 0]
    logs = [
        Point(math.log(rung.size), math.log(rung.nodes * _rate(kinds) * rung.cpu_s_per_request), rung.requests)
        for rung in seen
    ]
    each = [Point(rung.objects_per_request, rung.cpu_s_per_request, rung.requests) for rung in rungs]
    power, mean_s = fit_line(logs), fit_mean(each)
    if power is None or mean_s is None:
        return None
    requests = sum(rung.requests for rung in rungs)
    mean_objects = sum(rung.requests * rung.objects_per_request for rung in rungs) / requests
    return AgentCost(power.slope, power.points, fit_line(each), mean_s, mean_objects, tuple(kinds))


def _rate(kinds: Sequence[ReadKind]) -> float:
    return sum(kind.rate_per_s for kind in kinds)
