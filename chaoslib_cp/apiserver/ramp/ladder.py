"""How a ramp climbs: checked once, plain JSON for the process that plays it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from chaoslib_cp.apiserver.ramp.signals import SIGNALS, USUAL, checked_lines
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

MAX_S: Final = 3600.0
"""No load of this library lasts longer than this."""
READ_LIMIT_S: Final = 10.0
"""Limit of one reading of the servers; a page of a drowned server may take seconds."""
LEAST_BETWEEN_PAGES_S: Final = 5.0
"""A page of metrics costs a server about 0.15 s of CPU, so it is asked this often at most."""


@dataclass(frozen=True)
class Ladder:
    """Rungs, lines and guard rails of one ramp.

    Attributes:
        first_nodes: Virtual nodes on the first rung.
        step_nodes: Virtual nodes that each further rung adds.
        max_nodes: There are never more, the hold included.
        dwell_s: How long each rung is looked at, seconds; a rung on which a signal crosses is looked at twice.
        until: Lines by name of the signal.
        hold_factor: The hold is at this times the capacity that was found.
        hold_s: How long it lasts, seconds; 0 for no hold.
        max_error_ratio: Guard rail: share (0..1) of tries without an answer, or with 5xx, from which on all load is
            taken away.
        stop_at_restart: Guard rail: a restart of an API server takes all load away.
    """

    first_nodes: int = 5
    step_nodes: int = 5
    max_nodes: int = 100
    dwell_s: float = 15.0
    until: Mapping[str, float] = field(default_factory=lambda: dict(USUAL))
    hold_factor: float = 1.0
    hold_s: float = 30.0
    max_error_ratio: float = 0.5
    stop_at_restart: bool = True

    def __post_init__(self) -> None:
        """Refuse a ladder that cannot be climbed.

        Raises:
            ProfileInvalid: A number is out of its range; nothing was changed.
        """
        checked("max_nodes", self.max_nodes, 1, 5000, whole=True)
        checked("first_nodes", self.first_nodes, 1, self.max_nodes, whole=True)
        checked("step_nodes", self.step_nodes, 1, 5000, whole=True)
        checked("dwell_s", self.dwell_s, 0.5, 300)
        checked("hold_factor", self.hold_factor, 0.1, 10)
        checked("hold_s", self.hold_s, 0, MAX_S)
        checked("max_error_ratio", self.max_error_ratio, 0.01, 1)
        checked_lines(self.until)

    @property
    def reads_metrics(self) -> bool:
        """Whether pages of ``/metrics`` are needed: for a signal, or to see restarts."""
        return self.stop_at_restart or any(SIGNALS[name].source == "metrics" for name in self.until)

    @property
    def reads_leases(self) -> bool:
        """Whether Leases are needed."""
        return any(SIGNALS[name].source == "leases" for name in self.until)

    @property
    def longest_s(self) -> float:
        """It is over after this many seconds whatever happens: each rung looked at twice, and the hold."""
        reads_s = READ_LIMIT_S if self.reads_metrics or self.reads_leases else 0.0
        rungs = math.ceil((self.max_nodes - self.first_nodes) / self.step_nodes) + 1
        return (2 * rungs + 2) * (self.dwell_s + reads_s) + self.hold_s

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "until": dict(self.until)}


def refuse_too_long(ladder: Ladder) -> None:
    """Refuse a ladder that could take longer than a load may, or that would read pages too often.

    Raises:
        ProfileInvalid: It is such; nothing was changed.
    """
    if ladder.reads_metrics and ladder.dwell_s < LEAST_BETWEEN_PAGES_S:
        raise ProfileInvalid(
            f"dwell_s is {ladder.dwell_s:g}, and pages of /metrics are read at most every {LEAST_BETWEEN_PAGES_S:g} s; "
            "nothing was changed; raise dwell_s, or use signals of the client with stop_at_restart false"
        )
    if ladder.longest_s > MAX_S:
        raise ProfileInvalid(
            f"this ramp may take {ladder.longest_s:.0f} s; nothing was changed; a load lasts at most {MAX_S:.0f} s: "
            "raise first_nodes or step_nodes, or lower max_nodes, dwell_s or hold_s"
        )
