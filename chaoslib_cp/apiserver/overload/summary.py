"""The result of a load in a few figures, for people and for the result of an action."""

from collections.abc import Mapping
from typing import Any, Final

#: What of a 429 the two kinds are called: refused by priority and fairness, or by a watch cache that is not ready.
REFUSED: Final = "http_429"
NOT_INITIALIZED: Final = "http_429_not_initialized"
MOST_ROWS: Final = 8
"""Rows of a ladder in the result of an action, which stays below 4 kB; files have them all."""


def summary_of(over: Mapping[str, Any]) -> dict[str, Any]:
    """Sum a load's result up.

    Args:
        over: The last line that its process wrote.

    Returns:
        ``reason`` of its end, ``nodes``, ``elapsed_s``; ``due``, ``held_back``, ``tries``; ``offered_rate_per_s`` and
        ``answered_rate_per_s``, both over all of its time; ``least_share_on_time`` (0..1, of the requests meant for one
        second the share that had begun by its end, in the worst second; null without a request); ``outcomes`` (number
        of tries by outcome, a 429 split); ``latency`` (seconds from the due time: p50_s, p90_s, p99_s, max_s);
        ``received_bytes``, ``client_cpu_s``, ``peak_rss_bytes``. Of a ramp ``nodes`` is the most there were, and
        ``ramp`` has what it found: :func:`ramp_of`.
    """
    total = over["total"]
    latency = total["latency"]
    return {
        "reason": over["reason"],
        "nodes": over["nodes"],
        "elapsed_s": over["elapsed_s"],
        **{key: total[key] for key in ("due", "held_back", "tries", "offered_rate_per_s", "answered_rate_per_s")},
        "least_share_on_time": least_share_on_time(over["per_second"]),
        "outcomes": split_outcomes(total),
        "latency": {key: latency[key] for key in ("p50_s", "p90_s", "p99_s", "max_s")},
        "received_bytes": total["received_bytes"],
        "client_cpu_s": over["cpu_s"],
        "peak_rss_bytes": over["peak_rss_bytes"],
        **({"ramp": ramp_of(over["ramp"])} if "ramp" in over else {}),
    }


def ramp_of(found: Mapping[str, Any], most_rows: int = MOST_ROWS) -> dict[str, Any]:
    """Sum up what a ramp found, so that it fits into the result of an action.

    Args:
        found: As its process told it (``ramp/climb.py``).
        most_rows: How many rows of its ladder are kept, the latest.

    Returns:
        ``capacity_nodes`` (virtual nodes of the highest rung below all lines; null where there was none),
        ``capacity_rate_per_s`` (answers a second there), ``is_lower_bound`` (no signal has crossed its line),
        ``crossed`` (``signal``, ``value``, ``line``, ``nodes``; null without), ``hold_nodes`` and ``held_s``,
        ``ended_by`` (words), ``is_backed_off`` (a guard rail took the load away), ``ladder``, a row for each dwell with
        ``phase`` (idle, climb, hold), ``nodes``, ``seconds``, ``offered_per_s``, ``answered_per_s``, ``p50_s``,
        ``p99_s``, ``refused_ratio``, ``error_ratio``, ``server_cpu_cores``, ``server_rss_mib_per_s``, ``lease_age_s``
        (null where it was not read) and ``saturated`` (the word of ``what_is_saturated`` by the servers' metrics alone,
        empty where they mark nothing); ``rows_left_off``.
    """
    rows = list(found["ladder"])
    shown = rows[-most_rows:]
    return {**found, "ladder": shown, "rows_left_off": len(rows) - len(shown)}


def split_outcomes(total: Mapping[str, Any]) -> dict[str, int]:
    """The tries by outcome, those 429 told apart that say that a watch cache is not ready."""
    outcomes = dict(total["outcomes"])
    unready = total["not_initialized"]
    if unready:
        outcomes = {**outcomes, REFUSED: outcomes[REFUSED] - unready, NOT_INITIALIZED: unready}
    return {name: count for name, count in sorted(outcomes.items()) if count}


def least_share_on_time(per_second: Mapping[str, list[int]]) -> float | None:
    """Of what was meant to begin by the end of each second, the share that had, in the worst one."""
    shares, due, begun = [], 0, 0
    for meant, came in zip(per_second["due"], per_second["begun"], strict=True):
        due, begun = due + meant, begun + came
        if meant:
            shares.append(1 - (due - begun) / meant)
    return min(shares, default=None)
