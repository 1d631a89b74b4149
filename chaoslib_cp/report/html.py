"""A run as one plain page: no script, no style sheet, no picture from elsewhere; it can be mailed and kept.

Everything that comes from outside (names of pods, titles, messages) is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from chaoslib_cp.report.api_work import draw_api_work
from chaoslib_cp.report.ladders import draw_ladders
from chaoslib_cp.report.strips import draw_strips
from chaoslib_cp.report.style import STYLE
from chaoslib_cp.report.table import Cell, draw_table
from chaoslib_cp.report.words import (
    delivery_of,
    expectation_of,
    healed_words,
    seconds_of,
    unrealistic_knobs,
    value_of,
    verdict_words,
    was_injected,
)
from chaoslib_cp.results.figures import label_of, unit_of
from chaoslib_cp.results.recording import Recording


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
    yield f"<title>{title}: {escape(word)}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f"<h1>{title}</h1>"
    yield f'<p class="quiet">{escape(str(run.get("id", "")))}, started {escape(str(run.get("started", "unknown")))}</p>'
    yield f'<p><span class="verdict {escape(word)}">{escape(word)}</span> {escape(verdict_words(summary))}</p>'
    yield f"<ul>{''.join(f'<li>{escape(str(reason))}</li>' for reason in summary['why'])}</ul>"
    yield from _healed(summary)
    yield from _parts(summary)
    yield from _faults(summary)
    yield from _story(summary)
    yield "<h2>Every sample</h2>"
    lines = " Dashed lines carry the numbers of the list above." if summary["story"] else ""
    yield f"<p>Tall and red: failed. Low and green: good. Thin and grey: started too late, left out.{lines}</p>"
    yield draw_strips(recording, summary.get("began_epoch_s"), summary["story"])
    yield from draw_ladders(summary.get("ramps", []))
    yield from _figures(summary)
    yield from draw_api_work(summary.get("api_work", {}))
    if was_injected(summary):
        yield from _scale(summary)
    yield from _facts(summary)
    yield "</body>\n</html>"


def _healed(summary: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"<p>Note: {escape(str(words))}</p>" for words in summary.get("stranded", []))
    if summary["healed"]:
        yield f"<p>Healed: {escape(healed_words(summary))}.</p>"
    for left in summary["left_behind"]:
        words = escape(str(left))
        yield f'<p class="broke"><strong>Not healed:</strong> {words}; run <code>chaos cp recover</code></p>'
    for unwell in summary["not_recovered"]:
        yield f'<p class="broke"><strong>Not healed:</strong> {escape(str(unwell))}</p>'


def _parts(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["parts"]:
        return
    yield "<h2>Claims of the hypothesis</h2>"
    rows = [
        (
            "",
            (
                Cell(str(part["part"]), "label"),
                Cell(str(part["verdict"]), str(part["verdict"])),
                Cell(seconds_of(part["since_s"]), "number"),
                Cell("" if part["verdict"] == "broke" else str(part["why"]), "quiet"),  # the list above says it
            ),
        )
        for part in summary["parts"]
    ]
    yield from draw_table(("claim", "verdict", "since the first injection", "why"), rows)


def _story(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["story"]:
        return
    yield "<h2>What happened when</h2>\n<p>Seconds since the first injection.</p>"
    rows = [
        (
            str(moment["kind"]),
            (
                Cell(str(number), "number"),
                Cell(seconds_of(moment["since_s"]), "number"),
                Cell(str(moment["what"])),
            ),
        )
        for number, moment in enumerate(summary["story"], start=1)
    ]
    yield from draw_table(("no.", "at", "what"), rows, stacked=False)


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Figures</h2>"
    if not was_injected(summary):
        yield "<p>Nothing was injected, so the figures of a fault are left out.</p>"
    rows = [
        (
            "",
            (
                Cell(label_of(name), "label"),
                Cell(f"{value_of(name, value)} {'' if value is None else unit_of(name)}".strip(), _kind_of(value)),
                Cell(str(summary["reasons"].get(name, "")), "quiet"),
                Cell(name, "name", code=True),
            ),
        )
        for name, value in summary["figures"].items()
        if value is not None or was_injected(summary)
    ]
    yield from draw_table(("figure", "value", "remark", "name in summary.json"), rows)


def _kind_of(value: Any) -> str:
    """Numbers stand in one column, below each other; words may take several lines."""
    is_number = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return "number" if is_number else "words"


def _faults(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary["faults"]:
        return
    yield "<h2>What was injected</h2>\n<p>Seconds since the first injection.</p>"
    rows = [
        (
            "",
            (
                Cell(str(fault["fault"]), "words"),
                Cell(seconds_of(fault["began_s"]), "number"),
                Cell(seconds_of(fault["ended_s"]), "number"),
                Cell(str(fault["ended_by"]), "words"),
                Cell(delivery_of(fault)),
            ),
        )
        for fault in summary["faults"]
    ]
    yield from draw_table(("fault", "began", "ended", "by", "delivered, at the injector"), rows)
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
