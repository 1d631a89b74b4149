"""The one table of vantage points: what is sampled, by whom, how often, and what its samples stand for.

Whoever lists vantage points reads this table, so a new one is one row: in ``api.py``, ``dns.py`` or ``agents.py``, by
what is asked. Extensions add rows of their own (``VANTAGE_POINTS`` in their module, see ``extensions.py``); those come
after ours. The order of the table is the order of a report.
"""

from typing import Final

from chaoslib_cp import extensions
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.vantage import api, dns
from chaoslib_cp.vantage.agents import AGENT_LOAD
from chaoslib_cp.vantage.api import (
    ADMIN_WRITE,
    API_LIVEZ,
    API_READ,
    API_SERVER_LIVEZ,
    API_SERVER_MEMORY,
    API_VERSION,
    BREAK_GLASS_WRITE,
)
from chaoslib_cp.vantage.dns import (
    DNS_CACHED,
    DNS_CONNECT,
    DNS_EXTERNAL,
    DNS_LOOKUP,
    DNS_NEVER_ASKED,
    DNS_POD,
    DNS_REVISION,
    DNS_UNCACHED,
    DNS_WATCHED_BACKEND,
    DNS_WATCHED_CACHED,
    DNS_WATCHED_POD,
    DNS_WATCHED_UNCACHED,
    SERVER_AFTER,
)
from chaoslib_cp.vantage_point import VantagePoint

__all__ = [
    "ADMIN_WRITE",
    "AGENT_LOAD",
    "API_LIVEZ",
    "API_READ",
    "API_SERVER_LIVEZ",
    "API_SERVER_MEMORY",
    "API_VERSION",
    "BREAK_GLASS_WRITE",
    "DNS_CACHED",
    "DNS_CONNECT",
    "DNS_EXTERNAL",
    "DNS_LOOKUP",
    "DNS_NEVER_ASKED",
    "DNS_POD",
    "DNS_REVISION",
    "DNS_UNCACHED",
    "DNS_WATCHED_BACKEND",
    "DNS_WATCHED_CACHED",
    "DNS_WATCHED_POD",
    "DNS_WATCHED_UNCACHED",
    "SERVER_AFTER",
    "all_points",
    "asked_by_observer",
    "named",
    "problems",
]

_OURS: Final = (*api.ROWS, *dns.ROWS, AGENT_LOAD)


def all_points() -> tuple[VantagePoint, ...]:
    """Every vantage point there is, in the order of a report. Of two with one name the first counts (``problems``)."""
    by_name: dict[str, VantagePoint] = {}
    for point in (*_OURS, *extensions.rows("VANTAGE_POINTS")):
        if isinstance(point, VantagePoint):
            by_name.setdefault(point.name, point)
    return tuple(by_name.values())


def named(name: str) -> VantagePoint:
    """The vantage point of that name.

    Raises:
        ProfileInvalid: There is none.
    """
    known = {point.name: point for point in all_points()}
    if name not in known:
        raise ProfileInvalid(f"there is no vantage point {name!r}; nothing was asked; use one of {', '.join(known)}")
    return known[name]


def asked_by_observer() -> dict[str, VantagePoint]:
    """Those that the observer asks itself, by name."""
    return {point.name: point for point in all_points() if point.asked_by == "observer"}


def problems() -> list[str]:
    """Why the rows of extensions cannot be relied on, one line each; empty when they can."""
    rows = extensions.rows("VANTAGE_POINTS")
    names = [point.name for point in (*_OURS, *rows) if isinstance(point, VantagePoint)]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [
        *(f"two vantage points are called {name!r}; give one of them another name" for name in twice),
        *(
            f"VANTAGE_POINTS of an extension holds a {type(row).__name__}; use chaoslib_cp.vantage_point.VantagePoint"
            for row in rows
            if not isinstance(row, VantagePoint)
        ),
    ]
