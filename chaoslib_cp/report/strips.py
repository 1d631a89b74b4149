"""The timeline as one drawing: a strip for each vantage point, a mark for each sample, a line for each event.

Good, bad and void differ in height as well as in colour, so that the drawing also works in grey. It is drawn twice, for
a wide and for a narrow screen, and the page shows the one that fits: letters that shrink with a drawing end unreadable.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import all_points

_TOP, _BAR = 22, 14
_BEFORE_S, _AFTER_S = 15.0, 20.0
_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 7200)
_LABEL_LETTERS = 40
_NODES = 3
_LANE = 15
"""Height of a line of numbers below the strips."""
_DIGIT = 8.0
"""Width that a letter takes at most, in the 12 px of the page's style."""
_PHASES = {
    "tcp": "while connecting",
    "tls": "in the TLS handshake",
    "first_byte": "while waiting for the answer",
    "body": "in the middle of the answer",
}
"""Where a call ended that got no answer: in the handshake the server is starved, after it the request is queued."""


@dataclass(frozen=True)
class _Sheet:
    """What is drawn on.

    Attributes:
        name: Its class, which says when the page shows it.
        width: Its whole width.
        left: Where strips begin.
        right: Room behind them, for half of a number.
        row: Height of a strip with its label.
        bar_top: Where in a row the strip begins: below the label where there is no room beside it.
    """

    name: str
    width: int
    left: int
    right: int
    row: int
    bar_top: int


_WIDE = _Sheet("wide", width=1100, left=290, right=20, row=22, bar_top=0)
_NARROW = _Sheet("narrow", width=360, left=12, right=20, row=40, bar_top=18)


@dataclass(frozen=True)
class _Axis:
    """The time that is shown, seconds since the first injection, and where that is on a sheet."""

    sheet: _Sheet
    from_s: float
    until_s: float

    def x(self, since_s: float) -> float:
        sheet = self.sheet
        scale = (sheet.width - sheet.left - sheet.right) / (self.until_s - self.from_s)
        return sheet.left + (since_s - self.from_s) * scale

    def shows(self, since_s: float) -> bool:
        return self.from_s <= since_s <= self.until_s


