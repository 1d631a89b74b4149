"""A run as one plain page: no script, no style sheet, no picture from elsewhere; it can be mailed and kept.

Everything that comes from outside (names of pods, titles, messages) is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from chaoslib_cp.report.strips import draw_strips
from chaoslib_cp.report.words import VERDICTS, delivery_of, expectation_of, unrealistic_knobs, value_of
from chaoslib_cp.results.figures import label_of, unit_of
from chaoslib_cp.results.recording import Recording

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1140px; margin: 24px auto; padding: 0 16px; color: #1a1a1a; }
h1 { font-size: 22px; margin-bottom: 4px; } h2 { font-size: 17px; margin-top: 28px; }
table { border-collapse: collapse; } td, th { padding: 3px 14px 3px 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } code { font-size: 13px; }
td.reason, .quiet { color: #555; } tr.bad td { color: #9c1c1c; } tr.good td { color: #14602b; }
.verdict { display: inline-block; padding: 2px 12px; border: 2px solid; font-weight: 700; }
.held { color: #14602b; } .broke { color: #9c1c1c; } .inconclusive { color: #7a5200; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
rect.good { fill: #8fbf9a; } rect.bad { fill: #b3261e; } rect.void { fill: #999; }
line.tick { stroke: #ddd; } line.event { stroke: #333; stroke-dasharray: 3 3; } line.event.bad { stroke: #b3261e; }
line.event.good { stroke: #14602b; } pre { background: #f5f5f5; padding: 10px; overflow-x: auto; font-size: 13px; }
"""


def render_html(summary: Mapping[str, Any], recording: Recording) -> str:
    """Draw a run as one self-contained HTML page.

    Args:
        summary: Content of summary.json.
        recording: The samples, for the drawing.
    """
    return "\n".join(_page(summary, recording)) + "\n"


def _page(summary: Mapping[str, Any], recording: Recording) -> Iterator[str]:
    run = summary.get("run", {})
    title = escape(str(run.get("title", "Run")))
    word = str(summary["verdict"])
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}: {escape(word)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>{title}</h1>"
    yield f'<p class="quiet">{escape(str(run.get("id", "")))}, started {escape(str(run.get("started", "unknown")))}</p>'
    yield f'<p><span class="verdict {escape(word)}">{escape(word)}</span> {escape(VERDICTS[word])}</p>'
    yield f"<ul>{''.join(f'<li>{escape(str(reason))}</li>' for reason in summary['why'])}</ul>"
    yield from _healed(summary)
    yield from _parts(summary)
    yield from _faults(summary)
    yield from _story(summary)
    yield "<h2>Every sample</h2>"
    yield "<p>Tall and red: failed. Low and green: good. Thin and grey: started too late, left out. "
    yield "Dashed lines carry the numbers of the list above.</p>"
    yield draw_strips(recording, summary.get("began_epoch_s"), summary["story"])
    yield from _figures(summary)
    yield from _scale(summary)
    yield from _facts(summary)
    yield "</body>\n</html>"


def _healed(summary: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"<p>Note: {escape(str(words))}</p>" for words in summary.get("stranded", []))
    if summary["healed"]:
        yield "<p>Healed: nothing of this run is left in the cluster, and what broke works again.</p>"
    for left in summary["left_behind"]:
        words = escape(str(left))
        yield f'<p class="broke"><strong>Not healed:</strong> {words}; run <code>chaos cp recover</code></p>'
    for unwell in summary["not_recovered"]:
        yield f'<p class="broke"><strong>Not healed:</strong> {escape(str(unwell))}</p>'


def _parts(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["parts"]:
        return
    yield "<h2>Claims of the hypothesis</h2>\n<table><tr><th>claim</th><th></th><th>since the first injection</th></tr>"
    for part in summary["parts"]:
        since_s = part["since_s"]
        when = "" if since_s is None else f"{since_s:.1f} s"
        yield (
            f'<tr><td>{escape(str(part["part"]))}</td><td class="{escape(str(part["verdict"]))}">'
            f'{escape(str(part["verdict"]))}</td><td class="number">{when}</td>'
            f'<td class="reason">{escape(str(part["why"]))}</td></tr>'
        )
    yield "</table>"


def _story(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["story"]:
        return
    yield "<h2>What happened when</h2>\n<p>Seconds since the first injection.</p>\n<table>"
    for number, moment in enumerate(summary["story"], start=1):
        yield (
            f'<tr class="{escape(str(moment["kind"]))}"><td class="number">{number}</td>'
            f'<td class="number">{moment["since_s"]:.1f} s</td><td>{escape(str(moment["what"]))}</td></tr>'
        )
    yield "</table>"


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Figures</h2>\n<table><tr><th>figure</th><th>value</th><th></th><th>name in summary.json</th></tr>"
    for name, value in summary["figures"].items():
        reason = escape(str(summary["reasons"].get(name, "")))
        yield (
            f"<tr><td>{escape(label_of(name))}</td>"
            f'<td class="number">{escape(value_of(name, value))} {unit_of(name) if value is not None else ""}</td>'
            f'<td class="reason">{reason}</td><td><code>{escape(name)}</code></td></tr>'
        )
    yield "</table>"


def _faults(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["faults"]:
        return
    yield "<h2>What was injected</h2>\n<p>Seconds since the first injection.</p>\n<table>"
    yield "<tr><th>fault</th><th>began</th><th>ended</th><th>by</th><th>delivered, at the injector</th></tr>"
    for fault in summary["faults"]:
        yield (
            f'<tr><td>{escape(fault["fault"])}</td><td class="number">{fault["began_s"]:.1f} s</td>'
            f'<td class="number">{fault["ended_s"]:.1f} s</td><td>{escape(fault["ended_by"])}</td>'
            f"<td>{escape(delivery_of(fault))}</td></tr>"
        )
    yield "</table>"
    if summary["expectations"]:
        lines = "".join(f"<li>{escape(expectation_of(one))}</li>" for one in summary["expectations"])
        yield f"<p>What the victims were expected to suffer:</p>\n<ul>{lines}</ul>"


def _scale(summary: Mapping[str, Any]) -> Iterator[str]:
    scale = summary.get("scale", {})
    yield "<h2>What this cluster stands for</h2>"
    if "unknown" in scale:
        yield f"<p>Not known: {escape(str(scale['unknown']))}</p>"
    knobs = unrealistic_knobs(scale)
    if knobs:
        items = "\n".join(f"<li>{escape(line)}</li>" for line in knobs)
        yield f"<p>Not as in production:</p>\n<ul>\n{items}\n</ul>"


def _facts(summary: Mapping[str, Any]) -> Iterator[str]:
    for name in ("parameters", "versions", "scale"):
        content = json.dumps(summary.get(name, {}), indent=2, ensure_ascii=False, default=str)
        yield f"<h2>{name.capitalize()}</h2>\n<pre>{escape(content)}</pre>"
