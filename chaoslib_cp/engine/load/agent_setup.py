"""What all agents of a runner share."""

import asyncio
from dataclasses import dataclass

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.budget import Budget
from chaoslib_cp.engine.load.channel import Connect
from chaoslib_cp.engine.load.per_second import PerSecond
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.totals import Totals


@dataclass(frozen=True)
class AgentSetup:
    """What all agents of a runner share.

    Attributes:
        profile: what to ask.
        host: the Host header.
        connect: opens a connection.
        totals: one for each kind of request, in the order of the profile.
        budget: what they may do together.
        loop: the event loop; its time orders everything.
        clock: its monotonic time decides when an agent is over.
        per_second: gets what is offered and answered.
        base_path: what every path begins with.
    """

    profile: LoadProfile
    host: str
    connect: Connect
    totals: list[Totals]
    budget: Budget
    loop: asyncio.AbstractEventLoop
    clock: Clock
    per_second: PerSecond
    base_path: str = ""
