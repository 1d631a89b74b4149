#!/usr/bin/env python3
"""Recompute mask and lock-out from a run's timeline.jsonl with nothing but the standard library.

A second opinion on the two figures that matter most: it shares no code with chaoslib_cp. Usage:

    python3 experiments/recompute.py runs/20241211T151200Z-4be1c7-openai-2024-12-11

It prints both figures and, when the run has a summary.json, whether they agree with it (exit code 1 when not).

The definitions, once more and from scratch:
  zero      begin of the first fault
  mask      from the first of two wrong uncached DNS answers in a row (since the workload's cache was last filled, which
            shows as a TTL that went up) to the first of two wrong workload answers in a row
  lock-out  from the first of three failed ordinary writes in a row to the first of three good ones; a write that takes
            over 5 s has failed; without an end, to the last line of the timeline
Samples that started more than 250 ms late say nothing and are left out.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

TOLERANCE_S = 0.01

Lines = list[dict[str, Any]]
Failures = list[tuple[float, float | None]]


def read(path: Path) -> Lines:
    """Decode the lines of a timeline; a line torn by a crash is left out."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in found if isinstance(line, dict)]


def zero_of(lines: Lines) -> float | None:
    """When the first fault began, or None."""
    began = [line["began_s"] for line in lines if line.get("event") == "fault_injected"]
    return float(min(began)) if began else None


def answers(lines: Lines, vantage: str, since: float) -> list[list[tuple[float, bool]]]:
    """(time, good) of the usable samples of one vantage point, by target and the node that asked."""
    series: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for line in lines:
        if line.get("kind") != "sample" or line["vantage"] != vantage or line["at_s"] < since:
            continue
        if line.get("void") or line.get("lag_s", 0) > 0.25:
            continue
        good = line["ok"] and (vantage != "admin_write" or line["latency_s"] <= 5.0)
        series.setdefault(asked_of(line), []).append((line["at_s"], good))
    return [sorted(one) for one in series.values()]


def asked_of(line: dict[str, Any]) -> tuple[str, str]:
    """Whom a sample asked, and from which node: the caches of all nodes may have one address."""
    return str(line["target"]), str(line.get("node", ""))


def failures(series: list[list[tuple[float, bool]]], bad_needed: int, good_needed: int) -> Failures:
    """(begin, end) of each failure; end is None when the series ends first."""
    found: Failures = []
    for one in series:
        begin: float | None = None
        row: list[float] = []
        for at, good in one:
            wanted = good if begin is not None else not good
            row = [*row, at] if wanted else []
            if begin is None and len(row) == bad_needed:
                begin, row = row[0], []
            elif begin is not None and len(row) == good_needed:
                found.append((begin, row[0]))
                begin, row = None, []
        if begin is not None:
            found.append((begin, None))
    return sorted(found, key=lambda pair: pair[0])


def mask_of(lines: Lines, zero: float) -> float | None:
    """Seconds, or None when there was no mask to measure."""
    cached = failures(answers(lines, "dns_cached", zero), 2, 3)
    if not cached:
        return None
    met = cached[0][0]
    uncached = failures(answers(lines, "dns_uncached", max(zero, last_fill(lines, met))), 2, 3)
    begins = [begin for begin, _ in uncached if begin <= met]
    return met - begins[0] if begins else None


def last_fill(lines: Lines, met: float) -> float:
    """Time of the last cached answer before a higher TTL was seen, in the cache that failed at ``met``; else 0."""
    asked = [line for line in lines if line.get("vantage") == "dns_cached" and not line.get("void")]
    cache = min(asked_of(line) for line in asked if line["at_s"] == met and not line["ok"])
    asked = [line for line in asked if asked_of(line) == cache and line.get("lag_s", 0) <= 0.25]
    ttls = [(line["at_s"], line["ttl_s"]) for line in asked if line.get("ttl_s") is not None and line["at_s"] < met]
    ttls.sort(key=lambda pair: pair[0])
    return max((at for (at, ttl), (_, later) in pairwise(ttls) if later > ttl), default=0.0)


def lockout_of(lines: Lines, zero: float) -> float | None:
    """Seconds, or None when nobody was locked out."""
    found = failures(answers(lines, "admin_write", zero), 3, 3)
    if not found:
        return None
    begin, end = found[0]
    last = max(float(line["at_s"]) for line in lines if "at_s" in line)
    return (last if end is None else end) - begin


def agrees(mine: float | None, theirs: float | None) -> bool:
    """Tell whether two figures are the same to the hundredth."""
    if mine is None or theirs is None:
        return mine is None and theirs is None
    return abs(mine - theirs) <= TOLERANCE_S


def main(arguments: list[str]) -> int:
    """Recompute the run named on the command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: recompute.py RUN_FOLDER\n")
        return 2
    folder = Path(arguments[0])
    lines = read(folder / "timeline.jsonl")
    zero = zero_of(lines)
    mine = {
        "mask_s": None if zero is None else mask_of(lines, zero),
        "lockout_s": None if zero is None else lockout_of(lines, zero),
    }
    summary = folder / "summary.json"
    theirs = json.loads(summary.read_text(encoding="utf-8"))["figures"] if summary.exists() else None
    good = True
    for name, value in mine.items():
        words = "not measured" if value is None else f"{value:.3f}"
        if theirs is not None:
            same = agrees(value, theirs[name])
            good = good and same
            words += " (summary.json agrees)" if same else f" (summary.json says {theirs[name]}: DISAGREES)"
        sys.stdout.write(f"{name} {words}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
