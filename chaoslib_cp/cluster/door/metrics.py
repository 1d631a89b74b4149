"""A few lines of one API server's own metrics. Its page is large (about 2.5 MB), so it is read seldom."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.engine.sample.exposition import MetricsPage

_HISTOGRAM_ENDS: Final = ("_bucket", "_sum", "_count")


def read_metrics(cluster: Cluster, server: str, lines: Sequence[str], timeout_s: float) -> MetricsPage:
    """Read one server's ``/metrics``; a server that can filter is asked for what is needed alone.

    Args:
        cluster: As an identity that may read it.
        server: Which one, ``ip:port``.
        lines: Names of the lines to keep.
        timeout_s: Limit of the call.

    Raises:
        TargetRefused: This identity may not.
        CallFailed: The server does not answer, or is unwell.
    """
    names = dict.fromkeys(_metric_of(line) for line in lines)  # a filter wants the metric, not a line of a histogram
    query = urlencode([("name[]", name) for name in names])
    with Cluster(replace(cluster.connection, addresses=(server,))) as one:
        answer = one.call("GET", f"/metrics?{query}", timeout_s=timeout_s)
        one.expect_success(answer, "read /metrics")
    page = MetricsPage(lines)
    page.feed(answer.body)
    page.end()
    return page


def _metric_of(line: str) -> str:
    return next((line.removesuffix(end) for end in _HISTOGRAM_ENDS if line.endswith(end)), line)
