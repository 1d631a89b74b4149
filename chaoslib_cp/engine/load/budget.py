"""What all agents together may still do: the caps in total of a profile."""

import math
from dataclasses import replace

from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import ProfileInvalid


class Budget:
    """Counts what the agents of one process do, against the totals of their profile.

    Attributes:
        has_tries: whether one more request may be sent.
        has_bytes: whether agents may go on receiving.
        has_connections: whether one more connection may be opened.
        has_objects: whether one more object may be created.
    """

    def __init__(self, profile: LoadProfile) -> None:
        self._requests = profile.max_total_requests or math.inf
        self._bytes = profile.max_total_bytes or math.inf
        self._connections = profile.max_total_connections or math.inf
        self._objects = profile.max_objects
        self._open: set[object] = set()
        # kept up to date, because every request asks for them and few change them
        self.has_tries = self.has_bytes = self.has_connections = self.has_objects = True

    def take_try(self, makes: bool = False) -> None:
        """Count a request that is being sent, and whether it creates one more object."""
        self._requests -= 1
        self.has_tries = self._requests > 0
        self._objects -= makes
        self.has_objects = self._objects > 0

    def take_bytes(self, count: int) -> None:
        """Count what was received."""
        self._bytes -= count
        self.has_bytes = self._bytes >= 0

    def opened(self, connection: object) -> None:
        """Count a connection from its first packet on."""
        self._open.add(connection)
        self.has_connections = len(self._open) < self._connections

    def closed(self, connection: object) -> None:
        """Count it no more; may be called twice."""
        self._open.discard(connection)
        self.has_connections = len(self._open) < self._connections


def of_one_process(profile: LoadProfile, processes: int) -> LoadProfile:
    """Give each of some processes, which have many agents each, its share of the totals.

    Args:
        profile: whose totals are shared out.
        processes: how many there are; at least 1.

    Raises:
        ProfileInvalid: a total is less than one for each process; the message names it. Nothing was started.
    """
    shares: dict[str, int] = {}
    for name in ("max_total_requests", "max_total_bytes", "max_total_connections"):
        total = getattr(profile, name)
        if 0 < total < processes:
            raise ProfileInvalid(
                f"load profile: {name} is {total} for {processes} processes; nothing was started; allow one for each"
            )
        shares[name] = total // processes
    return replace(profile, **shares)  # type: ignore[arg-type]


def shared_out(profile: LoadProfile, agents: int) -> LoadProfile:
    """Give each of some agents its share of the totals, so that processes of their own cannot exceed them together.

    Args:
        profile: whose caps of one agent are lowered where its share is less.
        agents: how many there are; at least 1.

    Raises:
        ProfileInvalid: a total is less than one for each agent; the message names it. Nothing was started.
    """
    totals = {
        "max_requests": ("max_total_requests", profile.max_total_requests),
        "max_bytes": ("max_total_bytes", profile.max_total_bytes),
        "max_in_flight_per_agent": ("max_total_connections", profile.max_total_connections),
    }
    lowered: dict[str, int] = {}
    for own, (total_of, total) in totals.items():
        if not total:
            continue
        if total < agents:
            raise ProfileInvalid(
                f"load profile: {total_of} is {total} for {agents} agents; nothing was started; allow one for each"
            )
        if own != "max_in_flight_per_agent" or profile.connections_per_agent > 1:
            lowered[own] = min(getattr(profile, own), total // agents)
    return replace(profile, **lowered)  # type: ignore[arg-type]
