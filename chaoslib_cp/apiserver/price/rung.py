"""One small load, measured: what the servers used for it beyond what they use without it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.apiserver.price.scaled import Scaled
from chaoslib_cp.engine.capacity.agents import ReadKind, Rung, objects_per_request

#: Of tries that were over; what a load breaks off at its own end says nothing.
_UNWELL_SHARE: Final = 0.05
#: Where nobody names the FlowSchema of a load, it is known by the number of its requests.
_FEWEST: Final = 20
_ALIKE: Final = 0.25
_WELL: Final = ("ok", "http_4xx", "aborted")


@dataclass(frozen=True)
class Idle:
    """What the servers use without the load.

    Attributes:
        cores: CPU.
        allocated_bytes_per_s: Memory that is allocated.
        seats: Requests and seats a second, by FlowSchema.
        flow_schema: That of the load; empty where nobody may say.
    """

    cores: float
    allocated_bytes_per_s: float | None
    seats: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    flow_schema: str = ""

    def mean_with(self, other: "Idle") -> "Idle":
        """The mean of two times without the load, before it and after it."""
        mine, others = self.allocated_bytes_per_s, other.allocated_bytes_per_s
        schemas = self.seats.keys() | other.seats.keys()
        return Idle(
            cores=(self.cores + other.cores) / 2,
            allocated_bytes_per_s=None if mine is None or others is None else (mine + others) / 2,
            seats={one: _mean(self.seats.get(one, (0, 0)), other.seats.get(one, (0, 0))) for one in schemas},
            flow_schema=self.flow_schema,
        )


@dataclass(frozen=True)
class MeasuredRung:
    """A load that was played.

    Attributes:
        virtual_nodes: That played it.
        scaled: What they played.
        kinds: What its requests read.
        told: What ``play_alone`` returned.
        idle: What the servers use without it.
    """

    virtual_nodes: int
    scaled: Scaled
    kinds: tuple[ReadKind, ...]
    told: Mapping[str, Any]
    idle: Idle

    @property
    def nodes(self) -> float:
        """Nodes that they stand for."""
        return self.virtual_nodes * self.scaled.speed

    @property
    def requests(self) -> int:
        """Tries that were made."""
        return int(self.told["tries"])

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all servers for the load alone; may be below 0 where it is less than the noise."""
        return float(self.told["server_cpu_s"]) - self.idle.cores * float(self.told["server_use"]["seconds"])

    @property
    def cores(self) -> float:
        """CPU that so many nodes cost, at the rate that the profile asks for."""
        return self.cpu_s / self.requests * self.scaled.rate_per_s * self.nodes if self.requests else 0.0

    @property
    def allocated_bytes(self) -> float | None:
        """Memory that was allocated for the load alone."""
        used, rate = self.told["server_use"]["allocated_bytes"], self.idle.allocated_bytes_per_s
        return None if used is None or rate is None else used - rate * self.told["server_use"]["seconds"]

    @property
    def seats(self) -> tuple[float, float] | None:
        """Requests and seats of the load; None where they cannot be told from others'."""
        grown = {schema: self._grown(schema) for schema in self.told["server_use"]["seats_by_flow_schema"]}
        if self.idle.flow_schema:
            return grown.get(self.idle.flow_schema)
        return next((one for one in grown.values() if self._may_be_ours(one[0])), None)

    def _grown(self, schema: str) -> tuple[float, float]:
        """Requests and seats of a FlowSchema beyond what it has without the load."""
        told, usual = self.told["server_use"], self.idle.seats.get(schema, (0.0, 0.0))
        one = told["seats_by_flow_schema"][schema]
        return one["requests"] - usual[0] * told["seconds"], one["seats"] - usual[1] * told["seconds"]

    def _may_be_ours(self, requests: float) -> bool:
        """Whether a FlowSchema grew by what the load asked, and by so many that this is no chance."""
        return self.requests >= _FEWEST and abs(requests / self.requests - 1) <= _ALIKE

    @property
    def unwell(self) -> str:
        """In which way a share of the tries failed that a polite load goes no further from; empty where none."""
        failed = {one: count for one, count in self.told["outcomes"].items() if one not in _WELL}
        if sum(failed.values()) <= _UNWELL_SHARE * max(self.requests, 1):
            return ""
        return ", ".join(f"{count} x {one}" for one, count in failed.items())

    def point(self) -> Rung:
        """The point that it is to a fit; it has at least one request."""
        return Rung(self.nodes, objects_per_request(self.kinds), self.cpu_s / self.requests, self.requests)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "nodes": round(self.nodes, 2),
            "virtual_nodes": self.virtual_nodes,
            "objects_per_request": round(objects_per_request(self.kinds), 2),
            "requests": self.requests,
            "outcomes": self.told["outcomes"],
            "cpu_s": self.cpu_s,
            "cores": self.cores,
            "client_cpu_s": self.told["client_cpu_s"],
            "received_bytes": self.told["received_bytes"],
            "p50_s": self.told["latency"]["p50_s"],
            "p99_s": self.told["latency"]["p99_s"],
        }


def _mean(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
