"""The table in the terminal: verdict, what happened when, what was measured. Read in ten seconds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.report.words import LABELS, VERDICTS, unit_of, unrealistic_knobs, value_of

_MARKS = {"act": " ", "bad": "!", "good": "+"}
_WIDTH = 56
_DETAILS = frozenset({"api_error_ratio_by_class", "observer_samples", "observer_void_samples", "observer_lag_p99_s"})
"""Kept for summary.json and the page, to keep the table short."""


def render_text(summary: Mapping[str, Any], run_dir: Path) -> str:
    """Draw a run as plain text.

    Args:
        summary: Content of summary.json.
        run_dir: Where the rest is kept; named in the last line.
    """
    return "\n".join(line.rstrip() for line in _lines(summary, run_dir))


def _lines(summary: Mapping[str, Any], run_dir: Path) -> Iterator[str]:
    word = str(summary["verdict"])
    yield f"VERDICT: {word.upper()} ({VERDICTS[word]})"
    yield from (f"  {reason}" for reason in summary["why"])
    if summary["parts"]:
        yield ""
        yield from (_part(part) for part in summary["parts"])
    if summary["story"]:
        yield ""
        yield "  seconds since the rollout began   (! broke   + works again)"
        yield from (_moment(moment) for moment in summary["story"])
    yield ""
    yield f"  {'measured':<{_WIDTH}} {'value':>9}"
    reasons = summary["reasons"]
    for name, value in summary["measures"].items():
        if name not in _DETAILS:
            yield from _measure(name, value, reasons.get(name, ""))
    yield ""
    yield from _footer(summary, run_dir)


def _part(part: Mapping[str, Any]) -> str:
    since_s = part["since_rollout_s"]
    when = f" at {since_s:.1f} s" if since_s is not None else ""
    return f"  {part['verdict']:<12} {part['part']}{when}"


def _moment(moment: Mapping[str, Any]) -> str:
    return f"  {moment['since_s']:>7.1f} s  {_MARKS[moment['kind']]} {moment['what']}"


def _measure(name: str, value: Any, reason: str) -> Iterator[str]:
    label = LABELS.get(name, name)
    text = value_of(name, value)
    if value is None:
        yield f"  {label:<{_WIDTH}} {'-':>9}    {reason}"
    elif isinstance(value, int | float):
        yield f"  {label:<{_WIDTH}} {text:>9} {unit_of(name):<2} {reason}"
    else:
        yield f"  {label:<{_WIDTH}} {text:>9}"


def _footer(summary: Mapping[str, Any], run_dir: Path) -> Iterator[str]:
    for left in summary["left_behind"]:
        yield f"  NOT HEALED: {left}; run `chaos cp recover`"
    if summary["healed"]:
        yield "  healed: nothing of this run is left in the cluster"
    yield from (f"  not realistic here: {line}" for line in unrealistic_knobs(summary.get("scale", {})))
    yield f"  more: {run_dir / 'report.html'}"
