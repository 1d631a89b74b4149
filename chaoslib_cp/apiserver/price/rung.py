"""One small load, measured: what the servers used for it beyond what they use without it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.apiserver.price.scaled import Scaled
from chaoslib_cp.engine.capacity.agents import ReadKind, Rung, objects_per_request

#: Of tries that were over; what a load breaks off at its own end says nothing.
_UNWELL_SHARE: Final = 0.05
_WELL: Final = ("ok", "http_4xx", "aborted")


@dataclass(frozen=True)
class Idle:
    """What the servers use without the load.

    Attributes:
        cores: CPU.
        allocated_bytes_per_s: Memory that is allocated.
        seats: Requests and seats a second, by FlowSchema.
    """

    cores: float
    allocated_bytes_per_s: float | None
    seats: Mapping[str, tuple[float, float]] = field(default_factory=dict)


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
        """Requests and seats of the FlowSchema whose requests grew by about those of the load; None where none did."""
        seconds = self.told["server_use"]["seconds"]
        for schema, told in self.told["server_use"]["seats_by_flow_schema"].items():
            usual_requests, usual_seats = self.idle.seats.get(schema, (0.0, 0.0))
            requests = told["requests"] - usual_requests * seconds
            if self.requests and 0.7 <= requests / self.requests <= 1.3 + 10 / self.requests:
                return requests, told["seats"] - usual_seats * seconds
        return None

    @property
    def unwell(self) -> str:
        """In which way a share of the tries failed that a polite load goes no further from; empty where none."""
        failed = {one: count for one, count in self.told["outcomes"].items() if one not in _WELL}
        if sum(failed.values()) <= _UNWELL_SHARE * max(self.requests, 1):
            return ""
        return ", ".join(f"{count} x {one}" for one, count in failed.items())

    def point(self) -> Rung:
        """The point that it is to a fit."""
        return Rung(self.nodes, objects_per_request(self.kinds), self.cores)

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
