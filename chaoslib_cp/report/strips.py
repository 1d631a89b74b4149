"""The timeline as one drawing: a strip for each vantage point, a mark for each sample, a line for each event.

Good, bad and void differ in height as well as in colour, so that the drawing also works in grey.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import all_points

_LEFT, _RIGHT, _TOP, _ROW, _BAR = 250, 20, 20, 22, 14
_WIDTH = 1100
_BEFORE_S, _AFTER_S = 15.0, 20.0
_TICKS = 12
_PHASES = {
    "tcp": "while connecting",
    "tls": "in the TLS handshake",
    "first_byte": "while waiting for the answer",
    "body": "in the middle of the answer",
}
"""Where a call ended that got no answer: in the handshake the server is starved, after it the request is queued."""


def draw_strips(recording: Recording, began_s: float | None, story: Sequence[Mapping[str, Any]]) -> str:
    """Draw all samples of a run as inline SVG.

    Args:
        recording: The samples.
        began_s: Zero of the time axis, epoch seconds; None to begin at the first sample.
        story: The moments of summary.json; drawn as numbered lines.
    """
    if not recording.samples:
        return "<p>No samples were taken.</p>"
    zero_s = recording.samples[0].at_s if began_s is None else began_s
    from_s = max(recording.samples[0].at_s - zero_s, -_BEFORE_S)
    last_s = max((float(moment["since_s"]) for moment in story), default=0.0) + _AFTER_S
    until_s = max(from_s + 1.0, min(recording.ends_at_s - zero_s, last_s) if story else recording.ends_at_s - zero_s)
    rows = _rows(recording)
    height = _TOP + _ROW * len(rows) + 50
    scale = (_WIDTH - _LEFT - _RIGHT) / (until_s - from_s)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Samples of every vantage point over time">',
        *_axis(from_s, until_s, scale, height),
    ]
    for index, (label, samples) in enumerate(rows):
        y = _TOP + _ROW * index
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>')
        shown = [sample for sample in samples if from_s <= sample.at_s - zero_s <= until_s]
        parts.extend(_marks(shown, zero_s + from_s, zero_s + until_s, scale, y))
    parts.extend(_lines(story, from_s, until_s, scale, height))
    return "\n".join([*parts, "</svg>"])


def _rows(recording: Recording) -> list[tuple[str, list[Sample]]]:
    """A strip for each vantage point and target, in the order of the table; accounts are no checks and have none."""
    points = all_points()
    places = {point.name: place for place, point in enumerate(points)}
    left_out = {point.name for point in points if not point.is_check}
    by_row: dict[tuple[int, str, str], list[Sample]] = {}
    for sample in recording.samples:
        if sample.vantage not in left_out:
            place = places.get(sample.vantage, len(points))
            by_row.setdefault((place, sample.vantage, sample.target), []).append(sample)
    return [(f"{vantage}  {target}"[:44], samples) for (_, vantage, target), samples in sorted(by_row.items())]


def _marks(samples: list[Sample], from_s: float, until_s: float, scale: float, y: int) -> Iterator[str]:
    """One rectangle for each row of samples of the same kind, up to the next sample."""
    index = 0
    while index < len(samples):
        kind = _kind(samples[index])
        begin_s = samples[index].at_s
        words = _words(samples[index])
        while index < len(samples) and _kind(samples[index]) == kind and _words(samples[index]) == words:
            index += 1
        end_s = samples[index].at_s if index < len(samples) else min(until_s, samples[-1].at_s + 1.0)
        x = _LEFT + (begin_s - from_s) * scale
        width = max(0.8, (end_s - begin_s) * scale)
        top = y + (6 if kind == "void" else 0 if kind == "bad" else 4)
        tall = 2 if kind == "void" else _BAR if kind == "bad" else _BAR - 8
        yield (
            f'<rect class="{kind}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{tall}">'
            f"<title>{escape(words)}</title></rect>"
        )


def _kind(sample: Sample) -> str:
    return "void" if sample.void else "good" if sample.ok else "bad"


def _words(sample: Sample) -> str:
    if sample.void:
        return "started too late, left out"
    phase = _PHASES.get(sample.failed_in, "")
    return f"{sample.outcome} {phase}" if phase else sample.outcome


def _axis(from_s: float, until_s: float, scale: float, height: int) -> Iterator[str]:
    step_s = next(
        step
        for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 7200)
        if (until_s - from_s) / step <= _TICKS or step == 7200
    )
    tick_s = int(from_s // step_s) * step_s
    while tick_s <= until_s:
        if tick_s >= from_s:
            x = _LEFT + (tick_s - from_s) * scale
            yield f'<line class="tick" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - 40}"/>'
            yield f'<text x="{x:.1f}" y="{_TOP - 8}" text-anchor="middle">{tick_s} s</text>'
        tick_s += step_s


def _lines(
    story: Sequence[Mapping[str, Any]], from_s: float, until_s: float, scale: float, height: int
) -> Iterator[str]:
    for number, moment in enumerate(story, start=1):
        since_s = float(moment["since_s"])
        if from_s <= since_s <= until_s:
            x = _LEFT + (since_s - from_s) * scale
            y = height - 40 + 12 * (number % 3)
            yield f'<line class="event {escape(str(moment["kind"]))}" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{y}"/>'
            yield (
                f'<text x="{x:.1f}" y="{y + 9}" text-anchor="middle">{number}'
                f"<title>{since_s:.1f} s: {escape(str(moment['what']))}</title></text>"
            )
