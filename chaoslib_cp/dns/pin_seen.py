"""Seeing that node caches run their new Corefile.

Nobody outside of a node can ask its cache, so the workload prober of each node tells: it asks its nameserver, the cache
of its node, for ``rev.cp.invalid``. What the caches of nodes without a prober run, nobody can see.
"""

from dataclasses import dataclass
from typing import Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.dns.armed import revisions_by_node
from chaoslib_cp.observe.evidence import gather
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_CACHED
from chaoslib_cp.waits import waiting_for

_POLL_S: Final = 0.5
_WINDOW_S: Final = 10.0


@dataclass(frozen=True)
class Seen:
    """What was seen of the node caches.

    Attributes:
        asked: Addresses of those that a prober asks, each with its node where that is known.
        running: Those among them that run the revision.
        waited_s: Until all of them did, or until time was up.
    """

    asked: tuple[str, ...]
    running: tuple[str, ...]
    waited_s: float


def wait_until_pinned(settings: Settings, revision: str, timeout_s: float, clock: Clock) -> Seen:
    """Wait until every node cache that a prober asks runs a revision.

    Args:
        settings: What the run was told.
        revision: Which one; empty for a Corefile that is not pinned.
        timeout_s: For how long to wait; 10 s at most while no prober asks any.
        clock: Source of time.

    Raises:
        TargetRefused: Without a run: its prober may not be looked for.
    """
    began_s = clock.monotonic_s()
    with waiting_for(f"the node caches to run {'their new' if revision else 'their own'} Corefile", timeout_s):
        while True:
            samples = gather(settings, [DNS_CACHED.name], _WINDOW_S, clock)[DNS_CACHED.name]
            caches = sorted({(str(one["target"]), str(one.get("node") or "")) for one in samples})
            said = revisions_by_node(settings, clock)
            asked = tuple(_words(one) for one in caches)
            running = tuple(_words(one) for one in caches if said.get(one) == revision)
            waited_s = clock.monotonic_s() - began_s
            if waited_s >= (timeout_s if asked else min(timeout_s, _WINDOW_S)) or (asked and asked == running):
                return Seen(asked, running, round(waited_s, 1))
            clock.sleep(_POLL_S)


def _words(cache: tuple[str, str]) -> str:
    address, node = cache
    return f"{address} on {node}" if node else address
