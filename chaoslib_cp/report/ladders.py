"""The ladders of a run's ramps, as tables of the page."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from chaoslib_cp.report.table import Cell, draw_table
from chaoslib_cp.report.words import duration_of, seconds_of

_HEADS = (
    "phase",
    "at",
    "virtual nodes",
    "offered/s",
    "answered/s",
    "p50",
    "p99",
    "429",
    "errors",
    "server cores",
    "saturated",
)


def draw_ladders(ramps: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Draw the ladder of each ramp, with what ended it.

    Args:
        ramps: ``ramps`` of summary.json.
    """
    for ramp in ramps:
        yield f"<h2>What the API servers bear</h2>\n<p>{escape(_found(ramp))}</p>"
        yield from draw_table(_HEADS, (("", _cells(row)) for row in ramp["ladder"]))


def _found(ramp: Mapping[str, Any]) -> str:
    nodes = ramp.get("capacity_nodes")
    least = "at least " if ramp.get("is_lower_bound") else ""
    found = "no capacity was found" if nodes is None else f"{least}{nodes} virtual nodes"
    return f"{ramp['fault']}: {found}; {ramp.get('ended_by') or 'it was killed before it could tell what it found'}."


def _cells(row: Mapping[str, Any]) -> list[Cell]:
    cores, refused = row.get("server_cpu_cores"), row.get("refused_ratio")
    numbers = (
        seconds_of(row.get("since_s")),
        str(row.get("nodes")),
        f"{row.get('offered_per_s', 0):g}",
        f"{row.get('answered_per_s', 0):g}",
        _lasted(row.get("p50_s")),
        _lasted(row.get("p99_s")),
        "-" if refused is None else f"{refused:.0%}",
        f"{row.get('error_ratio', 0):.0%}",
        "-" if cores is None else f"{cores:.2f}",
    )
    words = (Cell(str(row.get("phase")), "label"), Cell(str(row.get("saturated") or "-"), "words"))
    return [words[0], *(Cell(number, "number") for number in numbers), words[1]]


def _lasted(duration_s: float | None) -> str:
    return "-" if duration_s is None else duration_of(duration_s)
