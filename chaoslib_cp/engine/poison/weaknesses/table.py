"""The table of weaknesses of a Corefile. One that is added is one row."""

from typing import Final

from chaoslib_cp.engine.poison.weaknesses import of_caches, of_servers
from chaoslib_cp.engine.poison.weaknesses.served import Served
from chaoslib_cp.engine.poison.weaknesses.weakness import Place, Weakness, gravest_first

ROWS: Final = (*of_caches.ROWS, *of_servers.ROWS)
"""In the order in which they are told where their levels are the same."""


def corefile_weaknesses(served: Served, named: str, place: Place = "servers") -> list[Weakness]:
    """Find the weaknesses of a Corefile.

    Args:
        served: What ``read_served`` found in it.
        named: What the text is called, for example ``ConfigMap kube-system/coredns``.
        place: Whether the DNS servers read it, or the caches on the nodes that ask them.

    Returns:
        Each with its line, the gravest first.

    Raises:
        ProfileInvalid: Its snippets import each other without end. Nothing was changed.
    """
    rows = (row for row in ROWS if place in row.places)
    return gravest_first(found for row in rows for found in row.weaknesses(served, named))
