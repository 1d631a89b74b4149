"""A page of metrics is read as it passes by, and little of it is kept."""

import pytest

from chaoslib_cp.engine.sample.exposition import MetricsPage

PAGE = b"""# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_cpu_seconds_total_of_another 99
rejected_total{flow_schema="a \\"quoted\\", with } and ,",priority_level="low",reason="queue-full"} 3
rejected_total{flow_schema="b",priority_level="low",reason="queue-full"} 4 1700000000000
rejected_total{flow_schema="b",priority_level="high",reason="time-out"} 1e3
other_bucket{le="0.1"} 7
broken one
broken{
nothing NaN
rss 1.5e+09"""
NAMES = ("process_cpu_seconds_total", "rejected_total", "broken", "nothing", "rss")


@pytest.mark.parametrize("piece_bytes", [1, 7, 100, len(PAGE)])
def test_pieces_of_any_size_bring_the_same(piece_bytes: int) -> None:
    """Names are whole names, labels may hold anything, what is no number is left out, the last line counts."""
    page = MetricsPage(NAMES)
    for start in range(0, len(PAGE), piece_bytes):
        page.feed(PAGE[start : start + piece_bytes])
    page.end()
    assert page.lines == 12
    assert page.value("process_cpu_seconds_total") == 12.5
    assert page.value("rss") == 1.5e9
    assert page.sums("rejected_total", "priority_level", "reason") == {
        ("low", "queue-full"): 7.0,
        ("high", "time-out"): 1000.0,
    }
    assert page.series("rejected_total")[0][0]["flow_schema"] == 'a \\"quoted\\", with } and ,'
    assert [page.series(name) for name in ("broken", "nothing", "other_bucket")] == [[], [], []]
    assert page.value("nothing") is None


def test_what_is_no_page_of_metrics_is_not_piled_up() -> None:
    """A body without line feeds, however long, is not kept."""
    page = MetricsPage(NAMES)
    for _ in range(1000):
        page.feed(b"rss " + b"1" * 10_000)
    page.end()
    assert page.value("rss") is None