def draw_strips(recording: Recording, began_s: float | None, story: Sequence[Mapping[str, Any]]) -> str:
    """Draw all samples of a run as inline SVG, once for a wide and once for a narrow screen.

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
    return "\n".join(
        line for sheet in (_WIDE, _NARROW) for line in _draw(_Axis(sheet, from_s, until_s), rows, zero_s, story)
    )


def _draw(
    axis: _Axis, rows: Sequence[tuple[str, list[Sample]]], zero_s: float, story: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    sheet = axis.sheet
    foot = _TOP + sheet.row * len(rows) + 6
    events = list(_events(axis, story, foot))
    height = foot + _LANE * (1 + max((lane for lane, _ in events), default=0)) + 4
    yield f'<svg class="{sheet.name}" viewBox="0 0 {sheet.width} {height}" role="img"'
    yield 'aria-label="Samples of every vantage point over time">'
    yield from _ticks(axis, foot)
    for index, (_, samples) in enumerate(rows):
        y = _TOP + sheet.row * index
        shown = [sample for sample in samples if axis.shows(sample.at_s - zero_s)]
        yield from _marks(axis, shown, zero_s, y + sheet.bar_top)
    yield from (drawn for _, drawn in events)
    # last, so that no line crosses what is to be read
    yield from (_label(sheet, label, _TOP + sheet.row * index) for index, (label, _) in enumerate(rows))
    yield "</svg>"


def _rows(recording: Recording) -> list[tuple[str, list[Sample]]]:
    """A strip for each vantage point and target, in the order of the table; accounts are no checks and have none.

    What is asked from several nodes has one for each of the three that fared worst, and says how many it leaves out.
    """
    points = all_points()
    places = {point.name: place for place, point in enumerate(points)}
    left_out = {point.name for point in points if not point.is_check}
    by_row: dict[tuple[int, str, str], dict[str, list[Sample]]] = {}
    for sample in recording.samples:
        if sample.vantage not in left_out:
            row = (places.get(sample.vantage, len(points)), sample.vantage, sample.target)
            by_row.setdefault(row, {}).setdefault(sample.node, []).append(sample)
    return [
        (f"{vantage} {target}{where}", samples)
        for (_, vantage, target), by_node in sorted(by_row.items())
        for where, samples in _of_nodes(by_node)
    ]


def _of_nodes(by_node: Mapping[str, list[Sample]]) -> list[tuple[str, list[Sample]]]:
    """The samples of those that fared worst, each with the end of its label."""
    if len(by_node) == 1:
        return [("", samples) for samples in by_node.values()]
    ranked = sorted(by_node.items(), key=lambda one: (-sum(not sample.ok for sample in one[1]), one[0]))
    shown = [(f" from {node}" if node else "", samples) for node, samples in sorted(ranked[:_NODES])]
    left_out = len(ranked) - len(shown)
    return [(f"{where} ({left_out} not shown)" if left_out else where, samples) for where, samples in shown]


def _label(sheet: _Sheet, label: str, y: int) -> str:
    """What a strip shows; of a long one the middle is left out, for pods of one workload differ in their ends."""
    half = _LABEL_LETTERS // 2
    short = label if len(label) <= _LABEL_LETTERS else f"{label[: half - 1]}…{label[-half:]}"
    x, anchor = (sheet.left - 8, "end") if sheet.bar_top == 0 else (sheet.left, "start")
    whole = f"<title>{escape(label)}</title>" if short != label else ""
    return f'<text class="target" x="{x}" y="{y + 12}" text-anchor="{anchor}">{escape(short)}{whole}</text>'


def _marks(axis: _Axis, samples: list[Sample], zero_s: float, y: int) -> Iterator[str]:
    """One rectangle for each row of samples of the same kind, up to the next sample."""
    index = 0
    while index < len(samples):
        kind = _kind(samples[index])
        begin_s = samples[index].at_s - zero_s
        words = _words(samples[index])
        while index < len(samples) and _kind(samples[index]) == kind and _words(samples[index]) == words:
            index += 1
        last_s = samples[-1].at_s - zero_s + 1.0
        end_s = samples[index].at_s - zero_s if index < len(samples) else min(axis.until_s, last_s)
        x = axis.x(begin_s)
        width = max(0.8, axis.x(end_s) - x)
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


def _ticks(axis: _Axis, foot: int) -> Iterator[str]:
    """Lines of the time axis, as many as there is room for their numbers."""
    longest = max(len(f"{at_s:.0f} s") for at_s in (axis.from_s, axis.until_s))
    room = 2 * _DIGIT * longest
    step_s = next(
        (step for step in _STEPS_S if axis.x(step) - axis.x(0) >= room),
        _STEPS_S[-1],
    )
    tick_s = int(axis.from_s // step_s) * step_s
    while tick_s <= axis.until_s:
        x = axis.x(tick_s)
        if axis.shows(tick_s):
            yield f'<line class="tick" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{foot}"/>'
            # half of the number stands on either side; at the very edge it would be cut off
            if x + _DIGIT * longest / 2 <= axis.sheet.width and x >= _DIGIT * longest / 2:
                yield f'<text x="{x:.1f}" y="{_TOP - 9}" text-anchor="middle">{tick_s} s</text>'
        tick_s += step_s


def _events(axis: _Axis, story: Sequence[Mapping[str, Any]], foot: int) -> Iterator[tuple[int, str]]:
    """For each moment the lane in which its number stands, so that none covers another, and what is drawn."""
    taken: list[float] = []
    for number, moment in enumerate(story, start=1):
        since_s = float(moment["since_s"])
        if not axis.shows(since_s):
            continue
        x, half = axis.x(since_s), _DIGIT * len(str(number)) / 2
        free = (lane for lane, until_x in enumerate(taken) if until_x <= x - half)
        lane = next(free, len(taken))
        taken[lane : lane + 1] = [x + half]
        y = foot + _LANE * lane
        kind = escape(str(moment["kind"]))
        yield (
            lane,
            f'<line class="event {kind}" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{y}"/>'
            f'<text x="{x:.1f}" y="{y + 12}" text-anchor="middle">{number}'
            f"<title>{since_s:.1f} s: {escape(str(moment['what']))}</title></text>",
        )
