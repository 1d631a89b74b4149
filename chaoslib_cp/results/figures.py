"""The one table of figures: everything that is computed from a run, with its unit in the name and a label for a person.

Extensions add rows of their own (``FIGURES`` in their module, see ``extensions.py``); those come after ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from chaoslib_cp import extensions
from chaoslib_cp.errors import ProfileInvalid, said_safely
from chaoslib_cp.results import (
    api,
    api_work,
    dns,
    dns_latency,
    green,
    lies,
    lockout,
    lookups,
    nodes,
    observer,
    ramps,
    recovery,
    restarts,
)
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.vantage import DNS_CACHED, DNS_UNCACHED

Compute = Callable[[Recording, Faults | None], Figure]

_UNITS: Final = {
    "by": "",
    "rate": "/s",
    "green": "",
    "samples": "",
    "count": "",
    "s": "s",
    "ratio": "%",
    "share": "%",
    "amplification": "x",
}
"""The unit that a word in a name stands for; empty for numbers of things and for what is no number. The first wins."""


def _unit(name: str) -> str | None:
    words = name.split("_")
    return next((unit for word, unit in _UNITS.items() if word in words), None)


@dataclass(frozen=True)
class FigureRow:
    """One figure.

    Attributes:
        name: Its key in summary.json. One of its words says the unit: ``s`` (seconds), ``rate`` (so many a second),
            ``ratio`` or ``share`` (0 to 1, shown in percent), ``count`` or ``samples`` (a number of things), ``by`` (a
            name, or values by name).
        label: What a report calls it.
        compute: Computes it from the timeline and the faults (None when nothing was injected). ``of_faults`` makes one
            of a function that needs some.
    """

    name: str
    label: str
    compute: Compute

    def __post_init__(self) -> None:
        """Refuse a row that no report could show.

        Raises:
            ProfileInvalid: It has no label, or its name says no unit.
        """
        if not self.label:
            raise ProfileInvalid(f"figure {self.name!r} has no label; fill it in")
        if _unit(self.name) is None:
            raise ProfileInvalid(f"figure {self.name!r} says no unit; use one of {', '.join(_UNITS)} as a word of it")


def of_faults(function: Callable[[Recording, Faults], Figure]) -> Compute:
    """Let a figure of faults say by itself that there were none."""

    def compute_it(recording: Recording, faults: Faults | None) -> Figure:
        return function(recording, faults) if faults else absent("nothing was injected")

    return compute_it


def of_recording(function: Callable[[Recording], Figure]) -> Compute:
    """Make a row's function of one that looks at the timeline alone."""
    return lambda recording, _: function(recording)


