"""From which nodes workload DNS was seen, and on which it failed."""

from collections.abc import Iterable, Sequence

from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.streaks import Episode, bad_time_s
from chaoslib_cp.vantage import DNS_CACHED

_FEW = 3
"""How many nodes are named; of more, the first and how many they are."""


def on_nodes(recording: Recording, vantages: Iterable[str], failed: Sequence[Episode]) -> str:
    """Where something failed, as the end of a sentence; empty where it was asked from one node or none.

    Args:
        recording: The timeline.
        vantages: What failed.
        failed: Its failures.
    """
    asked = {node for vantage in vantages for node in recording.nodes(vantage)}
    in_turn = sorted((one for one in failed if one.node), key=lambda one: one.began_s)
    nodes = list(dict.fromkeys(one.node for one in in_turn))
    if len(asked) <= 1 or not nodes:
        return ""
    if len(nodes) > _FEW:
        return f" on {len(nodes)} of {len(asked)} nodes, first on {nodes[0]}"
    return f" on {' and '.join(nodes)}" + (f", {len(nodes)} of {len(asked)} nodes" if len(nodes) < len(asked) else "")


def dns_seen_node_count(recording: Recording) -> Figure:
    """From how many nodes workload DNS was seen; pages that never answered are named: nobody saw their nodes."""
    silent = [one for one in recording.named("prober_lost") if "has never answered" in str(one.details.get("reason"))]
    unseen = sorted({str(event.details.get("page")) for event in silent})
    why = f"not seen: {', '.join(unseen)} never answered" if unseen else None
    nodes = recording.nodes(DNS_CACHED.name)
    if not nodes:
        return absent(why or "no prober told its node")
    return Figure(len(nodes), why)


def dns_lost_by_node_s(recording: Recording, faults: Faults) -> Figure:
    """Time in which a workload's newest lookup was wrong, in seconds by node; only nodes with such a time."""
    if not recording.nodes(DNS_CACHED.name):
        return absent("no prober told its node")
    lost: dict[str, float] = {}
    for samples in recording.series(DNS_CACHED.name, faults.began_s):
        node, bad_s = samples[0].node, round(bad_time_s(samples), 3)
        if node and bad_s:
            lost[node] = max(bad_s, lost.get(node, 0.0))
    return Figure(dict(sorted(lost.items()))) if lost else absent("no node's workloads lost DNS")
