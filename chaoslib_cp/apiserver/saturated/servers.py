"""Which servers are asked: each API server by itself where it can be reached from here, else the cluster's address."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.apiserver.saturated.notes import notes_before
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.address import all_reached
from chaoslib_cp.cluster.door.api_servers import find_api_servers
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.permit import permit_for
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_LOOKUP_S: Final = 2.0  # in a storm it is not answered; then the cluster's own address is asked
_REACH_S: Final = 1.0  # a TCP handshake over 0.25 s is told as a fault of the network


@dataclass(frozen=True)
class Servers:
    """Whom to ask.

    Attributes:
        addresses: ``ip:port`` of each.
        not_seen: Why some are not asked by themselves, one line each.
    """

    addresses: tuple[str, ...]
    not_seen: tuple[str, ...] = ()


def servers_to_ask(settings: Settings, addresses: Iterable[str], clock: Clock) -> Servers:
    """Find out whom to ask.

    Args:
        settings: What the run was told: the gate has noted the servers while the API was well; else looks have, which
            noted their memory.
        addresses: The cluster's own, ``ip:port``.
        clock: Source of time.
    """
    own = tuple(addresses)
    noted, trouble = _known(settings, clock)
    # by the same address as before, or what was noted of a server that is away now would be another's
    known = tuple(dict.fromkeys(noted)) or tuple(notes_before(settings.run_dir, clock)) or own
    reached = all_reached(known, _REACH_S)
    far = [address for address in known if address not in reached and address not in own]
    if not far:
        return Servers(known, trouble)
    near = [address for address in known if address not in far]
    line = f"{', '.join(far)} cannot be reached from here, so what is behind {', '.join(own)} is judged as one"
    return Servers(tuple(dict.fromkeys((*near, *own))), (*trouble, line))


def _known(settings: Settings, clock: Clock) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where the API servers are, and why that is not known."""
    try:
        with open_cluster(settings) as cluster:
            permit = permit_for(settings, cluster, "", clock)
            if permit is not None and not permit.refusal(cluster, "", clock) and permit.api_servers:
                return permit.api_servers, ()
            return find_api_servers(cluster, _LOOKUP_S), ()
    except ControlPlaneError as error:
        return (), (f"where each API server is: {error}",)
