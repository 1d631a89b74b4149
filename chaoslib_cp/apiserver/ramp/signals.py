"""The table of signals: what can say that the API servers are saturated, and what it is read from.

A signal is given its line by whoever starts a ramp; it has crossed where its value is the line or more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from chaoslib_cp.apiserver.ramp.reading import Reading
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import is_number

Source = Literal["client", "metrics", "leases"]


@dataclass(frozen=True)
class Signal:
    """One row.

    Attributes:
        name: Its name, with its unit.
        means: What it is, in words.
        source: What it is read from: the load's own client, ``/metrics`` of each server, or Leases.
        most: The highest line that makes sense.
        value: Its value on a dwell; None where it was not read.
    """

    name: str
    means: str
    source: Source
    most: float
    value: Callable[[Reading], float | None]


SIGNALS: Final[Mapping[str, Signal]] = {
    row.name: row
    for row in (
        Signal(
            "client_p99_s",
            "99th percentile of latency from the due time; a request that still waits counts with its time so far",
            "client",
            120.0,
            lambda told: told.p99_s,
        ),
        Signal("refused_ratio", "share of the answers that are 429", "client", 1.0, lambda told: told.refused_ratio),
        Signal(
            "server_cpu_cores", "cores that the busiest API server got", "metrics", 1024.0, lambda told: told.cpu_cores
        ),
        Signal(
            "server_rss_mib_per_s",
            "growth of the resident memory of the API server that grows most",
            "metrics",
            1_000_000.0,
            lambda told: told.rss_mib_per_s,
        ),
        Signal(
            "lease_age_s",
            "age of the oldest Lease of a node or a leader that was fresh before the load",
            "leases",
            3600.0,
            lambda told: told.lease_age_s,
        ),
    )
}
"""By name, in the order of a report."""

USUAL: Final[Mapping[str, float]] = {"client_p99_s": 1.0}
"""1 s is Kubernetes' own objective for a small read (source: sig-scalability, API call latency SLO)."""


def checked_lines(until: object) -> dict[str, float]:
    """Check the lines of a ramp.

    Args:
        until: The line of each signal, by its name.

    Raises:
        ProfileInvalid: It names no signal, an unknown one, or a line that is no number in its range; nothing was sent.
    """
    if not isinstance(until, Mapping) or not until:
        raise ProfileInvalid(
            f"until is {str(until)[:200]}; nothing was changed; name a signal with its line, for example "
            '{"client_p99_s": 1.0}'
        )
    for name, line in until.items():
        signal = SIGNALS.get(str(name))
        if signal is None:
            raise ProfileInvalid(
                f"until names {str(name)[:80]!r}, which is no signal; nothing was changed; use {', '.join(SIGNALS)}"
            )
        if not is_number(line) or not 0 < line <= signal.most:
            raise ProfileInvalid(
                f"until.{name} is {line!r}; nothing was changed; use a number above 0, at most {signal.most:g}"
            )
    return {str(name): float(line) for name, line in until.items()}
