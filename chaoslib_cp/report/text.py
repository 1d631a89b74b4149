"""The table in the terminal: verdict, what happened when, what was measured. Read in ten seconds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.report.words import delivery_of, healed_words, unrealistic_knobs, value_of, verdict_words, was_injected
from chaoslib_cp.results.figures import unit_of

_MARKS = {"act": " ", "bad": "!", "good": "+"}
_WIDTH = 43

_Row = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]

_ROWS: tuple[_Row, ...] = (
    ("first alarm of an API health check", ("detect_s",), (("by", "detected_by"),)),
    ("rollout done at the first alarm", ("rollout_share_at_first_signal",), ()),
    ("mask: caches hid the DNS failure for", ("mask_s",), (("predicted", "predicted_mask_s"),)),
    ("workload DNS lost for", ("dns_lost_s",), ()),
    (
        "questions that a lookup of the load cost",
        ("queries_per_lookup_count",),
        (("worst 4 s", "queries_per_lookup_worst_count"),),
    ),
    ("a tenth of those lookups failed or were slow for", ("lookups_unwell_s",), ()),
    ("caches kept the truth, since the lie began", ("truth_kept_s",), ()),
    (
        "workloads heard the lie for",
        ("lie_heard_s",),
        (("after its withdrawal", "lie_kept_s"), ("of that locked out", "lie_kept_locked_out_s")),
    ),
    (
        "lookups right: workload / past the cache",
        ("dns_success_ratio_cached", "dns_success_ratio_uncached"),
        (),
    ),
    (
        "lock-out of the ordinary admin",
        ("lockout_s",),
        (("in all", "lockout_total_s"), ("ended by", "lockout_ended_by")),
    ),
    (
        "break-glass: first write done after",
        ("break_glass_s",),
        (("median write", "break_glass_latency_p50_s"), ("worked", "break_glass_success_ratio")),
    ),
    ("small API reads that failed", ("api_error_ratio",), ()),
    (
        "times that an API server went away",
        ("api_restart_count",),
        (("first at", "api_first_restart_s"), ("last at", "api_last_restart_s")),
    ),
    ("the API served again, since the end of", ("api_recover_by_load_s",), ()),
    ("server CPU per client CPU second", ("amplification",), ()),
    ("virtual nodes that the API servers bear", ("capacity_node_count",), (("found by", "capacity_found_by"),)),
    ("fault ended, since the first injection", ("mitigate_s",), (("by", "mitigated_by"),)),
    ("recovery after that: first / full", ("recover_first_s", "recover_full_s"), ()),
)
"""Label, the figures, and what belongs beside them. The rest is in summary.json and on the page."""
_OF_LOADS = {"rollout_share_at_first_signal", "mask_s", "amplification"}
_OF_LIES = {"truth_kept_s", "lie_heard_s"}
"""First figures of the rows that say something only where a fault loads the API, or where DNS servers lied."""
_OF_RESTARTS = {"api_restart_count", "api_recover_by_load_s"}
"""Of the rows that are there only where an API server went away."""
_OF_SOME = {"queries_per_lookup_count", "lookups_unwell_s", "capacity_node_count"}
"""Of the rows that are there only where names were looked up as a load, or a ramp found something."""


def render_text(summary: Mapping[str, Any], run_dir: Path) -> str:
    """Draw a run as plain text.

    Args:
        summary: Content of summary.json.
        run_dir: Where the rest is kept; named in the last line.
    """
    return "\n".join(line.rstrip() for line in _lines(summary, run_dir))


def _lines(summary: Mapping[str, Any], run_dir: Path) -> Iterator[str]:
    word = str(summary["verdict"])
    yield f"VERDICT: {word.upper()} ({verdict_words(summary)})"
    if word == "inconclusive":
        yield from (f"  because: {reason}" for reason in summary["why"])
    yield from (_part(part) for part in summary["parts"])
    yield from (f"  {'delivered':<12}  {delivery_of(fault)}" for fault in summary["faults"])
    if summary["story"]:
        yield ""
        yield "  seconds since the first injection        ! broke   + works again"
        yield from (_moment(moment) for moment in summary["story"])
    yield ""
    if was_injected(summary):
        for label, figures, notes in _rows_of(summary):
            yield _row(summary, label, figures, notes)
        yield _green(summary)
        yield ""
    yield from _footer(summary, run_dir)


def _rows_of(summary: Mapping[str, Any]) -> list[_Row]:
    """Those that say something of the faults of this run."""
    kinds = {bool(fault["is_lie"]) for fault in summary["faults"]}
    silent = (set() if False in kinds else _OF_LOADS) | (set() if True in kinds else _OF_LIES)
    silent |= {name for name in _OF_SOME if summary["figures"][name] is None}
    silent |= set() if summary["figures"].get("api_restart_count") else _OF_RESTARTS
    return [row for row in _ROWS if row[1][0] not in silent]


def _part(part: Mapping[str, Any]) -> str:
    since_s = part["since_s"]
    when = f" (at {since_s:.1f} s)" if since_s is not None else ""
    return f"  {part['verdict']:<12}  {part['part']}{when}"


def _moment(moment: Mapping[str, Any]) -> str:
    return f"  {moment['since_s']:>7.1f} s  {_MARKS[moment['kind']]} {moment['what']}"


def _row(summary: Mapping[str, Any], label: str, figures: tuple[str, ...], notes: tuple[tuple[str, str], ...]) -> str:
    found, reasons = summary["figures"], summary["reasons"]
    values = " / ".join(value_of(name, found[name]) for name in figures)
    unit = unit_of(figures[0]) if any(found[name] is not None for name in figures) else ""
    beside = [
        _note(word, name, found[name])
        for word, name in notes
        if found[name] is not None and found[name] != found[figures[0]]
    ]
    beside += list(dict.fromkeys(reasons[name] for name in figures if name in reasons))
    return f"  {label:<{_WIDTH}}{values:>13} {unit:<2} {'; '.join(beside)}"


def _note(word: str, name: str, value: Any) -> str:
    return f"{word} {value_of(name, value)} {unit_of(name)}".rstrip()


def _green(summary: Mapping[str, Any]) -> str:
    found = summary["figures"]["misleading_green"]
    label = "stayed green while users suffered"
    if found is None:
        return f"  {label:<{_WIDTH}}{'-':>13}    {summary['reasons']['misleading_green']}"
    checks = dict.fromkeys(str(item["check"]) for item in found)
    return f"  {label:<{_WIDTH}}{len(checks):>13}    {', '.join(checks)}"


def _footer(summary: Mapping[str, Any], run_dir: Path) -> Iterator[str]:
    yield from (f"  note: {words}" for words in summary.get("stranded", []))
    for left in summary["left_behind"]:
        yield f"  NOT HEALED: {left}; run `chaos cp recover`"
    for unwell in summary["not_recovered"]:
        yield f"  NOT HEALED: {unwell}; wait, or look at the cluster before you run anything else there"
    if summary["healed"]:
        yield f"  healed: {healed_words(summary)}"
    if was_injected(summary):
        yield from (f"  scale: {line}" for line in unrealistic_knobs(summary.get("scale", {})))
    yield f"  more: {run_dir / 'report.html'}"
