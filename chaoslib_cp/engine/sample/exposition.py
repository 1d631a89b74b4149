"""A page of Prometheus metrics, of which a few are kept as it passes by: the page of an API server has megabytes.

Source: Prometheus documentation, "Exposition formats", text-based format.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Final

_LABEL: Final = re.compile(rb'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_LONGEST_LINE_BYTES: Final = 65_536

Labels = Mapping[str, str]
Series = list[tuple[Labels, float]]


class MetricsPage:
    """What is kept of one page.

    Args:
        names: Names of lines to keep, as they stand there: a histogram has lines that end in ``_bucket``, ``_sum`` and
            ``_count``. All others are dropped without being taken apart.

    Attributes:
        lines: How many lines of the page were read, kept or not.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.lines = 0
        self._names = frozenset(name.encode() for name in names)
        self._prefixes = tuple(self._names)
        self._series: dict[str, Series] = {}
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the bytes that have just come."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += len(lines)
        for line in lines:
            if line.startswith(self._prefixes):
                self._keep(line)
        if len(self._rest) > _LONGEST_LINE_BYTES:  # no page of metrics
            self._rest = b""

    def end(self) -> None:
        """Take the last line, which may lack its line feed."""
        if self._rest:
            self.feed(b"\n")

    def series(self, name: str) -> Series:
        """Labels and value of each line of that name, in their order; empty where the page has none."""
        return self._series.get(name, [])

    def value(self, name: str) -> float | None:
        """The value of a metric that has no labels; None where the page does not have it."""
        found = self.series(name)
        return found[0][1] if found else None

    def sums(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Values of that name, added up by these labels."""
        added: dict[tuple[str, ...], float] = {}
        for told, value in self.series(name):
            key = tuple(told.get(label, "") for label in labels)
            added[key] = added.get(key, 0.0) + value
        return added

    def _keep(self, line: bytes) -> None:
        name, brace, rest = line.partition(b"{")
        labels: dict[str, str] = {}
        if brace:
            inner, _, rest = rest.rpartition(b"}")
            labels = {key.decode(): text.decode("utf-8", "replace") for key, text in _LABEL.findall(inner)}
        else:
            name, _, rest = line.partition(b" ")
        words = rest.split()
        if name not in self._names or not words:
            return
        try:
            value = float(words[0])
        except ValueError:
            return
        if math.isfinite(value):
            self._series.setdefault(name.decode(), []).append((labels, value))