_SUCCESS_CACHED: Final = partial(dns.success_ratio, vantage=DNS_CACHED.name)
_SUCCESS_UNCACHED: Final = partial(dns.success_ratio, vantage=DNS_UNCACHED.name)
_OURS: Final = (
    FigureRow(
        "detect_s", "first alarm of an API health check, since the first injection", of_faults(recovery.detect_s)
    ),
    FigureRow("detected_by", "which check gave the first alarm", of_faults(recovery.detected_by)),
    FigureRow(
        "rollout_share_at_first_signal",
        "rollout done at the first alarm",
        of_faults(recovery.rollout_share_at_first_signal),
    ),
    FigureRow("mask_s", "mask: caches hid the DNS failure for", of_faults(dns.mask_s)),
    FigureRow("predicted_mask_s", "mask predicted from the remaining TTL", of_faults(dns.predicted_mask_s)),
    FigureRow("dns_lost_s", "workload DNS lost for", of_faults(dns.dns_lost_s)),
    FigureRow("dns_seen_node_count", "nodes from which workload DNS was seen", of_recording(nodes.dns_seen_node_count)),
    FigureRow("dns_lost_by_node_s", "workload DNS lost, node by node", of_faults(nodes.dns_lost_by_node_s)),
    FigureRow("dns_success_ratio_cached", "lookups right while the fault was on: workload", of_faults(_SUCCESS_CACHED)),
    FigureRow(
        "dns_success_ratio_uncached",
        "lookups right while the fault was on: past the cache",
        of_faults(_SUCCESS_UNCACHED),
    ),
    FigureRow(
        "dns_latency_p50_by_layer_before_s",
        "median lookup before the fault",
        of_faults(partial(dns_latency.latency_before, quantile=0.5)),
    ),
    FigureRow(
        "dns_latency_p99_by_layer_before_s",
        "99th percentile of lookups before the fault",
        of_faults(partial(dns_latency.latency_before, quantile=0.99)),
    ),
    FigureRow(
        "dns_latency_p50_by_layer_s",
        "median lookup while the fault was on",
        of_faults(partial(dns_latency.latency_during, quantile=0.5)),
    ),
    FigureRow(
        "dns_latency_p99_by_layer_s",
        "99th percentile of lookups while the fault was on",
        of_faults(partial(dns_latency.latency_during, quantile=0.99)),
    ),
    FigureRow(
        "control_wrong_count", "wrong answers about names that nobody lies about", of_faults(dns.control_wrong_count)
    ),
    FigureRow(
        "queries_per_lookup_count",
        "questions that a lookup of the load cost",
        of_faults(lookups.queries_per_lookup_count),
    ),
    FigureRow(
        "queries_per_lookup_worst_count",
        "the same in the worst 4 s",
        of_faults(lookups.queries_per_lookup_worst_count),
    ),
    FigureRow(
        "lookups_unwell_s",
        "a tenth of the load's lookups failed or were slow for",
        of_faults(lookups.lookups_unwell_s),
    ),
    FigureRow("truth_kept_s", "caches kept the truth, since the lie began", of_faults(lies.truth_kept_s)),
    FigureRow("lie_heard_s", "workloads heard the lie for", of_faults(lies.lie_heard_s)),
    FigureRow("lie_kept_s", "caches kept the lie, since its withdrawal", of_faults(lies.lie_kept_s)),
    FigureRow(
        "lie_kept_locked_out_s",
        "of that, while the ordinary admin could not write",
        of_faults(lies.lie_kept_locked_out_s),
    ),
    FigureRow("lockout_s", "lock-out: ordinary admin could not write for", of_faults(lockout.lockout_s)),
    FigureRow("lockout_total_s", "all lock-outs of the run together", of_faults(lockout.lockout_total_s)),
    FigureRow("lockout_ended_by", "what ended the lock-out", of_faults(lockout.lockout_ended_by)),
    FigureRow(
        "break_glass_s", "break-glass: first write done, since the lock-out began", of_faults(lockout.break_glass_s)
    ),
    FigureRow(
        "break_glass_latency_p50_s",
        "median duration of a break-glass write",
        of_faults(lockout.break_glass_latency_p50_s),
    ),
    FigureRow(
        "break_glass_success_ratio", "break-glass writes that worked", of_faults(lockout.break_glass_success_ratio)
    ),
    FigureRow("api_error_ratio", "small API reads that failed while the fault was on", of_faults(api.api_error_ratio)),
    FigureRow("api_error_ratio_by_class", "API failures by class", of_faults(api.api_error_ratio_by_class)),
    FigureRow("amplification", "server CPU for each client CPU second", of_faults(api.amplification)),
    FigureRow(
        "agent_request_share",
        "of all requests to the API servers, the agents'",
        of_faults(api_work.agent_request_share),
    ),
    FigureRow(
        "observer_request_share", "of all requests to the API servers, our observer's", api_work.observer_request_share
    ),
    FigureRow(
        "capacity_node_count", "virtual nodes that the API servers bear", of_recording(ramps.capacity_node_count)
    ),
    FigureRow("capacity_rate_per_s", "requests answered there", of_recording(ramps.capacity_rate_per_s)),
    FigureRow("capacity_found_by", "what said that more is too much", of_recording(ramps.capacity_found_by)),
    FigureRow("api_restart_count", "times that an API server went away", of_faults(restarts.api_restart_count)),
    FigureRow(
        "api_first_restart_s",
        "the first time that one went away, since the first injection",
        of_faults(restarts.api_first_restart_s),
    ),
    FigureRow(
        "api_last_restart_s",
        "the last time that one went away, since the first injection",
        of_faults(restarts.api_last_restart_s),
    ),
    FigureRow(
        "api_recover_by_load_s",
        "the API served again and went on to, since each load ended",
        of_faults(restarts.api_recover_by_load_s),
    ),
    FigureRow("mitigate_s", "fault ended, since the first injection", of_faults(recovery.mitigate_s)),
    FigureRow("mitigated_by", "what ended the fault", of_faults(recovery.mitigated_by)),
    FigureRow(
        "recover_first_s", "first thing worked again, since the fault ended", of_faults(recovery.recover_first_s)
    ),
    FigureRow("recover_full_s", "everything worked again, since the fault ended", of_faults(recovery.recover_full_s)),
    FigureRow("misleading_green", "checks that stayed green while users suffered", of_faults(green.misleading_green)),
    FigureRow("observer_samples", "samples taken", of_recording(observer.observer_samples)),
    FigureRow(
        "observer_void_samples",
        "samples that started too late, left out",
        of_recording(observer.observer_void_samples),
    ),
    FigureRow(
        "observer_lag_p99_s",
        "99th percentile of how late samples started",
        of_recording(observer.observer_lag_p99_s),
    ),
)
"""In the order of the chain, which is the order of the report."""


def all_figures() -> tuple[FigureRow, ...]:
    """Every figure there is, in the order of a report. Of two with one name the first counts (``problems``)."""
    by_name: dict[str, FigureRow] = {}
    for row in (*_OURS, *extensions.rows("FIGURES")):
        if isinstance(row, FigureRow):
            by_name.setdefault(row.name, row)
    return tuple(by_name.values())


def problems() -> list[str]:
    """Why the rows of extensions cannot be relied on, one line each; empty when they can."""
    rows = (*_OURS, *extensions.rows("FIGURES"))
    names = [row.name for row in rows if isinstance(row, FigureRow)]
    return [
        *(
            f"two figures are called {name!r}; give one of them another name"
            for name in sorted({name for name in names if names.count(name) > 1})
        ),
        *(
            f"FIGURES of an extension holds {row!r}; use chaoslib_cp.results.figures.FigureRow"
            for row in rows
            if not isinstance(row, FigureRow)
        ),
    ]


def unit_of(name: str) -> str:
    """The unit that a figure's name says: s, %, x or nothing."""
    return _unit(name) or ""


def label_of(name: str) -> str:
    """What a report calls a figure; its name where the table does not know it."""
    return next((row.label for row in all_figures() if row.name == name), name)


def compute(recording: Recording, faults: Faults | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Compute every figure.

    Args:
        recording: The timeline of the run.
        faults: The faults of the run, or None when nothing was injected.

    Returns:
        The values by name (None where not measured), and the reasons by name: why a value is missing, or what to know
        when reading it.
    """
    found = {row.name: _computed(row, recording, faults) for row in all_figures()}
    values = {name: figure.value for name, figure in found.items()}
    return values, {name: figure.reason for name, figure in found.items() if figure.reason is not None}


def _computed(row: FigureRow, recording: Recording, faults: Faults | None) -> Figure:
    if row in _OURS:
        return row.compute(recording, faults)
    try:
        return row.compute(recording, faults)
    except Exception as error:  # noqa: BLE001 - a mistake in somebody's figure must not cost the verdict
        return absent(said_safely(error))
